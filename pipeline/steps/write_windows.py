"""Write windows: rows gather by table until they are many, large or old enough.

For runners that keep state. There a bundle is about one message, and each would cost a
request: rows wait in the state of their table instead, until there are 500 of them, or
5 MB, or the first has waited for the window, two seconds by default. That is real time:
no row waits for a watermark.

A table that BigQuery accepts no rows for keeps them in its state, and tries again after
a pause. It holds no thread meanwhile, and no other table. The shuffle by table stands
between the steps: where the ledger or the dead letters cannot be written, only that is
tried again, and no other row is written twice for it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
from apache_beam.coders import FloatCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    CombiningValueStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)

from pipeline.bigquery import waiting_tables
from pipeline.bigquery.inserts import (
    MAX_BYTES,
    MAX_ROWS,
    Insert,
    RecordInsert,
    Rejected,
    Row,
    Tables,
)
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.core.batches import RowBatch, TableRow, refused_row
from pipeline.core.decoding import record_json, utc_now
from pipeline.core.reasons import Reason
from pipeline.registry import load_registry
from pipeline.steps.coders import ElementCoder
from pipeline.steps.ledger import Tally
from pipeline.steps.outputs import Outputs
from pipeline.steps.write_rows import Inserter, note_waiting

WINDOW_SECONDS = 2.0
# Rows of one waiting table in its state: beyond that they become dead letters.
MAX_WAITING_ROWS = 25_000

Element = RowBatch | TableRow
# Seconds since the epoch.
Clock = Callable[[], float]


class WriteRowWindows(beam.PTransform):
    """`RowBatch` to `.dead_letters` and `.ledger` (`TableRow`).

    Args:
        inserter: Inserts rows; rows of a table that waits come back soon.
        window_seconds: How long rows gather at most.
        clock: The runner's processing time.
    """

    def __init__(
        self,
        inserter: Inserter,
        window_seconds: float = WINDOW_SECONDS,
        clock: Clock = time.time,
    ) -> None:
        super().__init__()
        self.gather = _gathering("rows")(
            _DatasetTables(inserter), window_seconds, clock
        )

    def expand(self, batches: beam.PCollection[RowBatch]) -> Outputs:
        keyed = batches | "Key by dataset" >> beam.Map(
            lambda batch: (batch.dataset, batch)
        ).with_output_types(tuple[str, RowBatch])
        written = beam.ParDo(self.gather).with_output_types(
            TableRow, dead_letters=TableRow
        )
        return keyed | "Gather and insert" >> written.with_outputs(
            "dead_letters", main="ledger"
        )


class WriteTableWindows(beam.PTransform):
    """`TableRow` to one of the pipeline's own tables.

    Args:
        table: Its name.
        inserter: As for `WriteRowWindows`.
        window_seconds: How long rows gather at most.
        clock: The runner's processing time.
    """

    def __init__(
        self,
        table: str,
        inserter: Inserter,
        window_seconds: float = WINDOW_SECONDS,
        clock: Clock = time.time,
    ) -> None:
        super().__init__()
        self.table = table
        self.gather = _gathering(table)(_OwnTable(inserter), window_seconds, clock)

    def expand(self, rows: beam.PCollection[TableRow]) -> beam.PCollection:
        keyed = rows | "Key by table" >> beam.WithKeys(self.table).with_output_types(
            tuple[str, TableRow]
        )
        return keyed | "Gather and insert" >> beam.ParDo(self.gather)


class Outcome(NamedTuple):
    """What came of an attempt to write.

    Attributes:
        kept: Elements to try again.
        outputs: What the step yields.
    """

    kept: list[Element]
    outputs: list[Any]


class _Target(Protocol):
    """The tables that elements are written to."""

    def table(self, key: str) -> str:
        """The table of a key."""

    def rows(self, element: Any) -> Sequence[Row]:
        """The rows of an element."""

    def outcome(
        self, key: str, elements: list[Any], answers: list[Rejected], *, is_over: bool
    ) -> Outcome:
        """What becomes of elements after an attempt.

        Args:
            key: Their key.
            elements: All that were written.
            answers: Rows that are not stored, by their position among all rows.
            is_over: Whether rows that wait should wait no longer.
        """

    def insert(self, tables: Tables) -> dict[str, list[Rejected]]:
        """Writes rows."""


class _DatasetTables:
    """The tables of datasets: a row that is not stored becomes a dead letter."""

    def __init__(self, inserter: Inserter) -> None:
        self.insert = inserter

    def table(self, key: str) -> str:
        return load_registry()[key].table

    def rows(self, element: RowBatch) -> Sequence[Row]:
        return [RecordInsert(element, record) for record in element.records]

    def outcome(
        self,
        key: str,
        elements: list[RowBatch],
        answers: list[Rejected],
        *,
        is_over: bool,
    ) -> Outcome:
        flat = [(batch, record) for batch in elements for record in batch.records]
        tally, now, kept, outputs = Tally(), utc_now(), [], []
        missing = {one.position for one in answers}
        tally.add_written(flat, missing, time.time())
        for position, error, waits in answers:
            batch, record = flat[position]
            if waits and not is_over:
                kept.append(batch.only([record]))
                continue
            tally.add(key, batch.published_utc, dead_letters=1)
            letter = refused_row(
                key,
                batch.attributes,
                record.record_id,
                record_json(record.record),
                error,
                now,
                position=record.position,
                reason=Reason.TABLE_UNAVAILABLE if waits else Reason.INSERT_REJECTED,
            )
            outputs.append(beam.pvalue.TaggedOutput("dead_letters", letter))
        return Outcome([*kept], [*outputs, *tally.entries()])


class _OwnTable:
    """One of the pipeline's own tables: rows have no other place, and wait."""

    def __init__(self, inserter: Inserter) -> None:
        self.insert = inserter

    def table(self, key: str) -> str:
        return key

    def rows(self, element: TableRow) -> Sequence[Row]:
        return [Insert(element.insert_id, element.values)]

    def outcome(
        self,
        key: str,
        elements: list[TableRow],
        answers: list[Rejected],
        *,
        is_over: bool,
    ) -> Outcome:
        return Outcome([elements[one.position] for one in answers], [])


