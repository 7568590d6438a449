"""What a half-hour costs: `gb_price`, and `_between`.

The system price and how it moved from run to run, beside the market index.
"""

from typing import Any

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, figure, instant
from sql.market.volumes import SETTLEMENT_DATE, SETTLEMENT_PERIOD, START_TIME

NAME = "gb_price"
_COLUMNS = (
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    START_TIME,
    figure(
        "systemPrice",
        "GBP/MWh",
        "The price of imbalance, of the latest run; null if there are two prices.",
    ),
    figure("systemSellPrice", "GBP/MWh", "What is paid for a surplus."),
    figure("systemBuyPrice", "GBP/MWh", "What a deficit costs."),
    figure("netImbalanceVolume", "MWh", "Above 0 if the system was short."),
    instant("createdDateTime", "When the latest run was made; null before the first."),
    Column("runs", "INT64", description="How many runs there are; 0 before the first."),
    instant("firstCreatedDateTime", "When the first run was made."),
    figure("firstSystemPrice", "GBP/MWh", "The systemPrice of the first run."),
    figure("systemPriceChange", "GBP/MWh", "Latest less first."),
    figure("firstNetImbalanceVolume", "MWh", "The volume of the first run."),
    figure("netImbalanceVolumeChange", "MWh", "Latest less first."),
    figure(
        "marketIndexPrice",
        "GBP/MWh",
        "The providers' prices, weighted by volume; null if there is no volume.",
    ),
    figure(
        "marketIndexVolume",
        "MWh",
        "The sum of the providers' volumes; null if there is no price.",
    ),
    figure("spread", "GBP/MWh", "systemPrice less marketIndexPrice."),
)
_NEEDS = ("DISEBSP", "MID")


def _nothing(_: Registry) -> dict[str, Any]:
    return {}


def _columns(_: Registry) -> dict[str, Any]:
    return {"columns": [column.name for column in _COLUMNS]}


MARKET = (
    MarketView(
        NAME,
        "The system price and the net imbalance volume of each half-hour, how they "
        "moved from the first run to the latest, and the market index.",
        _COLUMNS,
        "price.sql",
        _nothing,
        _NEEDS,
    ),
    MarketView(
        f"{NAME}_between",
        "The system price and the market index of the half-hours that begin from "
        "from_utc to before to_utc.",
        _COLUMNS,
        "price_between.sql",
        _columns,
        _NEEDS,
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
    ),
)
