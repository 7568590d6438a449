"""Outages: what is out at this instant."""

import datetime as dt
from collections.abc import Sequence

from dashboard.selection import Selection, moment
from dashboard.tile import Column, Drawing, Figure, Parameters, Row, Tile, number

SHOWN = 12


def _parameters(selection: Selection, now: dt.datetime) -> Parameters:
    return {"at_utc": moment(selection, now)}


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    # One unit may have several events, whose capacities overlap.
    largest: dict[str, float] = {}
    for row in rows:
        unit, lost = row["unit"], row["unavailableCapacity"] or 0
        largest[unit] = max(lost, largest.get(unit, 0))
    figures = (
        Figure("Out now", number(sum(largest.values())), "MW"),
        Figure("Units", f"{len(largest):,}"),
        Figure("Unplanned", f"{_unplanned(rows):,}"),
    )
    columns = (
        Column("unit", "Unit"),
        Column("fuelType", "Fuel"),
        Column("unavailabilityType", "Type"),
        Column("unavailableCapacity", "Lost", "number", "MW"),
        Column("normalCapacity", "Of", "number", "MW"),
        Column("eventStartTime", "Since", "time"),
        Column("eventEndTime", "Until", "time"),
        Column("cause", "Cause"),
    )
    note = f"The largest {SHOWN} of {len(rows)}." if len(rows) > SHOWN else ""
    return Drawing(columns, rows[:SHOWN], figures=figures, note=note)


def _unplanned(rows: Sequence[Row]) -> int:
    return len(
        {row["unit"] for row in rows if row["unavailabilityType"] == "Unplanned"}
    )


OUTAGES = Tile(
    name="outages",
    title="Outages in force",
    sql="outages.sql",
    datasets=("REMIT",),
    parameters=_parameters,
    draw=_draw,
    empty="No production is reported as unavailable at this time.",
    about="Production that REMIT reports as unavailable, each event once.",
    wide=True,
    every_seconds=300,
)
