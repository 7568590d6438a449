"""Identical rows: found and removed, one day at a time."""
