"""Price: what imbalance costs in a half-hour, and how far the system was out."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import HALF_HOUR, Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile, number
from dashboard.tiles.times import between, half_hours

# The first run of a half-hour comes a day later.
TWO_DAYS = half_hours(48)


X = vega.time_x("startTime")
LINES = [
    vega.tooltip("settlementPeriod", "settlement period", "d"),
    vega.tooltip("systemPrice", "system price, GBP/MWh", ",.2f"),
    vega.tooltip("netImbalanceVolume", "net imbalance, MWh", "+,.1f"),
]


def _price() -> vega.Spec:
    line = {
        "mark": {
            "type": "line",
            "interpolate": "step-after",
            "color": vega.PURPLE,
            "strokeWidth": 2,
        },
        "encoding": {"x": X, "y": vega.value_y("systemPrice", "system price, GBP/MWh")},
    }
    about = "System price in GBP/MWh by half-hour"
    return vega.spec(about, line, vega.hover(X, LINES))


def _imbalance() -> vega.Spec:
    bars = {
        "mark": {"type": "rect"},
        "encoding": {
            "x": X,
            "x2": {"field": "endTime"},
            "y": vega.value_y("netImbalanceVolume", "net imbalance, MWh"),
            "y2": {"datum": 0},
            "color": {
                "condition": {
                    "test": "datum.netImbalanceVolume > 0",
                    "value": vega.RED,
                },
                "value": vega.SKY,
            },
        },
    }
    about = "Net imbalance in MWh by half-hour: above 0 the system was short"
    return vega.spec(about, bars, vega.hover(X, LINES))


PRICE, IMBALANCE = _price(), _imbalance()


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    drawn = [{**row, "endTime": row["startTime"] + HALF_HOUR} for row in rows]
    newest = drawn[-1]
    figures = []
    if newest["systemPrice"] is not None:
        figures.append(Figure("Latest", number(newest["systemPrice"], 2), "GBP/MWh"))
    prices = [row["systemPrice"] for row in rows if row["systemPrice"] is not None]
    if prices:
        figures.append(Figure("Lowest", number(min(prices), 2), "GBP/MWh"))
        figures.append(Figure("Highest", number(max(prices), 2), "GBP/MWh"))
    if newest["netImbalanceVolume"] is not None:
        side = "short" if newest["netImbalanceVolume"] > 0 else "long"
        volume = number(newest["netImbalanceVolume"], 1, signed=True)
        figures.append(Figure("Net imbalance", volume, f"MWh, {side}"))
    columns = (
        Column("startTime", "Half-hour", "time"),
        Column("settlementPeriod", "Period", "number"),
        Column("systemPrice", "System price", "number", "GBP/MWh", 2),
        Column("netImbalanceVolume", "Net imbalance", "number", "MWh", 1),
        Column("runs", "Runs", "number"),
    )
    params = vega.clock_params(*TWO_DAYS(selection, now))
    charts = (
        Chart(PRICE, params, drawn, height=170),
        Chart(IMBALANCE, params, drawn, height=110),
    )
    return Drawing(columns, drawn[::-1], charts, figures)


SYSTEM_PRICE = Tile(
    name="system-price",
    title="System price and imbalance",
    sql="price.sql",
    datasets=("DISEBSP",),
    parameters=between(TWO_DAYS),
    draw=_draw,
    empty="No system price in these 48 hours: DISEBSP is published on working days, "
    "about a day after the half-hour.",
    about="By half-hour over 48 hours. Red: the system was short, blue: long.",
)
