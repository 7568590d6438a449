"""A compaction: which days of a table hold copies, and their removal day by day."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from sql.compact.bounded_queries import ask, billed_bytes, estimate
from sql.compact.table_layout import Days, Layout
from sql.templates import fill


class RowsLostError(Exception):
    """A day does not hold the rows that it should; the text says which day."""


@dataclass(frozen=True, slots=True)
class Day:
    """The rows of one day of a table.

    Attributes:
        date: The day as text; None for the rows that have none.
        rows: How many there are.
        distinct_rows: How many remain when identical ones count once.
    """

    date: str | None
    rows: int
    distinct_rows: int

    @property
    def copies(self) -> int:
        """How many rows are copies of another."""
        return self.rows - self.distinct_rows

    @property
    def title(self) -> str:
        """Its name in a report."""
        return "rows without a day" if self.date is None else self.date or "''"


@dataclass(frozen=True, slots=True)
class Step:
    """A day with copies, and the cost of removing them.

    Attributes:
        day: The day, as it was counted.
        merge_bytes: What removing its copies processes.
        check_bytes: What counting it afterwards processes.
    """

    day: Day
    merge_bytes: int
    check_bytes: int

    @property
    def bytes(self) -> int:
        """What both process."""
        return self.merge_bytes + self.check_bytes

    @property
    def billed_bytes(self) -> int:
        """What both are billed for, at most."""
        return billed_bytes(self.merge_bytes) + billed_bytes(self.check_bytes)


@dataclass(frozen=True, slots=True)
class Compaction:
    """The compaction of one table.

    Attributes:
        layout: The table.
        days: Which of its days; None means all its rows.
        count_bytes: What counting them processes.
        counted: The days, as counted.
        steps: The days with copies, in order.
    """

    layout: Layout
    days: Days | None
    count_bytes: int = 0
    counted: tuple[Day, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def bytes(self) -> int:
        """What a run processes: it counts, removes, and counts again."""
        return self.count_bytes + sum(step.bytes for step in self.steps)

    @property
    def billed_bytes(self) -> int:
        """What a run is billed for, at most."""
        steps = sum(step.billed_bytes for step in self.steps)
        return billed_bytes(self.count_bytes) + steps


@dataclass(slots=True)
class Done:
    """What was done so far.

    Attributes:
        changed: Days whose copies are gone.
        removed_rows: The copies that are gone.
        skipped: Days with rows in BigQuery's streaming buffer.
    """

    changed: list[str] = field(default_factory=list)
    removed_rows: int = 0
    skipped: list[str] = field(default_factory=list)


def count_statement(layout: Layout, days: Days | None) -> str:
    """The SQL that counts rows and distinct rows of each day."""
    return fill("compact/count.sql", layout=layout, days=days)


def deduplicate_statement(layout: Layout, date: str | None) -> str:
    """The SQL that removes the copies of one day."""
    return fill("compact/deduplicate.sql", layout=layout, days=Days.one(date))


def with_estimate(client: bigquery.Client, wanted: Compaction) -> Compaction:
    """Asks BigQuery what counting processes; counts nothing yet."""
    statement = count_statement(wanted.layout, wanted.days)
    (count_bytes,) = estimate(client, [statement])
    return replace(wanted, count_bytes=count_bytes)


def with_counts(client: bigquery.Client, wanted: Compaction) -> Compaction:
    """Counts the days, and asks BigQuery what removing the copies processes."""
    statement = count_statement(wanted.layout, wanted.days)
    counted = tuple(_count(client, statement, wanted.count_bytes))
    copied = [day for day in counted if day.copies]
    return replace(
        wanted, counted=counted, steps=tuple(_steps(client, wanted.layout, copied))
    )


def _count(
    client: bigquery.Client, statement: str, estimated_bytes: int
) -> Iterator[Day]:
    for row in ask(client, statement, estimated_bytes).result():
        yield Day(row["row_day"], row["total_rows"], row["distinct_rows"])


def _steps(
    client: bigquery.Client, layout: Layout, days: Sequence[Day]
) -> Iterator[Step]:
    # A table that is not partitioned is read as a whole for every day.
    asked = days if layout.partitioned else days[:1]
    statements = chain.from_iterable(
        (
            deduplicate_statement(layout, day.date),
            count_statement(layout, Days.one(day.date)),
        )
        for day in asked
    )
    found = estimate(client, list(statements))
    pairs = list(zip(found[::2], found[1::2], strict=True))
    if not layout.partitioned:
        pairs *= len(days)
    for day, (merge_bytes, check_bytes) in zip(days, pairs, strict=True):
        yield Step(day, merge_bytes, check_bytes)


def remove_copies(client: bigquery.Client, layout: Layout, step: Step) -> int:
    """Removes the copies of one day, and checks that nothing else was removed.

    Returns:
        How many rows were removed; another run may have removed some since the count.

    Raises:
        RowsLostError: The day does not hold the rows that it should.
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused; the day is
            unchanged.
    """
    date = step.day.date
    job = ask(client, deduplicate_statement(layout, date), step.merge_bytes)
    statement = count_statement(layout, Days.one(date))
    after = next(_count(client, statement, step.check_bytes), Day(date, 0, 0))
    check(step.day, after)
    if job.dml_stats is None:  # BigQuery has them for each MERGE
        return step.day.rows - after.rows
    return job.dml_stats.deleted_row_count - job.dml_stats.inserted_row_count


def check(before: Day, after: Day) -> None:
    """Compares a day with what it was before its copies were removed.

    New distinct rows may have arrived meanwhile; none may be missing.

    Raises:
        RowsLostError: Distinct rows are missing, or copies are left.
    """
    if after.distinct_rows < before.distinct_rows or after.copies:
        raise RowsLostError(
            f"{before.title} should hold {before.distinct_rows:,} distinct rows, but "
            f"has {after.rows:,} rows, {after.distinct_rows:,} of them distinct"
        )


def run_steps(
    steps: Sequence[Step],
    remove: Callable[[Step], int],
    done: Done,
    report: Callable[[Step, int | None], None],
    stopping: Callable[[], bool],
) -> None:
    """Handles one day after the other.

    Args:
        steps: The days.
        remove: Removes the copies of one, and returns how many rows it removed.
        done: Receives the result, also if an error ends the run.
        report: Called after each day with the number of removed rows, None if the day
            was skipped.
        stopping: Called before each day; true ends the run.
    """
    for step in steps:
        if stopping():
            return
        try:
            removed = remove(step)
        except GoogleAPICallError as error:
            if not in_streaming_buffer(error):
                raise
            done.skipped.append(step.day.title)
            report(step, None)
        else:
            done.changed.append(step.day.title)
            done.removed_rows += removed
            report(step, removed)


def in_streaming_buffer(error: GoogleAPICallError) -> bool:
    """Whether rows are too fresh to be removed.

    BigQuery says "MERGE statement over table p.d.t would affect rows in the streaming
    buffer, which is not supported".
    """
    return "streaming buffer" in str(error)
