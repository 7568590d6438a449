"""The system frequency: `gb_frequency`, by minute, and `gb_frequency_events`."""

from functools import partial
from typing import Any

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, figure, instant, text
from sql.market.volumes import SETTLEMENT_DATE, SETTLEMENT_PERIOD

NAME = "gb_frequency"
# The operational limits of the system operator: 50 Hz, 0.2 more or less.
LOWEST_HZ, HIGHEST_HZ = 49.8, 50.2
SAMPLE_SECONDS = 15
# Deviations take seconds or minutes.
REACH_HOURS = 1
_LIMITS = f"{LOWEST_HZ} to {HIGHEST_HZ} Hz"
_COLUMNS = (
    instant("startTime", "Start of the minute."),
    SETTLEMENT_DATE,
    SETTLEMENT_PERIOD,
    figure("lowestFrequency", "Hz", "The lowest sample."),
    figure("meanFrequency", "Hz", "The mean of the samples."),
    figure("highestFrequency", "Hz", "The highest sample."),
    Column(
        "secondsOutside",
        "INT64",
        unit="s",
        description=f"How long it was outside {_LIMITS}; a sample stands for "
        f"{SAMPLE_SECONDS} seconds.",
    ),
    Column("samples", "INT64", description="How many samples there are, of 4."),
    figure("completeness", "share", "The same as a share: 0.25 to 1."),
)
_NEEDS = ("FREQ",)


def _values(_: Registry, **more: Any) -> dict[str, Any]:
    return {
        "lowest": LOWEST_HZ,
        "highest": HIGHEST_HZ,
        "sample_seconds": SAMPLE_SECONDS,
        **more,
    }


MARKET = (
    MarketView(
        NAME,
        "The system frequency of each minute that has a sample.",
        _COLUMNS,
        "frequency.sql",
        partial(_values, between=False),
        _NEEDS,
    ),
    MarketView(
        f"{NAME}_between",
        "The system frequency of the minutes that begin from from_utc to before "
        "to_utc.",
        _COLUMNS,
        "frequency.sql",
        partial(_values, between=True),
        _NEEDS,
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
    ),
    MarketView(
        f"{NAME}_events",
        "The times at which the system frequency was outside its limits, that begin "
        "from from_utc to before to_utc: runs of samples without a gap.",
        (
            instant("since", "The first sample outside."),
            instant("until", f"{SAMPLE_SECONDS} seconds after the last one."),
            Column("seconds", "INT64", unit="s", description="How long it took."),
            text("side", "BELOW or ABOVE the limits."),
            figure("extreme", "Hz", "The sample that is farthest from 50 Hz."),
        ),
        "frequency_events.sql",
        partial(_values, reach_hours=REACH_HOURS),
        _NEEDS,
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
    ),
)
