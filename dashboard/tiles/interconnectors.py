"""Interconnectors: what flows from and to each country."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from dashboard import vega
from dashboard.selection import HALF_HOUR, Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile, number
from dashboard.tiles.times import between, half_hours

DAY = half_hours(24)
COUNTRIES = {
    "France": vega.BLUE,
    "Netherlands": vega.ORANGE,
    "Belgium": vega.PURPLE,
    "Norway": vega.RED,
    "Denmark": vega.SKY,
    "Ireland": vega.GREEN,
    "Northern Ireland": vega.YELLOW,
}


def _spec() -> vega.Spec:
    x = vega.time_x("startTime")
    bars = {
        "mark": {"type": "rect"},
        "encoding": {
            "x": x,
            "x2": {"field": "endTime"},
            "y": vega.value_y("low", "MW", axis={"format": ",d"}),
            "y2": {"field": "high"},
            "color": vega.coloured("country", COUNTRIES),
        },
    }
    zero = {
        "data": {"values": [{"zero": 0}]},
        "mark": {"type": "rule"},
        "encoding": {"y": {"field": "zero", "type": "quantitative"}},
    }
    lines = [vega.tooltip(name, f"{name}, MW", "+,d") for name in COUNTRIES]
    hover = vega.hover(x, lines, pivot=("country", "flow"))
    about = "Flow by country in MW over 24 hours: imports above 0, exports below"
    return vega.spec(about, bars, zero, hover)


SPEC = _spec()


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    drawn = _stacked(rows)
    newest = drawn[-1]["startTime"]
    latest = [row for row in drawn if row["startTime"] == newest and row["flow"]]
    latest.sort(key=lambda row: -abs(row["flow"]))
    total = sum(row["flow"] for row in latest)
    figures = [Figure("Imports" if total >= 0 else "Exports", number(abs(total)), "MW")]
    figures += [
        Figure(row["country"], number(row["flow"], signed=True), "MW")
        for row in latest[:3]
    ]
    columns = (
        Column("startTime", "Half-hour", "time"),
        Column("country", "Country"),
        Column("flow", "Flow", "number", "MW"),
    )
    chart = Chart(SPEC, vega.clock_params(*DAY(selection, now)), drawn)
    return Drawing(columns, drawn[::-1], [chart], figures)


def _stacked(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each half-hour's imports on each other from 0 upwards, and its exports below.

    Vega does not stack what has both a start and an end.
    """
    places = {country: place for place, country in enumerate(COUNTRIES)}
    edges: dict[tuple[dt.datetime, bool], float] = {}
    drawn = []
    for row in sorted(rows, key=lambda row: places.get(row["country"], len(places))):
        flow = row["flow"] or 0
        key = (row["startTime"], flow > 0)
        low = edges.get(key, 0)
        edges[key] = low + flow
        end = row["startTime"] + HALF_HOUR
        drawn.append({**row, "endTime": end, "low": low, "high": low + flow})
    return sorted(drawn, key=lambda row: row["startTime"])


INTERCONNECTORS = Tile(
    name="interconnectors",
    title="Interconnectors by country",
    sql="interconnectors.sql",
    datasets=("FUELHH", "FUELINST"),
    parameters=between(DAY),
    draw=_draw,
    empty="No flow in these 24 hours: FUELHH and FUELINST have no rows for them yet.",
    about="By half-hour. Above 0 power comes to Great Britain, below 0 it leaves.",
)
