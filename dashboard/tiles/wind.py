"""Wind: what it was, beside what was forecast."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Parameters, Row, Tile, number
from dashboard.tiles.times import between, half_hours

HOURS_BEFORE = 6
SPAN = half_hours(24, ahead=12)
LINES = {
    "generation": ("Generation", vega.BLUE, vega.SOLID),
    "forecast": (f"Forecast of {HOURS_BEFORE} hours before", vega.ORANGE, vega.DASHED),
}
SPEC = vega.lines("Wind in MW: generation and forecast, by half-hour", "MW", LINES)


def _parameters(selection: Selection, now: dt.datetime) -> Parameters:
    return {**between(SPAN)(selection, now), "hours_before": HOURS_BEFORE}


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    known = [row for row in rows if row["generation"] is not None]
    figures = []
    if known:
        figures.append(Figure("Latest", number(known[-1]["generation"]), "MW"))
    errors = [row["forecastError"] for row in rows if row["forecastError"] is not None]
    if errors:
        figures.append(Figure("Forecast error", number(errors[-1], signed=True), "MW"))
        mean = sum(map(abs, errors)) / len(errors)
        figures.append(Figure("Mean error, 24 h", number(mean), "MW"))
    columns = (
        Column("startTime", "Half-hour", "time"),
        Column("settlementPeriod", "Period", "number"),
        Column("generation", "Generation", "number", "MW"),
        Column("forecast", "Forecast", "number", "MW"),
        Column("forecastError", "Error", "number", "MW"),
    )
    params = vega.clock_params(*SPAN(selection, now))
    return Drawing(columns, rows[::-1], [Chart(SPEC, params, rows)], figures)


WIND = Tile(
    name="wind",
    title="Wind and forecast",
    sql="wind.sql",
    datasets=("FUELHH", "WINDFOR"),
    parameters=_parameters,
    draw=_draw,
    empty="No wind in these hours: FUELHH and WINDFOR have no rows for them yet.",
    about="By half-hour, beside the forecast that was known six hours before.",
)
