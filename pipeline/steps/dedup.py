"""Dedup: an identical record passes once within the horizon.

Where a message is the publication of a set, records of two messages are not identical
(`pipeline.core.row_ids`).

One transform with four kinds of memory, all with the same result:

- `in_process`: a set of this process, for drains and for streaming on the DirectRunner.
  The keyed state of that runner gets slower with every key and frees none, and it makes
  a new DoFn for every bundle (both measured).
- `in_run`: a set of the one bundle of a bounded run in this process. The bundle is not
  tried again, so records pass one by one and a run of any length fits into memory.
- `in_state`: a cell of state for each record, for streaming on runners that keep state
  and may try every bundle again.
- `by_grouping`: exact over the whole input, for bounded runs on many workers.

A cell of state is cleared by a timer in event time, at the horizon after the record's
own time or after the clock's, whichever is later. Each part of that has a reason:

- A timer in processing time, as Beam's `DeduplicatePerKey` sets it, holds the watermark
  at the record's time for the whole horizon (`OutputTimer` in Beam's
  `bundle_processor`). Dataflow calls a job drained when every watermark is at infinity,
  so that a drain takes a day. A timer in event time holds it at the time when it fires,
  and a drain lets it fire at once.
- A timer in event time after the record's own time has already expired when a record
  arrives three days late: it would be forgotten with the bundle, and its twin passes.
- The horizon counts from when the record was new. A twin does not extend it: all kinds
  of memory then forget alike, and a twin costs no write to the state.

While the watermark lags behind the clock, as during a backlog, records are remembered
for longer than the horizon, and never for less while the job runs. What Dataflow does
is read from Beam's source and documents; it has not run in a cloud.
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import apache_beam as beam
from apache_beam.coders import BooleanCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)
from apache_beam.transforms.window import GlobalWindow, GlobalWindows
from apache_beam.utils.timestamp import Duration, Timestamp

from pipeline.core.batches import RowBatch, TableRow
from pipeline.core.row_ids import hashed
from pipeline.steps.ledger import Tally
from pipeline.steps.outputs import Outputs
from pipeline.steps.seen import SeenIds

Memory = Literal["in_process", "in_run", "in_state", "by_grouping"]


class DeduplicateRecords(beam.PTransform):
    """`RowBatch` to `.rows` (`RowBatch`) and `.ledger` (`TableRow`).

    Args:
        memory: How it remembers what it has seen.
        horizon_hours: How long it remembers it.
        clock: Seconds since 1970, for `in_state`.
    """

    def __init__(
        self,
        memory: Memory,
        horizon_hours: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.memory = memory
        self.horizon_seconds = horizon_hours * 3600
        self.clock = clock

    def expand(self, batches: beam.PCollection[RowBatch]) -> Outputs:
        if self.memory == "in_process":
            drop = _keeping(_DropSeen(self.horizon_seconds))
            return batches | "Drop seen ids" >> drop
        if self.memory == "in_run":
            drop = _keeping(_DropSeenAtOnce(self.horizon_seconds))
            return batches | "Drop seen ids" >> drop
        is_bounded = self.memory == "by_grouping"
        keyed = batches | "Key by record id" >> beam.FlatMap(
            _by_row_id if is_bounded else _by_dedup_id
        ).with_output_types(tuple[str, RowBatch])
        if is_bounded:
            keep = _keeping(_KeepFirst())
            return keyed | "Group" >> beam.GroupByKey() | "Keep the first" >> keep
        keep = _keeping(_KeepNew(self.horizon_seconds, self.clock))
        return keyed | "Keep the new" >> keep


def _keeping(drop: beam.DoFn) -> beam.PTransform:
    """The step of a DoFn that keeps batches, and counts what it drops."""
    typed = beam.ParDo(drop).with_output_types(RowBatch, ledger=TableRow)
    return typed.with_outputs("ledger", main="rows")


def _dedup_ids(batch: RowBatch) -> list[str]:
    """The name of each row over time: its id, and the replay that brought it.

    A replayed record was seen before, but it is not a row: BigQuery had refused it.
    Among rows that are written together its id is enough, as when the raw archive has
    both: BigQuery now accepts or refuses both.
    """
    ids = batch.row_ids
    replay = batch.attributes.get("publish_id")
    if not replay or replay == batch.attributes.get("message_id"):
        return ids
    return [hashed(name, replay) for name in ids]


def _by_dedup_id(batch: RowBatch) -> Iterator[Any]:
    for name, record in zip(_dedup_ids(batch), batch.records, strict=True):
        yield name, batch.only([record])


def _by_row_id(batch: RowBatch) -> Iterator[Any]:
    for name, record in zip(batch.row_ids, batch.records, strict=True):
        yield name, batch.only([record])


class _KeepFirst(beam.DoFn):
    """`(row id, RowBatches)` to the one of them that IRIS sent first."""

    def start_bundle(self) -> None:
        self.tally = Tally()

    def process(self, group: tuple[str, Iterable[RowBatch]]) -> Iterator[Any]:
        batches = list(group[1])
        # Any order would do, but a second run must choose the same one.
        first = min(
            batches,
            key=lambda batch: (
                batch.metadata["enqueued_utc"] or "",
                batch.metadata["message_id"] or "",
                batch.records[0].position,
            ),
        )
        for batch in batches:
            if batch is not first:
                self.tally.add(batch.dataset, batch.published_utc, duplicates=1)
        yield first

    def finish_bundle(self) -> Iterator[Any]:
        return self.tally.tagged_entries()


class _KeepNew(beam.DoFn):
    """`(row id, RowBatch)` to the RowBatch, if the id is new within the horizon."""

    HORIZON_ENDS = TimerSpec("horizon", TimeDomain.WATERMARK)
    SEEN = beam.DoFn.StateParam(ReadModifyWriteStateSpec("seen", BooleanCoder()))
    TIMER = beam.DoFn.TimerParam(HORIZON_ENDS)

    def __init__(self, horizon_seconds: float, clock: Callable[[], float]) -> None:
        self.horizon = Duration(seconds=horizon_seconds)
        self.clock = clock

    def start_bundle(self) -> None:
        self.tally = Tally()

    def process(
        self,
        keyed: tuple[str, RowBatch],
        when: Any = beam.DoFn.TimestampParam,
        seen: Any = SEEN,
        timer: Any = TIMER,
    ) -> Iterator[RowBatch]:
        batch = keyed[1]
        if seen.read():
            duplicates = len(batch.records)
            self.tally.add(batch.dataset, batch.published_utc, duplicates=duplicates)
            return
        seen.write(True)
        until = max(when, Timestamp.of(self.clock())) + self.horizon
        # Beam cannot encode a time beyond its own end, some 290,000 years from now.
        timer.set(min(until, GlobalWindow().max_timestamp()))
        yield batch

    @on_timer(HORIZON_ENDS)
    def forget(self, seen: Any = SEEN) -> None:
        seen.clear()

    def finish_bundle(self) -> Iterator[Any]:
        return self.tally.tagged_entries()


# Those that `seen_ids` has made.
_memories: list[SeenIds] = []


@functools.cache
def seen_ids(horizon_seconds: float) -> SeenIds:
    """The one memory of this process for a horizon."""
    memory = SeenIds(horizon_seconds)
    _memories.append(memory)
    return memory


def forget() -> None:
    """Forgets everything that this process has seen."""
    seen_ids.cache_clear()
    _memories.clear()


def forget_batch(batch: RowBatch) -> None:
    """Forgets the records of a batch, so that they pass when they come again."""
    for memory in _memories:
        memory.discard(_dedup_ids(batch))


class _DropSeen(beam.DoFn):
    """`RowBatch` to `RowBatch`, without the records that this process has seen.

    Ids are remembered only when the bundle ends: the runner tries a bundle that failed
    again, and its records would be duplicates of themselves.
    """

    def __init__(self, horizon_seconds: float) -> None:
        self.horizon_seconds = horizon_seconds

    def start_bundle(self) -> None:
        self.batches: list[RowBatch] = []

    def process(self, batch: RowBatch) -> None:
        self.batches.append(batch)

    def finish_bundle(self) -> Iterator[Any]:
        tally, seen = Tally(), seen_ids(self.horizon_seconds)
        together: set[str] = set()
        everywhere = GlobalWindows.windowed_value(None)
        for batch in self.batches:
            fresh = []
            for identity, new in zip(
                batch.row_ids, seen.add(_dedup_ids(batch)), strict=True
            ):
                passes = new and identity not in together
                fresh.append(passes)
                if passes:
                    together.add(identity)
            if rest := unseen(batch, fresh, tally):
                yield everywhere.with_value(rest)
        yield from tally.tagged_entries()


class _DropSeenAtOnce(beam.DoFn):
    """`RowBatch` to `RowBatch`, without the records that this run has seen."""

    def __init__(self, horizon_seconds: float) -> None:
        self.horizon_seconds = horizon_seconds

    def start_bundle(self) -> None:
        self.seen = SeenIds(self.horizon_seconds)
        self.tally = Tally()

    def process(self, batch: RowBatch) -> Iterator[RowBatch]:
        fresh = self.seen.add(batch.row_ids)
        if rest := unseen(batch, fresh, self.tally):
            yield rest

    def finish_bundle(self) -> Iterator[Any]:
        return self.tally.tagged_entries()


def unseen(batch: RowBatch, fresh: list[bool], tally: Tally) -> RowBatch | None:
    """The fresh records of a batch, or None if it has none; counts the others."""
    if all(fresh):
        return batch
    records = [record for record, new in zip(batch.records, fresh, strict=True) if new]
    duplicates = len(fresh) - len(records)
    tally.add(batch.dataset, batch.published_utc, duplicates=duplicates)
    return batch.only(records) if records else None
