"""Acceptances: the latest instructions of the system operator."""

import datetime as dt
from collections.abc import Sequence

from dashboard.selection import Selection, moment
from dashboard.tile import Column, Drawing, Figure, Parameters, Row, Tile, number
from dashboard.tiles.times import half_hours

SHOWN = 12
HOURS = 3
# Acceptances of the last hours; their segments may lie ahead.
SPAN = half_hours(HOURS, ahead=2)


def _parameters(selection: Selection, now: dt.datetime) -> Parameters:
    start, end = SPAN(selection, now)
    return {"from_utc": start, "to_utc": end, "at_utc": moment(selection, now)}


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    figures = (
        Figure("Acceptances", f"{len(rows):,}"),
        Figure("Units", f"{len({row['unit'] for row in rows}):,}"),
        Figure("Offers", number(_sum(rows, "offerVolume")), "MWh"),
        Figure("Bids", number(_sum(rows, "bidVolume")), "MWh"),
        Figure("Cashflow", number(_sum(rows, "cashflow")), "GBP"),
    )
    columns = (
        Column("acceptanceTime", "Accepted", "time"),
        Column("unit", "Unit"),
        Column("acceptanceNumber", "Number", "text"),
        Column("firstHalfHour", "From half-hour", "time"),
        Column("offerVolume", "Offers", "number", "MWh", 1),
        Column("bidVolume", "Bids", "number", "MWh", 1),
        Column("cashflow", "Cashflow", "number", "GBP"),
    )
    more = len(rows) - SHOWN
    note = f"The newest {SHOWN}; {more:,} more in these hours." if more > 0 else ""
    return Drawing(columns, rows[:SHOWN], figures=figures, note=note)


def _sum(rows: Sequence[Row], field: str) -> float:
    return sum(row[field] or 0 for row in rows)


ACCEPTANCES = Tile(
    name="acceptances",
    title="Latest acceptances",
    sql="acceptances.sql",
    datasets=("BOALF",),
    parameters=_parameters,
    draw=_draw,
    empty=f"No acceptance in the last {HOURS} hours.",
    about=f"Those of the half-hours of the last {HOURS} hours and of the next 2, with "
    "the volume and the cashflow that follow from them.",
    wide=True,
)
