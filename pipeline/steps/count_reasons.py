"""Counts what does not become a row in a bounded run, by reason and dataset."""

from collections import Counter
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter

from pipeline.core.batches import TableRow
from pipeline.core.reasons import UNMAPPED, Reasons

METRICS = "reasons"


class CountReasons(beam.PTransform):
    """`TableRow` of dead letters or unmapped messages to the same, counted."""

    def expand(self, rows: beam.PCollection[TableRow]) -> beam.PCollection[TableRow]:
        return rows | "Count" >> beam.Map(_counted)


def _counted(row: TableRow) -> TableRow:
    reason, dataset = row.values.get("reason", UNMAPPED), row.values.get("dataset")
    Metrics.counter(METRICS, f"{reason} {dataset or 'unknown'}").inc()
    return row


def reasons_of(result: Any) -> Reasons:
    """The reasons of a pipeline that has ended, from Beam's metrics."""
    found = result.metrics().query(MetricsFilter().with_namespace(METRICS))
    reasons: Counter[tuple[str, str]] = Counter()
    for counter in found["counters"]:
        reason, _, dataset = counter.key.metric.name.partition(" ")
        reasons[reason, dataset] += counter.committed
    return reasons
