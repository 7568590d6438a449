"""Span: a period of time, [start, end) in UTC, in whole seconds. Pure functions."""

import re
from argparse import ArgumentTypeError
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

SECOND = timedelta(seconds=1)

# A date, or a date and a time with or without seconds and a zone.
MOMENT_PATTERN = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)


def parse_moment(text: str) -> datetime:
    """The time in a text, in UTC; a time without a zone is treated as UTC.

    Raises:
        ValueError: The text is not a time; the error shows the accepted forms.
    """
    try:
        if not MOMENT_PATTERN.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time (write 2026-05-06, 2026-05-06T02:30 or "
            "2026-05-06T02:30:00Z)"
        ) from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def moment_option(text: str) -> datetime:
    """`parse_moment` as the type of an argparse option."""
    try:
        return parse_moment(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


@dataclass(frozen=True)
class Span:
    """From `start` to before `end`, both in UTC."""

    start: datetime
    end: datetime

    def widened(self) -> "Span":
        """The shortest span of whole seconds that contains this one."""
        end = self.end.replace(microsecond=0)
        return Span(
            self.start.replace(microsecond=0), end if end == self.end else end + SECOND
        )

    def pieces(self, length: timedelta) -> Iterator["Span"]:
        """Splits into pieces of this length, the last one perhaps shorter."""
        start = self.start
        while start < self.end:
            end = min(start + length, self.end)
            yield Span(start, end)
            start = end

    def halves(self) -> tuple["Span", "Span"] | None:
        """Two spans of whole seconds; None if there is only one second."""
        seconds = int((self.end - self.start).total_seconds())
        middle = self.start + timedelta(seconds=seconds // 2)
        if middle == self.start:
            return None
        return Span(self.start, middle), Span(middle, self.end)


def seconds_text(moment: datetime) -> str:
    """The time as `2026-05-06T02:31:00Z`, the form of the archive's tags."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def compact_text(moment: datetime) -> str:
    """The time as `20260506T023100Z`, for names."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
