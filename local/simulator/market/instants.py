"""Instants as the messages write them, and the British clock and calendar."""

import datetime as dt
import math
from functools import lru_cache

from local.simulator.market.figures import (
    COLDEST_DAY,
    DAY_SECONDS,
    HALF_HOUR_SECONDS,
    HOUR_SECONDS,
)
from local.simulator.market.settlement_clock import settlement_period
from sql.working_days import LONDON, ONE_DAY, day_start, is_working_day, london_day

_FIRST_DAY = dt.date(1970, 1, 1)
_YEAR_SECONDS = 365.25 * DAY_SECONDS


def utc(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)


@lru_cache(maxsize=512)
def text(at: int) -> str:
    """`2026-05-06T02:30:00Z`."""
    return f"{utc(at):%Y-%m-%dT%H:%M:%SZ}"


@lru_cache(maxsize=256)
def day_and_period(at: int) -> tuple[str, int]:
    """Settlement date and period, which counts the half-hours since local midnight."""
    day, period = settlement_period(utc(at - at % HALF_HOUR_SECONDS))
    return day.isoformat(), period


@lru_cache(maxsize=256)
def _offset_seconds(hour: int) -> int:
    """How far the British clock is ahead of UTC, by hours since 1970."""
    offset = utc(hour * HOUR_SECONDS).astimezone(LONDON).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def local_hour(at: int) -> float:
    """Hours since midnight on the British clock, with their fraction."""
    local = at + _offset_seconds(at // HOUR_SECONDS)
    return local % DAY_SECONDS / HOUR_SECONDS


def local_day(at: int) -> dt.date:
    local = at + _offset_seconds(at // HOUR_SECONDS)
    return _FIRST_DAY + ONE_DAY * (local // DAY_SECONDS)


def midnight(day: dt.date) -> int:
    """The instant at which a day begins in Great Britain."""
    return int(day_start(day).timestamp())


def day_of(at: int) -> dt.date:
    return london_day(utc(at))


def half_hours_of(day: dt.date) -> range:
    """The numbers of a day's half-hours: 48, or 46 or 50 when the clocks change."""
    first, end = midnight(day), midnight(day + ONE_DAY)
    return range(first // HALF_HOUR_SECONDS, end // HALF_HOUR_SECONDS)


@lru_cache(maxsize=512)
def is_holiday(day: dt.date) -> bool:
    """Whether demand is that of a weekend."""
    return not is_working_day(day)


def winter(at: int) -> float:
    """How much of winter it is: 1 on the coldest day, 0 half a year later."""
    phase = (at - COLDEST_DAY * DAY_SECONDS) % _YEAR_SECONDS / _YEAR_SECONDS
    return 0.5 + 0.5 * math.cos(2 * math.pi * phase)
