"""Intervals of tiles: the query parameters, and the axis of the charts."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from dashboard.selection import HALF_HOUR, LONDON, Selection, bounds, london_day, moment
from dashboard.tile import Parameters

Span = Callable[[Selection, dt.datetime], tuple[dt.datetime, dt.datetime]]
_MINUTE = dt.timedelta(minutes=1)


def last(hours: float) -> Span:
    """The hours before the chosen instant, to the end of its minute.

    24 hours are the day since the same time by London's clock.
    """
    return _span(_MINUTE, hours, 0)


def half_hours(hours: float, ahead: float = 0) -> Span:
    """The hours before the end of the half-hour in which the chosen instant lies.

    Args:
        hours: How many.
        ahead: How many hours after it.
    """
    return _span(HALF_HOUR, hours, ahead)


def between(span: Span) -> Callable[[Selection, dt.datetime], Parameters]:
    """The query parameters `from_utc` and `to_utc` of a span."""

    def parameters(selection: Selection, now: dt.datetime) -> Parameters:
        start, end = span(selection, now)
        return {"from_utc": start, "to_utc": end}

    return parameters


def chosen_day(selection: Selection, now: dt.datetime) -> dt.date:
    """The day that the viewer has chosen, or today."""
    day: dt.date | None = selection["day"]
    return day or london_day(now)


def of_day(selection: Selection, now: dt.datetime) -> dict[str, Any]:
    """The query parameters `day`, `from_utc` and `to_utc` of the chosen day."""
    day = chosen_day(selection, now)
    start, end = bounds(day)
    return {"day": day, "from_utc": start, "to_utc": end}


def _span(step: dt.timedelta, hours: float, ahead: float) -> Span:
    def span(selection: Selection, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        end = _up(moment(selection, now), step)
        return _before(end, hours), end + dt.timedelta(hours=ahead)

    return span


def _before(end: dt.datetime, hours: float) -> dt.datetime:
    """So many hours before; whole days are those of London's clock.

    So a day that ends at midnight has begun at midnight, also one of 23 or 25 hours.
    """
    whole_days = hours % 24 == 0
    zone = LONDON if whole_days else dt.UTC
    # In one zone, Python reckons by the clock of the zone.
    return (end.astimezone(zone) - dt.timedelta(hours=hours)).astimezone(dt.UTC)


def _up(at: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """The first whole step from an instant on."""
    rest = at.timestamp() % step.total_seconds()
    return at + step - dt.timedelta(seconds=rest) if rest else at
