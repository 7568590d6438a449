"""Identical rows: counted and removed, one day at a time."""
