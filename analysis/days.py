"""Days: an interval of days in Great Britain, and its half-hours."""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
ONE_DAY = dt.timedelta(days=1)
HALF_HOUR = dt.timedelta(minutes=30)


class Days(NamedTuple):
    """Days from the first until before the end."""

    first: dt.date
    end: dt.date

    def half_hours(self) -> Iterator[dt.datetime]:
        """The start of each half-hour in UTC: 46, 48 or 50 a day."""
        start, end = midnight(self.first), midnight(self.end)
        while start < end:
            yield start
            start += HALF_HOUR


def midnight(day: dt.date) -> dt.datetime:
    """When a day begins in Great Britain, in UTC."""
    return dt.datetime.combine(day, dt.time(), LONDON).astimezone(dt.UTC)


def day_of(time: dt.datetime) -> dt.date:
    """The day of an instant in Great Britain."""
    return time.astimezone(LONDON).date()


def clock_of(time: dt.datetime) -> str:
    """What the clock shows in Great Britain: `17:30`."""
    return f"{time.astimezone(LONDON):%H:%M}"


def utc_text(time: dt.datetime) -> str:
    """An instant as `2026-05-06T17:30Z`."""
    return f"{time.astimezone(dt.UTC):%Y-%m-%dT%H:%MZ}"
