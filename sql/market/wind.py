"""Wind beside the forecast that was known some hours before: `gb_wind`, a function."""

from typing import Any

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, instant
from sql.market.volumes import SETTLEMENT_DATE, SETTLEMENT_PERIOD, START_TIME

# A forecast reaches some three days ahead: an older one says nothing of the half-hour.
REACH_DAYS = 7


def _values(_: Registry) -> dict[str, Any]:
    return {"reach_days": REACH_DAYS}


MARKET = (
    MarketView(
        "gb_wind",
        "Wind in the half-hours that begin from from_utc to before to_utc: the "
        "forecast that was known hours_before it began, and what it was. Without "
        "embedded wind.",
        (
            SETTLEMENT_DATE,
            SETTLEMENT_PERIOD,
            START_TIME,
            Column("forecast", "INT64", unit="MW", description="WINDFOR, of its hour."),
            instant("forecastPublishTime", "When this forecast was published."),
            Column(
                "generation", "INT64", unit="MW", description="What it was, of FUELHH."
            ),
            Column(
                "forecastError",
                "INT64",
                unit="MW",
                description="The forecast less what it was; above 0: too high.",
            ),
        ),
        "wind.sql",
        _values,
        ("WINDFOR", "FUELHH"),
        "from_utc TIMESTAMP, to_utc TIMESTAMP, hours_before INT64",
    ),
)
