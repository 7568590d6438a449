"""Writing: rows to their tables, and what BigQuery refuses to the dead letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

from pipeline.bigquery.inserts import (
    MAX_BYTES,
    MAX_ROWS,
    Insert,
    Rejected,
    size_of,
)
from pipeline.core.batches import RowBatch, TableRow, dead_letter_row
from pipeline.core.coercion import TypedRecord
from pipeline.core.decoding import DeadLetter, record_json, utc_now
from pipeline.core.reasons import Reason, Stage
from pipeline.registry import load_registry
from pipeline.steps.ledger import Tally, merged

# Rows held before a flush, over all tables: some 50 MB of Python objects. A request
# costs BigQuery about the same whether it has 50 rows or 500, so what 5,000 messages
# bring to 89 tables (4.6 rows a message) is to go in one request a table.
MAX_HELD_ROWS = 25_000

# One flush of some tables: table name and rows in, refused rows by table out.
Inserter = Callable[[dict[str, list[Insert]]], dict[str, list[Rejected]]]


class WriteRows(beam.PTransform):
    """Takes `RowBatch`; gives `dead_letters` and `ledger` (`TableRow`)."""

    def __init__(self, inserter: Inserter) -> None:
        super().__init__()
        self.inserter = inserter

    def expand(self, batches: beam.PCollection) -> Any:
        """Builds the step."""
        return batches | "Insert rows" >> beam.ParDo(
            _InsertRows(self.inserter)
        ).with_outputs("dead_letters", main="ledger")


class _InsertRows(beam.DoFn):
    """Takes `RowBatch`; holds rows until they are many or the bundle ends."""

    def __init__(self, inserter: Inserter) -> None:
        self.inserter = inserter

    def start_bundle(self) -> None:
        self.tally = Tally()
        self.held: dict[str, list[tuple[RowBatch, TypedRecord]]] = {}
        self.held_rows = 0

    def process(self, batch: RowBatch) -> Iterator[Any]:
        rows = self.held.setdefault(batch.dataset, [])
        rows += [(batch, record) for record in batch.records]
        self.held_rows += len(batch.records)
        if self.held_rows >= MAX_HELD_ROWS:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        for output in self._flush():
            yield beam.pvalue.TaggedOutput(
                output.tag, GlobalWindows.windowed_value(output.value)
            )
        yield from self.tally.entries()

    def _flush(self) -> Iterator[beam.pvalue.TaggedOutput]:
        held, self.held, self.held_rows = self.held, {}, 0
        registry, now = load_registry(), utc_now()
        answers = self.inserter(
            {
                registry[dataset].table: [_insert_of(*row) for row in rows]
                for dataset, rows in held.items()
            }
        )
        for dataset, rows in held.items():
            refused = answers[registry[dataset].table]
            self.tally.add(
                dataset, rows=len(rows) - len(refused), dead_letters=len(refused)
            )
            for index, error in refused:
                batch, record = rows[index]
                yield beam.pvalue.TaggedOutput(
                    "dead_letters", _refused_row(batch, record, error, now)
                )


def _insert_of(batch: RowBatch, record: TypedRecord) -> Insert:
    return Insert(record.record_id, batch.values_of(record))


def _refused_row(
    batch: RowBatch, record: TypedRecord, error: str, now: str
) -> TableRow:
    letter = DeadLetter(
        Stage.WRITE,
        Reason.INSERT_REJECTED,
        error,
        record.position,
        record_json(record.record),
        record.record_id,
    )
    return dead_letter_row(batch.dataset, batch.attributes, letter, now)


class WriteTable(beam.PTransform):
    """Takes `TableRow`; writes them to one of the pipeline's own tables."""

    def __init__(self, table: str, inserter: Inserter) -> None:
        super().__init__()
        self.table = table
        self.inserter = inserter

    def expand(self, rows: beam.PCollection) -> Any:
        """Builds the step."""
        return rows | f"Insert into {self.table}" >> beam.ParDo(
            _InsertTable(self.table, self.inserter)
        )


class _InsertTable(beam.DoFn):
    """Takes `TableRow`; a refusal here has no other place to go, so it raises."""

    def __init__(self, table: str, inserter: Inserter) -> None:
        self.table = table
        self.inserter = inserter

    def start_bundle(self) -> None:
        self.held: list[TableRow] = []
        self.held_bytes = 0

    def process(self, row: TableRow) -> None:
        self.held.append(row)
        self.held_bytes += size_of(Insert(row.insert_id, row.values))
        if len(self.held) >= MAX_ROWS or self.held_bytes >= MAX_BYTES:
            self._flush()

    def finish_bundle(self) -> None:
        self._flush()

    def _flush(self) -> None:
        held, self.held, self.held_bytes = self.held, [], 0
        if self.table == "iris_ledger":
            held = merged(held)
        if not held:
            return
        rows = [Insert(row.insert_id, row.values) for row in held]
        if refused := self.inserter({self.table: rows})[self.table]:
            raise RuntimeError(
                f"BigQuery refuses rows of {self.table} ({refused[0].error}): "
                "`python -m sql apply` makes the table as the pipeline needs it"
            )
