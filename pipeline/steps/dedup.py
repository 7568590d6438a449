"""Dedup: an identical record passes once within the horizon.

One transform with four kinds of memory, all with the same result:

- `in_process`: a set of this process, for drains and for streaming on the DirectRunner.
  The keyed state of that runner gets slower with every key and frees none, and it makes
  a new DoFn for every bundle (both measured).
- `in_run`: a set of the one bundle of a bounded run in this process. The bundle is not
  tried again, so records pass one by one and a run of any length fits into memory.
- `in_state`: Beam's own `DeduplicatePerKey`, for streaming on runners that keep state.
- `by_grouping`: exact over the whole input, for bounded runs on many workers.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import apache_beam as beam
import xxhash
from apache_beam.transforms.deduplicate import DeduplicatePerKey
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import Duration

from pipeline.core.batches import RowBatch, TableRow
from pipeline.core.coercion import TypedRecord
from pipeline.steps.ledger import Tally
from pipeline.steps.outputs import Outputs
from pipeline.steps.seen import SeenIds

Memory = Literal["in_process", "in_run", "in_state", "by_grouping"]


class DeduplicateRecords(beam.PTransform):
    """`RowBatch` to `.rows` (`RowBatch`) and `.ledger` (`TableRow`)."""

    def __init__(self, memory: Memory, horizon_hours: float) -> None:
        super().__init__()
        self.memory = memory
        self.horizon_seconds = horizon_hours * 3600

    def expand(self, batches: beam.PCollection[RowBatch]) -> Outputs:
        if self.memory == "in_process":
            drop = beam.ParDo(_DropSeen(self.horizon_seconds))
            return batches | "Drop seen ids" >> drop.with_outputs("ledger", main="rows")
        if self.memory == "in_run":
            drop = beam.ParDo(_DropSeenAtOnce(self.horizon_seconds))
            return batches | "Drop seen ids" >> drop.with_outputs("ledger", main="rows")
        is_bounded = self.memory == "by_grouping"
        keyed = batches | "Key by record id" >> beam.FlatMap(
            _by_record_id_alone if is_bounded else _by_record_id
        ).with_output_types(tuple[str, Any])
        if is_bounded:
            keep = beam.ParDo(_KeepFirst()).with_outputs("ledger", main="rows")
            return keyed | "Group" >> beam.GroupByKey() | "Keep the first" >> keep
        return self._in_state(batches, keyed)

    def _in_state(
        self,
        batches: beam.PCollection[RowBatch],
        keyed: beam.PCollection[tuple[str, RowBatch]],
    ) -> "_Deduplicated":
        horizon = Duration(seconds=self.horizon_seconds)
        unique = (
            keyed
            | "Keep the first" >> DeduplicatePerKey(processing_time_duration=horizon)
            | beam.Values()
        )
        # Beam does not report what it drops: it is what went in less what came out.
        # While records are between the two, the ledger shows them as duplicates.
        before = batches | "Count before" >> beam.ParDo(_CountDuplicates(+1))
        after = unique | "Count after" >> beam.ParDo(_CountDuplicates(-1))
        return _Deduplicated(unique, (before, after) | "Duplicates" >> beam.Flatten())


class _Deduplicated:
    def __init__(
        self,
        rows: beam.PCollection[RowBatch],
        ledger: beam.PCollection[TableRow],
    ) -> None:
        self.rows = rows
        self.ledger = ledger


def _record_ids(batch: RowBatch) -> list[str]:
    return [record.record_id for record in batch.records]


def _dedup_ids(batch: RowBatch) -> list[str]:
    """The name of each record over time: its id, and the replay that brought it.

    A replayed record was seen before, but it is not a row: BigQuery had refused it.
    Among records that are written together its id is enough, as when the raw archive
    has both: BigQuery now accepts or refuses both.
    """
    ids = _record_ids(batch)
    replay = batch.attributes.get("publish_id")
    if not replay or replay == batch.attributes.get("message_id"):
        return ids
    return [xxhash.xxh3_128_hexdigest(f"{name}\n{replay}".encode()) for name in ids]


def _by_record_id(batch: RowBatch) -> Iterator[Any]:
    for name, record in zip(_dedup_ids(batch), batch.records, strict=True):
        yield name, _only(batch, [record])


def _by_record_id_alone(batch: RowBatch) -> Iterator[Any]:
    for record in batch.records:
        yield record.record_id, _only(batch, [record])


def _only(batch: RowBatch, records: list[TypedRecord]) -> RowBatch:
    return batch.only(records)


class _KeepFirst(beam.DoFn):
    """`(record id, RowBatches)` to the one of them that IRIS sent first."""

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


@functools.cache
def seen_ids(horizon_seconds: float) -> SeenIds:
    """The one memory of this process for a horizon."""
    return SeenIds(horizon_seconds)


def forget() -> None:
    """Forgets everything that this process has seen."""
    seen_ids.cache_clear()


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
        for batch in self.batches:
            fresh = []
            for identity, new in zip(
                _record_ids(batch), seen.add(_dedup_ids(batch)), strict=True
            ):
                passes = new and identity not in together
                fresh.append(passes)
                if passes:
                    together.add(identity)
            if rest := unseen(batch, fresh, tally):
                yield GlobalWindows.windowed_value(rest)
        yield from tally.tagged_entries()


class _DropSeenAtOnce(beam.DoFn):
    """`RowBatch` to `RowBatch`, without the records that this run has seen."""

    def __init__(self, horizon_seconds: float) -> None:
        self.horizon_seconds = horizon_seconds

    def start_bundle(self) -> None:
        self.seen = SeenIds(self.horizon_seconds)
        self.tally = Tally()

    def process(self, batch: RowBatch) -> Iterator[RowBatch]:
        fresh = self.seen.add(_record_ids(batch))
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
    return _only(batch, records) if records else None


class _CountDuplicates(beam.DoFn):
    """`RowBatch` to ledger entries of `sign` times its records."""

    def __init__(self, sign: int) -> None:
        self.sign = sign

    def start_bundle(self) -> None:
        self.tally = Tally()

    def process(self, batch: RowBatch) -> None:
        duplicates = self.sign * len(batch.records)
        self.tally.add(batch.dataset, batch.published_utc, duplicates=duplicates)

    def finish_bundle(self) -> Iterator[Any]:
        return self.tally.entries()
