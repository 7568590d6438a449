"""The working days of England and Wales, and time counted only on them.

Bank holidays follow the yearly rules. One that is announced for a single year (a
coronation) is not known here and counts as a working day.
"""

import datetime as dt
import functools
import itertools
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from dateutil.easter import easter

LONDON = ZoneInfo("Europe/London")
ONE_DAY = dt.timedelta(days=1)
_MONDAY, _SATURDAY = 0, 5


def day_start(day: dt.date) -> dt.datetime:
    """Midnight in London as an instant in UTC: where a settlement day begins."""
    return dt.datetime.combine(day, dt.time(), LONDON).astimezone(dt.UTC)


def london_day(instant: dt.datetime) -> dt.date:
    """The day in London."""
    return instant.astimezone(LONDON).date()


def is_working_day(day: dt.date) -> bool:
    """Whether it is not a Saturday, a Sunday or a bank holiday."""
    return day.weekday() < _SATURDAY and day not in bank_holidays(day.year)


@functools.cache
def bank_holidays(year: int) -> frozenset[dt.date]:
    """The bank holidays of a year, moved to a weekday if they fall on a weekend."""
    holidays = {
        easter(year) - 2 * ONE_DAY,
        easter(year) + ONE_DAY,
        _monday_from(dt.date(year, 5, 1)),
        _monday_from(dt.date(year, 5, 25)),
        _monday_from(dt.date(year, 8, 25)),
    }
    for day in (dt.date(year, 1, 1), dt.date(year, 12, 25), dt.date(year, 12, 26)):
        while day.weekday() >= _SATURDAY or day in holidays:
            day += ONE_DAY
        holidays.add(day)
    return frozenset(holidays)


def _monday_from(day: dt.date) -> dt.date:
    return day + (_MONDAY - day.weekday()) % 7 * ONE_DAY


def working_time(start: dt.datetime, end: dt.datetime) -> dt.timedelta:
    """How much of the time between two instants was on working days."""
    spans = (
        min(end, day_end) - max(start, day_begin)
        for day_begin, day_end in _working_days_from(london_day(start), london_day(end))
    )
    return sum(spans, dt.timedelta())


def after_working_time(start: dt.datetime, span: dt.timedelta) -> dt.datetime:
    """The instant at which this much time on working days has passed."""
    for begin, end in _working_days_from(london_day(start), dt.date.max):
        begin = max(begin, start)
        if begin + span <= end:
            return begin + span
        span -= end - begin
    raise OverflowError("the calendar ends")


def _working_days_from(
    first: dt.date, last: dt.date
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """Beginning and end of each working day from one day to another."""
    days = itertools.takewhile(
        lambda day: day <= last, (first + n * ONE_DAY for n in itertools.count())
    )
    for day in days:
        if is_working_day(day):
            yield day_start(day), day_start(day + ONE_DAY)
