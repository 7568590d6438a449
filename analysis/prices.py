"""Prices: one for each half-hour, from DISEBSP or MID."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from analysis.days import Days
from command.usage import UsageError
from gb_iris import read

KINDS = {
    "index": "market index price (MID, its providers weighted by volume)",
    "system": "system price (DISEBSP)",
}


def prices(
    kind: str, days: Days, tables: Mapping[str, Any]
) -> dict[dt.datetime, float]:
    """The prices by start of half-hour, in GBP/MWh and in order of time.

    Half-hours without a row, or in which the market index has no trade, are left out.

    Args:
        kind: Of `KINDS`.
        days: Which.
        tables: Where `read` finds the tables.

    Raises:
        UsageError: There is none.
    """
    found = _system(days, tables) if kind == "system" else _index(days, tables)
    if not found:
        raise UsageError(f"there is no {KINDS[kind]} from {days.first} to {days.end}")
    return found


def _system(days: Days, tables: Mapping[str, Any]) -> dict[dt.datetime, float]:
    columns = ["startTime", "systemBuyPrice"]
    rows = read("DISEBSP", start=days.first, end=days.end, columns=columns, **tables)
    return {
        time.to_pydatetime(): float(price)
        for time, price in zip(rows["startTime"], rows["systemBuyPrice"], strict=True)
    }


def _index(days: Days, tables: Mapping[str, Any]) -> dict[dt.datetime, float]:
    columns = ["startTime", "price", "volume"]
    rows = read("MID", start=days.first, end=days.end, columns=columns, **tables)
    costs: dict[dt.datetime, float] = {}
    volumes: dict[dt.datetime, float] = {}
    for time, price, volume in rows.itertuples(index=False):
        if volume > 0:
            start = time.to_pydatetime()
            costs[start] = costs.get(start, 0.0) + price * volume
            volumes[start] = volumes.get(start, 0.0) + volume
    return {start: cost / volumes[start] for start, cost in costs.items()}
