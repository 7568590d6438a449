"""Demand beside its forecasts: `gb_demand`, and `_between`."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, instant
from sql.market.volumes import SETTLEMENT_DATE, SETTLEMENT_PERIOD, START_TIME


class Kind(NamedTuple):
    """A kind of demand.

    Attributes:
        name: What its columns begin with.
        outturn: The dataset of what it was, in small letters.
        forecast: The dataset of its forecasts, in small letters.
    """

    name: str
    outturn: str
    forecast: str


_KINDS = (
    Kind("national", "indo", "ndf"),
    Kind("transmission", "itsdo", "tsdf"),
)
_NEEDS = ("INDO", "ITSDO", "NDF", "TSDF")
_FORECASTS = {
    "DayAhead": "the last that was published before the day began in London",
    "Latest": "the last that was published",
}


def _megawatts(name: str, description: str) -> Column:
    return Column(name, "INT64", unit="MW", description=description)


def _of_kind(kind: Kind) -> Iterator[Column]:
    outturn, forecast = kind.outturn.upper(), kind.forecast.upper()
    yield _megawatts(f"{kind.name}Demand", f"What it was, of {outturn}.")
    for name, which in _FORECASTS.items():
        begin = kind.name + name
        yield _megawatts(f"{begin}Forecast", f"The forecast of {forecast}: {which}.")
        yield instant(f"{begin}PublishTime", "When this forecast was published.")
        yield _megawatts(
            f"{begin}Error", "The forecast less what it was; above 0: too high."
        )


_COLUMNS = (
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    START_TIME,
    *(column for kind in _KINDS for column in _of_kind(kind)),
)


def _values(_: Registry, *, between: bool) -> dict[str, Any]:
    return {"between": between, "kinds": _KINDS}


MARKET = (
    MarketView(
        "gb_demand",
        "Demand by half-hour: what it was, beside the forecast of the day before and "
        "the latest.",
        _COLUMNS,
        "demand.sql",
        partial(_values, between=False),
        _NEEDS,
    ),
    MarketView(
        "gb_demand_between",
        "Demand and its forecasts, in the half-hours that begin from from_utc to "
        "before to_utc.",
        _COLUMNS,
        "demand.sql",
        partial(_values, between=True),
        _NEEDS,
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
    ),
)
