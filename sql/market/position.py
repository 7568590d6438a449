"""The level that a unit is to follow: the table function `gb_unit_position`."""

from typing import Any

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, instant, megawatts, text
from sql.market.volumes import ELEXON_NAME, NATIONAL_GRID_NAME

# Limits are declared for hours or days. Older ones would cost a read of their days.
REACH_DAYS = 7


def _values(_: Registry) -> dict[str, Any]:
    return {"reach_days": REACH_DAYS}


MARKET = (
    MarketView(
        "gb_unit_position",
        "The level that each unit is to follow from from_utc to to_utc, in segments: "
        "the last acceptance, otherwise PN, within its export and import limits.",
        (
            NATIONAL_GRID_NAME,
            ELEXON_NAME,
            instant("timeFrom", "Start of the segment."),
            instant("timeTo", "End of the segment."),
            megawatts("levelFrom", "Level at timeFrom."),
            megawatts("levelTo", "Level at timeTo."),
            text("dataset", "BOALF where an acceptance says the level, otherwise PN."),
            Column("acceptanceNumber", "INT64", description="The acceptance."),
            instant("acceptanceTime", "When it was made."),
            text(
                "limitedBy",
                "MEL or MIL where the maximum export or import limit holds the level; "
                "otherwise null.",
            ),
        ),
        "unit_position.sql",
        _values,
        ("BOALF", "PN", "MELS", "MILS"),
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
    ),
)
