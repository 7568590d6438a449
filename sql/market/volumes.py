"""What acceptances come to: `gb_acceptance_volumes`, and `_between` for some days."""

from functools import partial
from typing import Any

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, day, figure, instant, text

SETTLEMENT_DATE = day("settlementDate", "Settlement day (GB local calendar day).")
SETTLEMENT_PERIOD = Column(
    "settlementPeriod",
    "INT64",
    description="Half-hour of the settlement day, 1 to 46, 48 or 50.",
)
START_TIME = instant("startTime", "Start of the half-hour.")
NATIONAL_GRID_NAME = text(
    "nationalGridBmUnit", "The system operator's name of the unit."
)
ELEXON_NAME = text("bmUnit", "Elexon's name of the unit; null if it has none.")
_COLUMNS = (
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    START_TIME,
    NATIONAL_GRID_NAME,
    ELEXON_NAME,
    Column("acceptanceNumber", "INT64", description="The acceptance."),
    instant("acceptanceTime", "When it was made."),
    Column("soFlag", "BOOL", description="Whether it may be for a constraint."),
    Column(
        "pairId",
        "INT64",
        description="The bid-offer pair; null where nothing can be computed.",
    ),
    figure("offerVolume", "MWh", "What the unit generates more; 0 or above."),
    figure("bidVolume", "MWh", "What the unit generates less; 0 or below."),
    figure("offerPrice", "GBP/MWh", "The pair's price of an offer."),
    figure("bidPrice", "GBP/MWh", "The pair's price of a bid."),
    figure(
        "cashflow",
        "GBP",
        "Volumes times prices, above 0 if the unit is paid; without the multiplier for "
        "transmission losses.",
    ),
    figure(
        "beyondRange",
        "MWh",
        "How much of the volumes is beyond the last pair; 0 or above.",
    ),
    text(
        "reason",
        "Why nothing can be computed: NO_PN or NO_BOD, the unit has none in the "
        "half-hour; otherwise null.",
    ),
)
_NEEDS = ("BOALF", "PN", "BOD")


def _values(_: Registry, *, between: bool) -> dict[str, Any]:
    return {"between": between}


MARKET = (
    MarketView(
        "gb_acceptance_volumes",
        "The volumes, prices and cashflows of accepted bids and offers: one row for "
        "each half-hour, unit, acceptance and bid-offer pair.",
        _COLUMNS,
        "acceptance_volumes.sql",
        partial(_values, between=False),
        _NEEDS,
    ),
    MarketView(
        "gb_acceptance_volumes_between",
        "The volumes, prices and cashflows of accepted bids and offers, in the "
        "half-hours that begin from from_utc to before to_utc.",
        _COLUMNS,
        "acceptance_volumes.sql",
        partial(_values, between=True),
        _NEEDS,
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
        ("PN", "BOD"),
    ),
)
