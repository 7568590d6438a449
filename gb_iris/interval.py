"""Interval: from `start` on, until before `end`, as the caller writes them."""

import datetime as dt
from typing import Any, NamedTuple

from command.usage import UsageError

Bound = dt.date | dt.datetime
"""A day, or an instant in UTC."""

EXAMPLE = '"2026-05-06", or with its zone "2026-05-06T12:00Z"'


class Interval(NamedTuple):
    """A half-open interval; None is no bound."""

    start: Bound | None
    end: Bound | None


def interval(start: Any, end: Any) -> Interval:
    """The interval between two bounds.

    Raises:
        UsageError: One is not a date or an instant, or the end is not after the start.
    """
    found = Interval(bound("start", start), bound("end", end))
    first, last = found
    comparable = is_instant(first) == is_instant(last)
    if first is not None and last is not None and comparable and last <= first:
        raise UsageError(
            f"end {end} is not after start {start}: the interval is half-open, so that "
            f"the day {first:%Y-%m-%d} alone ends at "
            f"{first + dt.timedelta(days=1):%Y-%m-%d}"
        )
    return found


def bound(name: str, value: Any) -> Bound | None:
    """A day or an instant, from a date, a datetime with a zone, or ISO text.

    Raises:
        UsageError: It is something else, or its zone is not said.
    """
    if isinstance(value, str):
        value = _parsed(name, value)
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise UsageError(
                f"{name}: {value} has no time zone: say UTC, as in {EXAMPLE}, or "
                "datetime(..., tzinfo=timezone.utc)"
            )
        utc = value.astimezone(dt.UTC)
        # Of pandas' subclass, too: BigQuery has microseconds.
        return dt.datetime.combine(utc.date(), utc.time(), dt.UTC)
    if value is None or isinstance(value, dt.date):
        return value
    raise UsageError(f"{name}: {value!r} is not a date or a time, such as {EXAMPLE}")


def is_instant(value: Bound | None) -> bool:
    return isinstance(value, dt.datetime)


def _parsed(name: str, text: str) -> Bound:
    for parse in (dt.date.fromisoformat, dt.datetime.fromisoformat):
        try:
            return parse(text.strip())
        except ValueError:
            continue
    raise UsageError(f"{name}: {text!r} is not a date or a time, such as {EXAMPLE}")
