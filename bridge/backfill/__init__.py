"""Backfill: messages of Elexon's archive or API, published like those of IRIS."""

from bridge.backfill.command import configure, run

__all__ = ["configure", "run"]
