"""The plan of a service's stream before rows and ledger gathered in state.

Kept for the comparison only. Dedup was Beam's own, with two counts of records because
Beam does not report what it drops. Every bundle wrote its rows, and its entries of the
ledger.
"""

import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.deduplicate import DeduplicatePerKey
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import Duration

from pipeline.core.batches import RowBatch, TableRow
from pipeline.core.decoding import utc_now
from pipeline.steps.decode import DecodeMessages
from pipeline.steps.ledger import COUNTS
from pipeline.steps.write_rows import Inserter, WriteRows, WriteTable

HORIZON_SECONDS = 24 * 3600


def build_before(
    pipeline: beam.Pipeline, source: beam.PTransform, inserter: Inserter
) -> None:
    """Adds the steps to a pipeline."""
    decoded = pipeline | "Read" >> source | "Decode" >> DecodeMessages()
    keyed = decoded.rows | "Key by record id" >> beam.FlatMap(
        _by_record_id
    ).with_output_types(tuple[str, Any])
    horizon = Duration(seconds=HORIZON_SECONDS)
    unique = (
        keyed
        | "Keep the first" >> DeduplicatePerKey(processing_time_duration=horizon)
        | beam.Values()
    )
    before = decoded.rows | "Count before" >> beam.ParDo(_CountDuplicates(+1))
    after = unique | "Count after" >> beam.ParDo(_CountDuplicates(-1))
    written = unique | "Write rows" >> WriteRows(inserter)
    entries = (decoded.ledger, before, after, written.ledger)
    tables = {
        "iris_dead_letters": (decoded.dead_letters, written.dead_letters),
        "iris_unmapped": (decoded.unmapped,),
        "iris_ledger": entries,
    }
    for table, rows in tables.items():
        together = rows | f"To {table}" >> beam.Flatten()
        _ = together | f"Write {table}" >> WriteTable(table, inserter)


def _by_record_id(batch: RowBatch) -> Iterator[tuple[str, RowBatch]]:
    for record in batch.records:
        yield record.record_id, batch.only([record])


class _CountDuplicates(beam.DoFn):  # type: ignore[misc]
    """`RowBatch` to ledger entries of `sign` times its records."""

    def __init__(self, sign: int) -> None:
        self.sign = sign

    def start_bundle(self) -> None:
        self.counts: Counter[str] = Counter()

    def process(self, batch: RowBatch) -> None:
        self.counts[batch.dataset] += self.sign * len(batch.records)

    def finish_bundle(self) -> Iterator[Any]:
        minute = f"{utc_now()[:16]}:00Z"
        for dataset, count in self.counts.items():
            entry_id = uuid.uuid4().hex
            values: dict[str, Any] = dict.fromkeys(COUNTS, 0)
            values |= {"entry_id": entry_id, "minute_utc": minute, "dataset": dataset}
            values["duplicates"] = count
            row = TableRow(dataset, entry_id, values)
            yield GlobalWindows.windowed_value(row)
