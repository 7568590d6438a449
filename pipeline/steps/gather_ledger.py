"""The ledger of a bounded run: one entry a dataset, after everything that it counts."""

from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter

from pipeline.core.batches import TableRow
from pipeline.steps.ledger import merged
from pipeline.steps.set_aside import ROUND


class GatherLedger(beam.PTransform):
    """`TableRow` of the ledger to one a dataset, all in one bundle.

    Each step counts for itself, and its entries alone are not balanced. Here the
    entries of the whole run are added up, so that each row is balanced and a kill
    cannot separate them. The rows come when every table but the ledger has been
    written: a run that is killed before that leaves no entry, and its messages are
    counted when they are read again.

    Args:
        after: The outputs that must be complete first.
    """

    def __init__(self, after: Sequence[beam.PCollection]) -> None:
        super().__init__()
        self.after = after

    def expand(self, entries: beam.PCollection[TableRow]) -> beam.PCollection[TableRow]:
        return (
            entries
            | "To one key" >> beam.WithKeys("ledger")
            | "Group" >> beam.GroupByKey()
            # Beam waits for the end of a side input: that makes the order.
            | "Add up" >> beam.FlatMap(_added_up, *map(AsIter, self.after))
        )


def _added_up(group: tuple[str, Iterable[TableRow]], *_after: Any) -> list[TableRow]:
    return ROUND.without(merged(group[1], by_minute=False))
