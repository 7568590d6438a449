"""Backfill: messages of Elexon's archive or API, published like those of IRIS."""
