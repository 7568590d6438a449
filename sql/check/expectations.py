"""Expectations: which values a dataset owes for a day, and when they are due.

Everything here is arithmetic on the registry and the calendar; no query is made.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.registry import Dataset
from sql.working_days import (
    ONE_DAY,
    after_working_time,
    day_start,
    is_working_day,
    london_day,
)

HALF_HOUR_SECONDS = 1800
DAY_SECONDS = 86_400
# A restart of the pipeline, or of the feed at Elexon, is not a fault.
SLACK = dt.timedelta(minutes=15)
# Two late values may be a short delay, but for a daily value two days are too long.
MAX_LATENESS = dt.timedelta(hours=6)
# The longest pause between working days is four days, at Easter or Christmas, and a
# value may lag by about a day.
MAX_DAYS_TO_BE_DUE = 14
EPOCH = dt.date(1970, 1, 1)
# How many gaps a text names.
MAX_RUNS = 3


def lateness(dataset: Dataset) -> dt.timedelta:
    """How much later than usual a value may be: two cadences, 6 h at most, and 15 min.

    The lag with which the dataset is published, by the registry, is added.
    """
    cadence = dt.timedelta(seconds=dataset.cadence_seconds or 0)
    lag = dt.timedelta(seconds=dataset.published.lag_seconds)
    return min(2 * cadence, MAX_LATENESS) + SLACK + lag


def due(dataset: Dataset, day: dt.date) -> dt.datetime:
    """When the last value of a settlement day is due."""
    end = day_start(day + ONE_DAY)
    if dataset.published.working_days_only:
        return after_working_time(end, lateness(dataset))
    return end + lateness(dataset)


def days_due(dataset: Dataset, at: dt.datetime, days: int) -> list[dt.date]:
    """The settlement days whose last value was due in the last `days` days.

    For most datasets these are the last complete days. A check that runs every day with
    `days=1` sees every settlement day once, whatever the lag and the weekends.
    """
    today = london_day(at)
    since = at - (day_start(today) - day_start(today - days * ONE_DAY))
    daily = dataset.cadence_seconds == DAY_SECONDS
    candidates = (today - n * ONE_DAY for n in range(days + MAX_DAYS_TO_BE_DUE, 0, -1))
    return [
        day
        for day in candidates
        if since < due(dataset, day) <= at
        and (not (daily and dataset.published.working_days_only) or is_working_day(day))
    ]


class Grid(Protocol):
    """The slots of a dataset: a series should have a value in each."""

    @property
    def column(self) -> str:
        """The column that says in which slot a value is."""

    def slots(self, day: dt.date) -> range:
        """The slots of a settlement day."""

    def start(self, slot: int) -> dt.datetime:
        """When a slot begins."""

    def text(self, slots: Iterable[int]) -> str:
        """The first few slots as text."""


@dataclass(frozen=True, slots=True)
class Instants:
    """A slot every cadence; a value belongs to the nearest instant.

    Samples may be off the grid by a second or so.
    """

    column: str
    cadence_seconds: int

    def slots(self, day: dt.date) -> range:
        """The slots of a settlement day, counted from 1970."""
        first, end = (
            int(day_start(day + n * ONE_DAY).timestamp()) // self.cadence_seconds
            for n in (0, 1)
        )
        return range(first, end)

    def start(self, slot: int) -> dt.datetime:
        """The instant."""
        return dt.datetime.fromtimestamp(slot * self.cadence_seconds, dt.UTC)

    def text(self, slots: Iterable[int]) -> str:
        """`2026-05-05 02:15:00 to 02:44:45 UTC`."""
        return _listed(self._run(*run) for run in runs(slots))

    def _run(self, first: int, last: int) -> str:
        begin, end = self.start(first), self.start(last)
        if begin == end:
            return f"{begin:%Y-%m-%d %H:%M:%S} UTC"
        same_day = begin.date() == end.date()
        until = f"{end:%H:%M:%S}" if same_day else f"{end:%Y-%m-%d %H:%M:%S}"
        return f"{begin:%Y-%m-%d %H:%M:%S} to {until} UTC"


@dataclass(frozen=True, slots=True)
class Periods:
    """A slot every settlement period: 48 a day, 46 or 50 when the clocks change."""

    column: str = "settlementDate"

    def slots(self, day: dt.date) -> range:
        """The settlement periods of a day, each added to the day's number times 100."""
        length = day_start(day + ONE_DAY) - day_start(day)
        base = 100 * (day - EPOCH).days
        periods = int(length.total_seconds()) // HALF_HOUR_SECONDS
        return range(base + 1, base + periods + 1)

    def start(self, slot: int) -> dt.datetime:
        """The beginning of the half-hour, UTC."""
        day, period = divmod(slot, 100)
        midnight = day_start(EPOCH + day * ONE_DAY)
        return midnight + (period - 1) * dt.timedelta(seconds=HALF_HOUR_SECONDS)

    def text(self, slots: Iterable[int]) -> str:
        """`2026-05-05 settlement periods 3, 17-19`."""
        by_day: dict[int, list[str]] = {}
        for first, last in runs(slots):
            day, period = divmod(first, 100)
            run = f"{period}" if first == last else f"{period}-{last % 100}"
            by_day.setdefault(day, []).append(run)
        return _listed(
            f"{EPOCH + day * ONE_DAY} settlement periods {_listed(named, ', ')}"
            for day, named in by_day.items()
        )


@dataclass(frozen=True, slots=True)
class Days:
    """A slot every day."""

    column: str

    def slots(self, day: dt.date) -> range:
        """The day's number, counted from 1970."""
        number = (day - EPOCH).days
        return range(number, number + 1)

    def start(self, slot: int) -> dt.datetime:
        """The midnight in London, UTC."""
        return day_start(EPOCH + slot * ONE_DAY)

    def text(self, slots: Iterable[int]) -> str:
        """`2026-05-04 to 2026-05-05`."""
        return _listed(
            " to ".join(dict.fromkeys(str(EPOCH + n * ONE_DAY) for n in run))
            for run in runs(slots)
        )


def grid_of(dataset: Dataset) -> Grid | None:
    """The slots of a dataset; None if its values do not follow a clock.

    A forecast has a cadence of publications, whose instants lie on no grid.
    """
    cadence = dataset.cadence_seconds
    types = {name: dataset.column(name).type for name in dataset.latest_key}
    dates = [name for name, kind in types.items() if kind == "DATE"]
    times = [name for name, kind in types.items() if kind == "TIMESTAMP"]
    if cadence == HALF_HOUR_SECONDS and "settlementPeriod" in types:
        return Periods()
    if cadence == DAY_SECONDS and dates:
        return Days(dates[0])
    if cadence and times:
        return Instants(times[0], cadence)
    return None


def runs(slots: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    first = last = None
    for slot in sorted(slots):
        if first is None or last is None:
            first = slot
        elif slot != last + 1:
            yield first, last
            first = slot
        last = slot
    if first is not None and last is not None:
        yield first, last


def percent(share: float) -> str:
    """`2.1%`."""
    return f"{share:.1%}" if share >= 0.001 else "below 0.1%"


def _listed(texts: Iterable[str], separator: str = "; ") -> str:
    named = list(texts)
    more = f" and {len(named) - MAX_RUNS} more" if len(named) > MAX_RUNS else ""
    return separator.join(named[:MAX_RUNS]) + more
