"""The report of `compact`, as text."""

from collections.abc import Iterator
from datetime import date, datetime

from command.text import size_text
from sql.compact.compaction import Compaction, Done, RowsLostError
from sql.compact.table_layout import Days
from sql.templates import fill


def days_with_copies(plan: Compaction) -> Iterator[str]:
    """A line for each day that holds copies."""
    for step in plan.steps:
        day = step.day
        yield (
            f"{plan.layout.name} {day.title}: {day.rows:,} rows, "
            f"{day.distinct_rows:,} distinct, {copies(day.copies)}"
        )


def summary(plan: Compaction) -> Iterator[str]:
    """The totals, and what a user should know about the table."""
    layout = plan.layout
    rows = sum(day.rows for day in plan.counted)
    found = copies(sum(day.copies for day in plan.counted))
    where = f" in {_days(len(plan.steps))}" if plan.steps else ""
    yield (
        f"{layout.name}{_span(plan.days)}: {rows:,} rows in "
        f"{_days(len(plan.counted))}, {found}{where}"
    )
    if layout.unknown_columns:
        yield (
            f"{layout.name}: {', '.join(layout.unknown_columns)} count as data: name "
            "those that only say how a row was loaded with --ignore-column"
        )
    if plan.steps and not layout.partitioned:
        yield from _unpartitioned(plan)


def _unpartitioned(plan: Compaction) -> Iterator[str]:
    layout, days, each = plan.layout, len(plan.steps), plan.steps[0].bytes
    yield (
        f"{layout.name} is not partitioned by {layout.day_column}: each day reads the "
        f"whole table, {days:,} x {size_text(each)} = {size_text(days * each)}. "
        "It is cheaper to copy it into a table with partitions, give the copy its "
        "name, run `python -m sql apply`, and compact that:"
    )
    yield fill("compact/partition.sql", layout=layout).rstrip() + ";"


def outcome(plan: Compaction, done: Done) -> Iterator[str]:
    """What was done, and what is left."""
    name, left = plan.layout.name, len(plan.steps) - len(done.changed)
    again = f", {left:,} left: run it again" if left else ""
    yield (
        f"{name}: {copies(done.removed_rows)} removed in "
        f"{_days(len(done.changed))}{again}"
    )
    if done.skipped:
        yield f"{name}: skipped, too fresh: {', '.join(done.skipped)}"


def loss(plan: Compaction, error: RowsLostError, started: datetime) -> str:
    """A day without the rows that it should hold, and how to see the earlier ones."""
    before = f"FOR SYSTEM_TIME AS OF TIMESTAMP '{started:%Y-%m-%d %H:%M:%S}+00'"
    return (
        f"{plan.layout.name}: {error}; stopped. BigQuery keeps the table as it was "
        f"before this run for 7 days: `{plan.layout.table}` {before}"
    )


def copies(number: int) -> str:
    """`1 copy`, `2 copies`."""
    return f"{number:,} {'copy' if number == 1 else 'copies'}"


def _days(number: int) -> str:
    return f"{number:,} {'day' if number == 1 else 'days'}"


def _span(days: Days | None) -> str:
    """The first and the last day, if there are any."""
    first, last = (days.first, days.last) if days else (None, None)
    since = f" from {first}" if first != date.min.isoformat() and first else ""
    until = f" to {last}" if last != date.max.isoformat() and last else ""
    return since + until
