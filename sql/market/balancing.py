"""What a unit was asked to do in a half-hour: `gb_unit_balancing`, and `_between`.

Computed minutes after the acceptance, beside what Elexon publishes days later.
"""

from functools import partial
from typing import Any

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, figure, text
from sql.market.volumes import (
    ELEXON_NAME,
    NATIONAL_GRID_NAME,
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    START_TIME,
)

NAME = "gb_unit_balancing"
_COLUMNS = (
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    START_TIME,
    NATIONAL_GRID_NAME,
    ELEXON_NAME,
    Column("acceptances", "INT64", description="How many acceptances have a volume."),
    figure("offerVolume", "MWh", "Energy that the unit adds, computed."),
    figure("bidVolume", "MWh", "Energy that it takes off, computed; 0 or below."),
    figure("cashflow", "GBP", "What it is paid, computed, without losses."),
    figure("beyondRange", "MWh", "How much of it is beyond the last pair."),
    text("reason", "Why nothing can be computed: NO_PN or NO_BOD; otherwise null."),
    figure("publishedOfferVolume", "MWh", "The same as BOAV has it; null before."),
    figure("publishedBidVolume", "MWh", "The same as BOAV has it; null before."),
    figure("publishedCashflow", "GBP", "The same as EBOCF has it; null before."),
    figure("offerVolumeDifference", "MWh", "Published less computed."),
    figure("bidVolumeDifference", "MWh", "Published less computed."),
    figure("cashflowDifference", "GBP", "Published less computed."),
)
_NEEDS = ("BOALF", "PN", "BOD", "BOAV", "EBOCF")


def _values(registry: Registry, *, between: bool) -> dict[str, Any]:
    pairs = registry["BOAV"].column("pairVolumes").fields
    return {"between": between, "pairs": [pair.name for pair in pairs]}


MARKET = (
    MarketView(
        NAME,
        "What acceptances came to, by unit and half-hour: computed, and beside it what "
        "BOAV and EBOCF publish later, with the difference.",
        _COLUMNS,
        "unit_balancing.sql",
        partial(_values, between=False),
        _NEEDS,
    ),
    MarketView(
        f"{NAME}_between",
        "What acceptances came to, by unit and half-hour, in the half-hours that begin "
        "from from_utc to before to_utc.",
        _COLUMNS,
        "unit_balancing.sql",
        partial(_values, between=True),
        _NEEDS,
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
    ),
)
