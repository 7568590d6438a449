"""Writing: rows to their tables, and rows that BigQuery refuses to the dead letters.

A table that BigQuery accepts no rows for at the moment *waits*. What its rows do
meanwhile is the run's choice: they are left in Pub/Sub for a later round, they gather
in a step that keeps state (`write_windows`), or they become dead letters.
"""

import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

from pipeline.bigquery.inserts import (
    MAX_BYTES,
    MAX_ROWS,
    Insert,
    RecordInsert,
    Rejected,
    Tables,
)
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.core.batches import RowBatch, TableRow, refused_row
from pipeline.core.decoding import record_json, utc_now
from pipeline.core.reasons import Reason
from pipeline.registry import load_registry
from pipeline.steps.ledger import Tally, merged
from pipeline.steps.outputs import Outputs
from pipeline.steps.set_aside import ROUND

# Rows in memory before they are written, over all tables: some 50 MB of Python objects.
# A request costs BigQuery about the same with 50 rows as with 500, so the rows of 5,000
# messages for 89 tables (4.6 rows a message) should go in one request a table.
MAX_BUFFERED_ROWS = 25_000

LEDGER = "iris_ledger"

# Writes some tables: rows by table in, refused rows by table out.
Inserter = Callable[[Tables], dict[str, list[Rejected]]]


class Written(NamedTuple):
    """The outputs of a step that writes rows (`TableRow`)."""

    dead_letters: beam.PCollection
    ledger: beam.PCollection


class WriteRows(beam.PTransform):
    """`RowBatch` to `.dead_letters` and `.ledger` (`TableRow`).

    Args:
        inserter: Writes the rows.
        sets_aside: Whether rows of a table that waits are left for a later round.
        waiting: The step that they go to otherwise; without it they become dead
            letters.
    """

    def __init__(
        self,
        inserter: Inserter,
        *,
        sets_aside: bool = False,
        waiting: beam.PTransform | None = None,
    ) -> None:
        super().__init__()
        self.inserter = inserter
        self.sets_aside = sets_aside
        self.waiting = waiting

    def expand(self, batches: beam.PCollection[RowBatch]) -> Outputs:
        insert = _InsertRows(
            self.inserter, self.sets_aside, passes_on=self.waiting is not None
        )
        inserted = batches | "Insert rows" >> beam.ParDo(insert).with_output_types(
            TableRow, dead_letters=TableRow, waiting=RowBatch
        ).with_outputs("dead_letters", "waiting", main="ledger")
        if self.waiting is None:
            return inserted
        later = inserted.waiting | "Rows that wait" >> self.waiting
        dead_letters = (inserted.dead_letters, later.dead_letters)
        return Written(
            dead_letters | "Dead letters" >> beam.Flatten(),
            (inserted.ledger, later.ledger) | "Ledger" >> beam.Flatten(),
        )


class _InsertRows(beam.DoFn):
    """`RowBatch` to requests, when rows are many or the bundle ends."""

    def __init__(
        self, inserter: Inserter, sets_aside: bool, *, passes_on: bool
    ) -> None:
        self.inserter = inserter
        self.sets_aside = sets_aside
        self.passes_on = passes_on

    def start_bundle(self) -> None:
        self.tally = Tally()
        self.buffered: dict[str, list[RecordInsert]] = {}
        self.buffered_rows = 0

    def process(self, batch: RowBatch) -> Iterator[Any]:
        rows = self.buffered.setdefault(batch.dataset, [])
        rows += [RecordInsert(batch, record) for record in batch.records]
        self.buffered_rows += len(batch.records)
        if self.buffered_rows >= MAX_BUFFERED_ROWS:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        for output in self._flush():
            yield beam.pvalue.TaggedOutput(
                output.tag, GlobalWindows.windowed_value(output.value)
            )
        yield from self.tally.entries()

    def _flush(self) -> Iterator[beam.pvalue.TaggedOutput]:
        buffered, self.buffered, self.buffered_rows = self.buffered, {}, 0
        registry, now = load_registry(), utc_now()
        if self.passes_on:
            # Their step asks whether the tables accept rows again.
            for dataset in [
                name for name in buffered if registry[name].table in WAITING
            ]:
                yield from _passed_on(buffered.pop(dataset))
        answers = self.inserter(
            {registry[dataset].table: rows for dataset, rows in buffered.items()}
        )
        answered = time.time()
        if self.sets_aside or self.passes_on:
            note_waiting(answers)
        for dataset, rows in buffered.items():
            table = registry[dataset].table
            refused = answers[table]
            missing = {one.position for one in refused}
            self.tally.add_written(rows, missing, answered)
            if self._may_wait(table):
                later = [rows[one.position] for one in refused if one.waits]
                refused = [one for one in refused if not one.waits]
                yield from self._left(later)
            for index, error, waits in refused:
                batch, record = rows[index]
                self.tally.add(dataset, batch.published_utc, dead_letters=1)
                letter = refused_row(
                    dataset,
                    batch.attributes,
                    record.record_id,
                    record_json(record.record),
                    error,
                    now,
                    position=record.position,
                    reason=Reason.TABLE_UNAVAILABLE
                    if waits
                    else Reason.INSERT_REJECTED,
                )
                yield beam.pvalue.TaggedOutput("dead_letters", letter)

    def _may_wait(self, table: str) -> bool:
        return self.passes_on or (self.sets_aside and not WAITING.is_over(table))

    def _left(self, rows: list[RecordInsert]) -> Iterator[beam.pvalue.TaggedOutput]:
        if self.passes_on:
            yield from _passed_on(rows)
            return
        for batch, record in rows:
            ROUND.rows(batch.only([record]))