ELEMENTS = BagStateSpec("elements", ElementCoder())
ROWS = CombiningValueStateSpec("rows", combine_fn=beam.CombineFn.from_callable(sum))
BYTES = CombiningValueStateSpec("bytes", combine_fn=beam.CombineFn.from_callable(sum))
# Since when the table waits; unlike `WAITING` it outlives the worker.
SINCE = ReadModifyWriteStateSpec("since", FloatCoder())


class _Gather(beam.DoFn):
    """`(key, element)`, gathered in state, to requests; `_gathering` adds the timers.

    Args:
        target: The tables.
        window_seconds: How long elements gather at most.
        clock: The runner's processing time.
    """

    def __init__(self, target: _Target, window_seconds: float, clock: Clock) -> None:
        self.target = target
        self.window_seconds = window_seconds
        self.clock = clock

    def add(self, element: Any, elements: Any, rows: Any, size: Any) -> None:
        """Keeps an element in state."""
        inserts = self.target.rows(element)
        elements.add(element)
        rows.add(len(inserts))
        size.add(sum(row.size() for row in inserts))

    def write(
        self,
        key: str,
        elements: Any,
        rows: Any,
        size: Any,
        since: Any,
        due: Any,
        *,
        is_last: bool = False,
    ) -> Iterator[Any]:
        """Sends what is in state; rows of a table that waits stay there."""
        taken = list(elements.read())
        if not taken:
            return
        table, now = self.target.table(key), self.clock()
        answers = self.attempt(table, taken, is_last=is_last)
        if answers is None:  # other waiting tables have the threads
            due.set(now + WAITING.pause_seconds(table))
            return
        began = since.read() or now
        is_over = (
            is_last
            or now - began >= waiting_tables.PATIENCE_SECONDS
            or len(answers) > MAX_WAITING_ROWS
        )
        kept, outputs = self.target.outcome(key, taken, answers, is_over=is_over)
        if kept and is_last:
            raise RuntimeError(f"rows of {table} cannot be written: {answers[0].error}")
        for state in (elements, rows, size, since):
            state.clear()
        for element in kept:
            self.add(element, elements, rows, size)
        if kept:
            since.write(began)
            due.set(now + WAITING.pause_seconds(table))
        yield from outputs

    def attempt(
        self, table: str, taken: list[Any], *, is_last: bool
    ) -> list[Rejected] | None:
        """Sends rows; returns those that are not stored, None where it may not."""
        with WAITING.attempt(table) as may:
            if not may and not is_last:
                return None
            rows = [row for element in taken for row in self.target.rows(element)]
            answers = self.target.insert({table: rows})[table]
        note_waiting({table: answers})
        return answers


def _gathering(name: str) -> type[_Gather]:
    """The DoFn with timers of its own names.

    FnApiRunner runs several of these steps as one, and would mix up timers of one name:
    some would never fire (findings/beam_timer_names.sh).
    """
    due_spec = TimerSpec(f"due {name}", TimeDomain.REAL_TIME)
    # The global window ends when a job is drained.
    end_spec = TimerSpec(f"end {name}", TimeDomain.WATERMARK)

    class Gather(_Gather):
        def process(
            self,
            keyed: tuple[str, Any],
            elements: Any = beam.DoFn.StateParam(ELEMENTS),
            rows: Any = beam.DoFn.StateParam(ROWS),
            size: Any = beam.DoFn.StateParam(BYTES),
            since: Any = beam.DoFn.StateParam(SINCE),
            due: Any = beam.DoFn.TimerParam(due_spec),
            end: Any = beam.DoFn.TimerParam(end_spec),
            window: Any = beam.DoFn.WindowParam,
        ) -> Iterator[Any]:
            key, element = keyed
            if not rows.read():
                due.set(self.clock() + self.window_seconds)
                end.set(window.end)
            self.add(element, elements, rows, size)
            is_full = rows.read() >= MAX_ROWS or size.read() >= MAX_BYTES
            if is_full and since.read() is None:
                due.clear()
                yield from self.write(key, elements, rows, size, since, due)

        @on_timer(due_spec)
        def at_due(
            self,
            key: str = beam.DoFn.KeyParam,
            elements: Any = beam.DoFn.StateParam(ELEMENTS),
            rows: Any = beam.DoFn.StateParam(ROWS),
            size: Any = beam.DoFn.StateParam(BYTES),
            since: Any = beam.DoFn.StateParam(SINCE),
            due: Any = beam.DoFn.TimerParam(due_spec),
        ) -> Iterator[Any]:
            """Writes at the end of the window, or of a pause."""
            yield from self.write(key, elements, rows, size, since, due)

        @on_timer(end_spec)
        def at_end(
            self,
            key: str = beam.DoFn.KeyParam,
            elements: Any = beam.DoFn.StateParam(ELEMENTS),
            rows: Any = beam.DoFn.StateParam(ROWS),
            size: Any = beam.DoFn.StateParam(BYTES),
            since: Any = beam.DoFn.StateParam(SINCE),
            due: Any = beam.DoFn.TimerParam(due_spec),
        ) -> Iterator[Any]:
            """Writes what is left when a job is drained, which waits for no table."""
            due.clear()
            yield from self.write(key, elements, rows, size, since, due, is_last=True)

    return Gather
