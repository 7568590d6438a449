"""Backfill: publishes messages of Elexon's archive or API like those of IRIS."""