def _passed_on(rows: list[RecordInsert]) -> Iterator[beam.pvalue.TaggedOutput]:
    """The rows as the output `waiting`, those of one message together."""
    for _, group in groupby(rows, lambda row: id(row.batch)):
        part = list(group)
        batch = part[0].batch.only([row.record for row in part])
        yield beam.pvalue.TaggedOutput("waiting", batch)


def note_waiting(answers: dict[str, list[Rejected]]) -> None:
    """Notes which tables wait, and which do no longer."""
    for table, refused in answers.items():
        if waiting := [one for one in refused if one.waits]:
            WAITING.failed(table, waiting[0].error)
        else:
            WAITING.succeeded(table)


class WriteTable(beam.PTransform):
    """`TableRow` to one of the pipeline's own tables; the output ends when all are.

    Args:
        table: Its name.
        inserter: Writes the rows.
        sets_aside: Whether a refusal leaves the messages for a later round.
        waiting: The step that refused rows go to otherwise; without it a refusal ends
            the run.
    """

    def __init__(
        self,
        table: str,
        inserter: Inserter,
        *,
        sets_aside: bool = False,
        waiting: beam.PTransform | None = None,
    ) -> None:
        super().__init__()
        self.table = table
        self.inserter = inserter
        self.sets_aside = sets_aside
        self.waiting = waiting

    def expand(self, rows: beam.PCollection[TableRow]) -> beam.PCollection:
        insert = _InsertTable(
            self.table,
            self.inserter,
            self.sets_aside,
            passes_on=self.waiting is not None,
        )
        left = rows | f"Insert into {self.table}" >> beam.ParDo(
            insert
        ).with_output_types(TableRow)
        return left if self.waiting is None else left | "Rows that wait" >> self.waiting


class _InsertTable(beam.DoFn):
    """`TableRow` to requests; yields those that wait, if it passes them on."""

    def __init__(
        self, table: str, inserter: Inserter, sets_aside: bool, *, passes_on: bool
    ) -> None:
        self.table = table
        self.inserter = inserter
        self.sets_aside = sets_aside
        self.passes_on = passes_on

    def start_bundle(self) -> None:
        self.buffered: list[TableRow] = []
        self.buffered_bytes = 0

    def process(self, row: TableRow) -> Iterator[TableRow]:
        self.buffered.append(row)
        self.buffered_bytes += Insert(row.insert_id, row.values).size()
        if len(self.buffered) >= MAX_ROWS or self.buffered_bytes >= MAX_BYTES:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        for row in self._flush():
            yield GlobalWindows.windowed_value(row)

    def _flush(self) -> list[TableRow]:
        """Writes what is buffered; returns the rows that are to wait in a step."""
        rows, self.buffered, self.buffered_bytes = self.buffered, [], 0
        if self.table == LEDGER:
            rows = merged([*ROUND.take_ledger(), *rows])
        if not rows or (self.passes_on and self.table in WAITING):
            return rows
        inserts = [Insert(row.insert_id, row.values) for row in rows]
        refused = self.inserter({self.table: inserts})[self.table]
        if refused and not (self.sets_aside or self.passes_on):
            raise RuntimeError(
                f"BigQuery refuses rows of {self.table} ({refused[0].error}): run "
                "`python -m sql apply`, which makes the table as the pipeline needs it"
            )
        # Rows of these tables have no other place: each refusal is waited for.
        note_waiting({self.table: [one._replace(waits=True) for one in refused]})
        left = [rows[one.position] for one in refused]
        if self.passes_on:
            return left
        if self.table == LEDGER:
            ROUND.ledger += left
        else:
            ROUND.table_rows(left)
        return []
