"""Market index: what the market paid before the half-hour."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile, number
from dashboard.tiles.times import between, half_hours

DAY = half_hours(24)
LINES = {"marketIndexPrice": ("Market index", vega.GREEN, vega.SOLID)}
SPEC = vega.lines(
    "Market index price in GBP/MWh by half-hour", "GBP/MWh", LINES, number=",.2f"
)


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    prices = [row["marketIndexPrice"] for row in rows]
    volume = sum(row["marketIndexVolume"] or 0 for row in rows)
    figures = (
        Figure("Latest", number(prices[-1], 2), "GBP/MWh"),
        Figure("Lowest", number(min(prices), 2), "GBP/MWh"),
        Figure("Highest", number(max(prices), 2), "GBP/MWh"),
        Figure("Volume", number(volume), "MWh"),
    )
    columns = (
        Column("startTime", "Half-hour", "time"),
        Column("settlementPeriod", "Period", "number"),
        Column("marketIndexPrice", "Price", "number", "GBP/MWh", 2),
        Column("marketIndexVolume", "Volume", "number", "MWh", 1),
    )
    params = vega.clock_params(*DAY(selection, now))
    return Drawing(columns, rows[::-1], [Chart(SPEC, params, rows)], figures)


MARKET_INDEX = Tile(
    name="market-index",
    title="Market index",
    sql="market_index.sql",
    datasets=("MID",),
    parameters=between(DAY),
    draw=_draw,
    empty="No market index in these 24 hours: MID has no rows with a volume for them.",
    about="By half-hour, the providers weighted by their volumes.",
)
