"""The settlement calendar: which half-hour of which local day an instant is in."""

from datetime import date, datetime, timedelta

from sql.working_days import day_start, london_day

HALF_HOUR = timedelta(minutes=30)


def half_hour_start(instant: datetime) -> datetime:
    """The start of the half-hour an instant is in, UTC."""
    minute = instant.minute - instant.minute % 30
    return instant.replace(minute=minute, second=0, microsecond=0)


def settlement_period(instant: datetime) -> tuple[date, int]:
    """Settlement date (local) and period, from 1, of an instant.

    Periods count elapsed half-hours since local midnight: 48 a day, 46 on the day
    the clocks go forward, 50 on the day they go back.
    """
    day = london_day(instant)
    return day, int((instant - day_start(day)) / HALF_HOUR) + 1


def period_start(day: date, period: int) -> datetime:
    """The start, UTC, of a settlement period."""
    return day_start(day) + (period - 1) * HALF_HOUR
