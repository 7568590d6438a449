"""Demand: what it was, beside what was forecast."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile, number
from dashboard.tiles.times import between, half_hours

SPAN = half_hours(24, ahead=12)
# Those of Vega-Lite's `fold`: column by the name in the legend.
LINES = {
    "nationalDemand": ("Outturn", vega.BLUE, vega.SOLID),
    "nationalDayAheadForecast": ("Day-ahead forecast", vega.ORANGE, vega.DASHED),
    "nationalLatestForecast": ("Latest forecast", vega.GREEN, vega.DOTTED),
}
SPEC = vega.lines("Demand in MW: outturn and forecasts, by half-hour", "MW", LINES)


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    known = [row for row in rows if row["nationalDemand"] is not None]
    figures = []
    if known:
        newest = known[-1]
        figures.append(Figure("Latest", number(newest["nationalDemand"]), "MW"))
        if newest["nationalDayAheadForecast"] is not None:
            error = newest["nationalDayAheadForecast"] - newest["nationalDemand"]
            figures.append(Figure("Day-ahead error", number(error, signed=True), "MW"))
    ahead = [row["nationalLatestForecast"] for row in rows if row not in known]
    ahead = [value for value in ahead if value is not None]
    if ahead:
        figures.append(Figure("Highest ahead", number(max(ahead)), "MW"))
    columns = (
        Column("startTime", "Half-hour", "time"),
        Column("settlementPeriod", "Period", "number"),
        Column("nationalDemand", "Outturn", "number", "MW"),
        Column("nationalDayAheadForecast", "Day ahead", "number", "MW"),
        Column("nationalLatestForecast", "Latest forecast", "number", "MW"),
    )
    params = vega.clock_params(*SPAN(selection, now))
    return Drawing(columns, rows[::-1], [Chart(SPEC, params, rows)], figures)


DEMAND = Tile(
    name="demand",
    title="Demand and forecast",
    sql="demand.sql",
    datasets=("INDO", "NDF"),
    parameters=between(SPAN),
    draw=_draw,
    empty="No demand in these hours: INDO and NDF have no rows for them yet.",
    about="National demand by half-hour, over 24 hours and the 12 hours ahead.",
)
