"""Completeness: every value that a dataset owes for a settlement day is there.

A value is owed every cadence by every series (fuel, provider) that was seen in the
checked days or the seven days before. In datasets of units, which come and go, it is
owed by the units that were seen around a gap: `around.py`. History fills gaps: the
`_unified` view is read if there is one. `expectations.py` says when a day is due, and
what its slots are.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from command.text import listed
from pipeline.registry import Dataset
from sql.check import around
from sql.check.context import Context, Result, Status
from sql.check.expectations import Grid, days_due, grid_of, percent
from sql.working_days import ONE_DAY, day_start

NAME = "completeness"
# A series that was seen within a week is still expected.
DAYS_OF_SERIES = 7 * ONE_DAY
# A value may be filed in a partition next to its own day (a publication's).
PARTITION_MARGIN = 10 * ONE_DAY


@dataclass(frozen=True, slots=True)
class Owed:
    """What a dataset owes for the checked days.

    Attributes:
        dataset: The dataset.
        grid: Its slots.
        days: The settlement days.
        source: The view or table that is read.
    """

    dataset: Dataset
    grid: Grid
    days: list[dt.date]
    source: str

    @property
    def kind(self) -> str:
        """`Instants`, `Periods` or `Days`."""
        return type(self.grid).__name__

    @property
    def first(self) -> str:
        """The beginning of the first day, as SQL."""
        return self._bound(self.grid.column, self.days[0])

    @property
    def bounds(self) -> list[tuple[str, str, str]]:
        """Columns with the ends of what is read, as SQL: values, then partitions."""
        first, end = self.days[0], self.days[-1] + ONE_DAY
        if self.dataset.series:
            first -= DAYS_OF_SERIES
        columns = {self.grid.column: (first, end)}
        if self.dataset.partition_column not in columns:
            margin = (first - ONE_DAY, end + PARTITION_MARGIN)
            columns[self.dataset.partition_column] = margin
        return [
            (column, self._bound(column, low), self._bound(column, high))
            for column, (low, high) in columns.items()
        ]

    def _bound(self, column: str, day: dt.date) -> str:
        if self.dataset.column(column).type == "DATE":
            return f'DATE "{day}"'
        start = day_start(day)
        if column == self.grid.column:
            # The slot of midnight reaches half a cadence before it.
            start -= dt.timedelta(seconds=(self.dataset.cadence_seconds or 0) // 2)
        return f'TIMESTAMP "{start:%Y-%m-%d %H:%M:%S}+00"'


def check(context: Context) -> Iterator[Result]:
    """A slot without a value is missing, and any missing one is a failure."""
    owed, of_units = [], []
    for dataset in context.present():
        grid = grid_of(dataset)
        if grid is None and dataset.completeness is None:
            continue
        source = source_of(context, dataset)
        days = days_due(dataset, context.at, context.days)
        if days and grid:
            owed.append(Owed(dataset, grid, days, source))
        elif days:
            of_units.append(around.Around(dataset, days, source))
        else:
            detail = f"no value was due in {context.days} days"
            yield Result(NAME, dataset.name, Status.INFO, None, "values", detail)
    found = slots_found(context, owed)
    begun = context.begun() if owed else None
    results = [judged(one, found[one.dataset.name], begun) for one in owed]
    pairs = list(zip(owed, results, strict=True))
    not_begun = _not_begun(context, [o for o, result in pairs if result.measured])
    for one, result in pairs:
        if one.dataset.name in not_begun:
            detail = f"IRIS has sent no row of {one.days[-1]} or earlier"
            yield Result(NAME, one.dataset.name, Status.INFO, None, "values", detail)
        else:
            yield result
    yield from around.check(context, of_units)


def source_of(context: Context, dataset: Dataset) -> str:
    """The view or table of which a dataset's values are counted."""
    unified = f"{dataset.stem}_unified"
    return unified if unified in context.tables else dataset.table


def slots_found(context: Context, owed: list[Owed]) -> dict[str, dict[str, set[int]]]:
    """The slots that have a value, by dataset and series."""
    found: dict[str, dict[str, set[int]]] = {one.dataset.name: {} for one in owed}
    if owed:
        for row in context.query("completeness.sql", owed=owed):
            found[row.dataset][row.series] = set(row.slots)
    return found


def _not_begun(context: Context, owed: list[Owed]) -> set[str]:
    """The datasets that have no row from IRIS of the checked days or before.

    The installation is new; or the queue has a filter, and all rows are history, which
    may have ended within the days whose series are expected.
    """
    if not owed:
        return set()
    rows = context.query("rows_before.sql", owed=owed)
    return {row.dataset for row in rows if not row.row_count}


def judged(
    owed: Owed, found: dict[str, set[int]], begun: dt.datetime | None = None
) -> Result:
    """The result for a dataset: what is missing.

    Args:
        owed: What it owes.
        found: The slots that have a value, by series.
        begun: When the feed began; None if that is not known.
    """
    slots = _slots(owed, found, begun)
    if not slots:
        detail = f"the feed began after {owed.days[-1]}"
        return Result(NAME, owed.dataset.name, Status.INFO, None, "values", detail)
    # Without any row the series are unknown: there is at least one.
    gaps = {series: slots - there for series, there in (found or {"": set()}).items()}
    expected = len(slots) * len(gaps)
    missing = sum(len(gap) for gap in gaps.values())
    share = missing / expected
    days = " to ".join(dict.fromkeys((str(owed.days[0]), str(owed.days[-1]))))
    detail = f"{days}: {expected - missing:,} of {expected:,} values"
    named = _gaps(owed, gaps)
    if missing:
        detail += f", {missing:,} missing ({percent(share)}): {named}"
    figures = {
        "expected": expected,
        "found": expected - missing,
        "missing_share": round(share, 6),
        "gaps": named,
    }
    status = Status.FAIL if missing else Status.OK
    return Result(
        NAME, owed.dataset.name, status, missing, "missing values", detail, figures
    )


def _slots(
    owed: Owed, found: dict[str, set[int]], begun: dt.datetime | None
) -> frozenset[int]:
    """The slots that are owed.

    What was before the feed is there if a demo or a backfill brought it. It owes then
    what lies between its first and its last value.
    """
    slots = frozenset(slot for day in owed.days for slot in owed.grid.slots(day))
    if begun is None:
        return slots
    early = {slot for slot in slots if owed.grid.start(slot) < begun}
    there = sorted(early.intersection(set().union(*found.values())))
    kept = {slot for slot in early if there and there[0] <= slot <= there[-1]}
    return slots - early | kept


def _gaps(owed: Owed, gaps: dict[str, frozenset[int]]) -> str:
    """The gaps as text; series with the same gap are named together."""
    series_of: dict[frozenset[int], list[str]] = {}
    for series, gap in sorted(gaps.items()):
        if gap:
            series_of.setdefault(gap, []).append(series)
    largest = sorted(series_of, key=len, reverse=True)
    return listed([_gap(owed, gap, series_of[gap], len(gaps)) for gap in largest])


def _gap(owed: Owed, gap: frozenset[int], series: list[str], all_series: int) -> str:
    text = owed.grid.text(gap)
    if all_series == 1 and series == [""]:
        return text
    named = "all series" if len(series) == all_series > 1 else listed(series)
    return f"{text} of {named}"
