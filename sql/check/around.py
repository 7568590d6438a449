"""Gaps of units that were seen around them: PN, BOD.

Such a dataset has no fixed list of units that owe a value. A unit owes every half-hour
between two in which it was seen, unless it was away for longer than `MAX_GAP`: it may
have stopped, and begun again. The dataset as a whole owes every half-hour.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.registry import Dataset
from sql.check.context import Context, Result, Status
from sql.check.expectations import (
    HALF_HOUR_SECONDS,
    MAX_RUNS,
    Instants,
    Periods,
    percent,
    runs,
)
from sql.working_days import ONE_DAY

NAME = "completeness"
# Half-hours: half a day. A unit that is away for longer, such as one that bids by day
# only, is no loss of data: a lost message costs many units a half-hour or a few.
MAX_GAP = 24
# How many units of a gap a text names.
MAX_NAMED = 3

_HALF_HOURS = Instants("timeFrom", HALF_HOUR_SECONDS)


@dataclass(frozen=True, slots=True)
class Around:
    """What is read of such a dataset: the checked days, and a day on both sides.

    Attributes:
        dataset: The dataset.
        days: The settlement days.
        source: The view or table that is read.
    """

    dataset: Dataset
    days: Sequence[dt.date]
    source: str

    @property
    def read_from(self) -> dt.date:
        """The first day that is read."""
        return self.days[0] - ONE_DAY

    @property
    def read_until(self) -> dt.date:
        """The day after the last one that is read."""
        return self.days[-1] + 2 * ONE_DAY

    @property
    def slots(self) -> dict[int, int]:
        """The half-hours of the checked days; each with its number in `Periods`."""
        return {
            slot: period
            for day in self.days
            for slot, period in zip(
                _HALF_HOURS.slots(day), Periods().slots(day), strict=True
            )
        }

    @property
    def bounds(self) -> list[tuple[str, str, str]]:
        """All that was before, in the form of `completeness.Owed.bounds`."""
        return [("settlementDate", "", f'DATE "{self.read_from}"')]


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of half-hours that units lack which were seen on both sides of it."""

    first: int
    last: int
    units: int
    sample: str

    def __len__(self) -> int:
        return self.last - self.first + 1


def check(context: Context, owed: Sequence[Around]) -> Iterator[Result]:
    """A gap is a failure."""
    if not owed:
        return
    seen: dict[str, dict[int, int]] = {one.dataset.name: {} for one in owed}
    gaps: dict[str, list[Gap]] = {one.dataset.name: [] for one in owed}
    for row in context.query("around.sql", owed=owed, named=MAX_NAMED):
        if row.is_gap:
            gap = Gap(row.first_slot, row.last_slot, row.series_count, row.sample)
            gaps[row.dataset].append(gap)
        else:
            seen[row.dataset][row.first_slot] = row.series_count
    late = [
        one
        for one in owed
        if not any(slot <= min(one.slots) for slot in seen[one.dataset.name])
    ]
    begun = {one.dataset.name for one in owed} - _not_begun(context, late)
    since = context.begun()
    for one in owed:
        name = one.dataset.name
        yield judged(one, seen[name], gaps[name], name in begun, since)


def _not_begun(context: Context, late: Sequence[Around]) -> set[str]:
    """Those that have no row from IRIS of the days before, either.

    Only those are asked for that have no row at the beginning: they lost days, or are
    new. The others may have a row that is older than a year, and all would be read.
    """
    if not late:
        return set()
    rows = context.query("rows_before.sql", owed=late)
    return {row.dataset for row in rows if not row.row_count}


def judged(
    one: Around,
    seen: Mapping[int, int],
    gaps: Iterable[Gap],
    has_rows_before: bool,
    since: dt.datetime | None = None,
) -> Result:
    """The result for a dataset: what is missing.

    Args:
        one: What was read of it.
        seen: How many units each half-hour has, if it has any.
        gaps: The gaps of units.
        has_rows_before: Whether there are rows from before the first half-hour.
        since: When the feed began; None if that is not known.
    """
    silent = _silent(one, seen, has_rows_before, since)
    gaps = list(gaps)
    missing = [
        (list(run), units, _named(run, units, gaps)) for run, units in _runs_of(silent)
    ]
    for gap in gaps:
        slots = [
            slot
            for slot in range(gap.first, gap.last + 1)
            if slot in one.slots and slot not in silent
        ]
        if slots and len(gap) <= MAX_GAP:
            more = f" and {gap.units - MAX_NAMED} more"
            named = gap.sample + (more if gap.units > MAX_NAMED else "")
            missing.append((slots, gap.units, named))
    found = sum(count for slot, count in seen.items() if slot in one.slots)
    if not found and not missing:
        detail = f"IRIS has sent no row of {one.days[-1]} or earlier"
        return Result(NAME, one.dataset.name, Status.INFO, None, "values", detail)
    return _result(one, found, missing)


def _named(run: range, units: int, gaps: Iterable[Gap]) -> str:
    """The units of a run that no unit has, if they are few."""
    for gap in gaps:
        around = gap.first <= run.start and run.stop <= gap.last + 1
        if around and gap.units == units <= MAX_NAMED:
            return gap.sample
    return "all units"


def _silent(
    one: Around,
    seen: Mapping[int, int],
    has_rows_before: bool,
    since: dt.datetime | None,
) -> dict[int, int]:
    """The half-hours that no unit has; how many units were seen next to each.

    Nothing is owed before the first row of all, and nothing but gaps before the feed
    began. One unit may stop for good; if several stop at once, the feed stopped.
    """
    units: dict[int, int] = {}
    for slot in sorted(one.slots):
        if slot in seen:
            continue
        before = max((each for each in seen if each < slot), default=None)
        after = min((each for each in seen if each > slot), default=None)
        early = since is not None and _HALF_HOURS.start(slot) < since
        if early and (before is None or after is None):
            continue
        if before is None:
            if has_rows_before:
                units[slot] = 1 if after is None else seen[after]
        elif after is not None or seen[before] > 1:
            units[slot] = seen[before]
    return units


def _runs_of(silent: Mapping[int, int]) -> Iterator[tuple[range, int]]:
    for first, last in runs(silent):
        yield range(first, last + 1), silent[first]


def _result(
    one: Around, found: int, missing: Sequence[tuple[list[int], int, str]]
) -> Result:
    lost = sum(len(slots) * units for slots, units, _ in missing)
    expected = found + lost
    days = " to ".join(dict.fromkeys((str(one.days[0]), str(one.days[-1]))))
    detail = f"{days}: {found:,} of {expected:,} half-hours of units"
    named = _gaps(one, missing)
    if lost:
        detail += f", {lost:,} missing ({percent(lost / expected)}): {named}"
    figures: dict[str, Any] = {
        "expected": expected,
        "found": found,
        "missing_share": round(lost / expected, 6),
        "gaps": named,
    }
    status = Status.FAIL if lost else Status.OK
    return Result(
        NAME, one.dataset.name, status, lost, "missing values", detail, figures
    )


def _gaps(one: Around, missing: Sequence[tuple[list[int], int, str]]) -> str:
    """The largest gaps as text."""
    periods = one.slots
    largest = sorted(missing, key=lambda gap: (-len(gap[0]) * gap[1], gap[0][0]))
    texts = [
        f"{Periods().text(periods[slot] for slot in slots)} of {named}"
        for slots, _, named in largest[:MAX_RUNS]
    ]
    more = len(largest) - MAX_RUNS
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")
