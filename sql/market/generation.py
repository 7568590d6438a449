"""Who generates: `gb_generation`, `gb_generation_half_hours` and their functions."""

from functools import partial
from typing import Any, NamedTuple

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, instant, megawatts, text
from sql.market.volumes import SETTLEMENT_DATE, SETTLEMENT_PERIOD, START_TIME


class Interconnector(NamedTuple):
    """A cable to another system.

    Attributes:
        code: Its fuelType.
        name: The name of the cable.
        country: Where it goes to.
    """

    code: str
    name: str
    country: str


INTERCONNECTORS = (
    Interconnector("INTFR", "IFA", "France"),
    Interconnector("INTIFA2", "IFA2", "France"),
    Interconnector("INTELEC", "ElecLink", "France"),
    Interconnector("INTNED", "BritNed", "Netherlands"),
    Interconnector("INTNEM", "Nemo Link", "Belgium"),
    Interconnector("INTNSL", "North Sea Link", "Norway"),
    Interconnector("INTVKL", "Viking Link", "Denmark"),
    Interconnector("INTIRL", "Moyle", "Northern Ireland"),
    Interconnector("INTEW", "East-West", "Ireland"),
    Interconnector("INTGRNL", "Greenlink", "Ireland"),
)
_FUEL = (
    text("fuelType", "Fuel or interconnector code."),
    text("country", "Where the interconnector goes to; null if it is not one."),
    text("interconnector", "Name of the interconnector; null if it is not one."),
)
_SIGN = (
    "Above 0 into the grid of Great Britain; below 0 are exports of an interconnector, "
    "and pumping (PS)."
)
_FIVE_MINUTES = (
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    instant("startTime", "Start of the five minutes."),
    *_FUEL,
    Column("generation", "INT64", unit="MW", description=_SIGN),
    instant("publishTime", "When this value was published."),
)
_HALF_HOURS = (
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    START_TIME,
    *_FUEL,
    megawatts("generation", _SIGN),
    text(
        "dataset",
        "FUELHH, or FUELINST if it is the mean of the five-minute values, because "
        "FUELHH has none yet.",
    ),
    Column(
        "fiveMinuteValues",
        "INT64",
        description="How many values FUELINST has; 6 are a whole half-hour.",
    ),
)
_ARGUMENTS = "from_utc TIMESTAMP, to_utc TIMESTAMP"
_WITHOUT = "Without solar and embedded wind."


def _values(_: Registry, *, between: bool) -> dict[str, Any]:
    return {"between": between, "interconnectors": INTERCONNECTORS}


MARKET = (
    MarketView(
        "gb_generation",
        f"MW by fuel and five minutes, the latest values. {_WITHOUT}",
        _FIVE_MINUTES,
        "generation.sql",
        partial(_values, between=False),
        ("FUELINST",),
    ),
    MarketView(
        "gb_generation_between",
        "MW by fuel and five minutes, the latest values, in the five minutes that "
        f"begin from from_utc to before to_utc. {_WITHOUT}",
        _FIVE_MINUTES,
        "generation.sql",
        partial(_values, between=True),
        ("FUELINST",),
        _ARGUMENTS,
    ),
    MarketView(
        "gb_generation_half_hours",
        "MW by fuel and half-hour, the latest values: FUELHH, and until it is there "
        f"the mean of FUELINST. {_WITHOUT}",
        _HALF_HOURS,
        "generation_half_hours.sql",
        partial(_values, between=False),
        ("FUELINST", "FUELHH"),
    ),
    MarketView(
        "gb_generation_half_hours_between",
        "MW by fuel and half-hour, the latest values, in the half-hours that begin "
        f"from from_utc to before to_utc. {_WITHOUT}",
        _HALF_HOURS,
        "generation_half_hours.sql",
        partial(_values, between=True),
        ("FUELINST", "FUELHH"),
        _ARGUMENTS,
    ),
)
