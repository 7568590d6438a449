"""Dedup: an identical record passes once within the horizon.

One transform, three ways of remembering, all with the same result:

- `in_process`: a set of this process, for streaming on the DirectRunner, whose keyed
  state gets slower with every key and never frees them, and which makes a new DoFn for
  every bundle (both measured).
- `in_state`: Beam's own `DeduplicatePerKey`, for streaming where runners keep state.
- `by_grouping`: exact over the whole input, for bounded runs.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import apache_beam as beam
from apache_beam.transforms.deduplicate import DeduplicatePerKey
from apache_beam.utils.timestamp import Duration

from pipeline.batches import RowBatch
from pipeline.ledger import Tally
from pipeline.seen import SeenIds

Memory = Literal["in_process", "in_state", "by_grouping"]


class DeduplicateRecords(beam.PTransform):
    """Takes `RowBatch`; gives `.rows` (`RowBatch`) and `.ledger` (`TableRow`)."""

    def __init__(self, memory: Memory, horizon_hours: float) -> None:
        super().__init__()
        self.memory = memory
        self.horizon_seconds = horizon_hours * 3600

    def expand(self, batches: beam.PCollection) -> Any:
        """Builds the steps for the chosen memory."""
        if self.memory == "in_process":
            unique = batches | "Drop seen ids" >> beam.ParDo(
                _DropSeen(self.horizon_seconds)
            )
        else:
            keyed = batches | "Key by record id" >> beam.FlatMap(
                _by_record_id
            ).with_output_types(tuple[str, Any])
            unique = keyed | "Keep the first" >> self._keep_first() | beam.Values()
        # What went in less what came out is what was dropped; sums do not mind the
        # order, and no runner has to tell its duplicates apart.
        before = batches | "Count before" >> beam.ParDo(_CountDuplicates(+1))
        after = unique | "Count after" >> beam.ParDo(_CountDuplicates(-1))
        ledger = (before, after) | "Duplicates" >> beam.Flatten()
        return _Deduplicated(unique, ledger)

    def _keep_first(self) -> beam.PTransform:
        if self.memory == "in_state":
            return DeduplicatePerKey(
                processing_time_duration=Duration(seconds=self.horizon_seconds)
            )
        return _KeepFirstOfGroup()


class _Deduplicated:
    def __init__(self, rows: beam.PCollection, ledger: beam.PCollection) -> None:
        self.rows = rows
        self.ledger = ledger


class _KeepFirstOfGroup(beam.PTransform):
    """Takes and gives `(record id, RowBatch of one)`; one of each id."""

    def expand(self, keyed: beam.PCollection) -> beam.PCollection:
        return keyed | "First by message" >> beam.CombinePerKey(_first)


def _first(batches: Iterable[RowBatch]) -> RowBatch:
    """The one that IRIS sent first, so that a second run chooses the same."""
    return min(
        batches,
        key=lambda batch: (
            batch.metadata["enqueued_utc"] or "",
            batch.metadata["message_id"] or "",
            batch.records[0].position,
        ),
    )


def _by_record_id(batch: RowBatch) -> Iterator[Any]:
    for record in batch.records:
        yield (
            record.record_id,
            RowBatch(batch.dataset, batch.metadata, batch.attributes, [record]),
        )


@functools.cache
def _seen_ids(horizon_seconds: float) -> SeenIds:
    """The one memory of this process for a horizon."""
    return SeenIds(horizon_seconds)


class _DropSeen(beam.DoFn):
    """Takes and gives `RowBatch`, less the records that this process has seen."""

    def __init__(self, horizon_seconds: float) -> None:
        self.horizon_seconds = horizon_seconds

    def process(self, batch: RowBatch) -> Iterator[Any]:
        seen = _seen_ids(self.horizon_seconds)
        fresh = seen.add([record.record_id for record in batch.records])
        records = [
            record for record, new in zip(batch.records, fresh, strict=True) if new
        ]
        if records:
            yield RowBatch(batch.dataset, batch.metadata, batch.attributes, records)


class _CountDuplicates(beam.DoFn):
    """Takes `RowBatch`; gives ledger entries of `sign` times its records."""

    def __init__(self, sign: int) -> None:
        self.sign = sign

    def start_bundle(self) -> None:
        self.tally = Tally()

    def process(self, batch: RowBatch) -> None:
        self.tally.add(batch.dataset, duplicates=self.sign * len(batch.records))

    def finish_bundle(self) -> Iterator[Any]:
        return self.tally.entries()
