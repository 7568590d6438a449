"""The ledger of a bounded run: one entry a dataset, after everything that it counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter

from pipeline.core.batches import TableRow
from pipeline.steps.ledger import merged


class GatherLedger(beam.PTransform):
    """Takes and gives `TableRow` of the ledger: one a dataset, all in one bundle.

    Each step counts for itself, and its entries alone are not balanced. Here those of
    the whole run are added up, so that each row is balanced and no kill can tear one
    from another. The rows come when every table but the ledger has been written: a run
    that is killed before that leaves no entry, and what it read is counted when it is
    read again.

    Args:
        after: What must be complete first.
    """

    def __init__(self, after: Sequence[beam.PCollection]) -> None:
        super().__init__()
        self.after = after

    def expand(self, entries: beam.PCollection) -> Any:
        """Builds the steps."""
        return (
            entries
            | "To one key" >> beam.WithKeys("ledger")
            | "Group" >> beam.GroupByKey()
            # A side input is there when what makes it has ended: that is the order.
            | "Add up" >> beam.FlatMap(_added_up, *map(AsIter, self.after))
        )


def _added_up(group: tuple[str, Iterable[TableRow]], *_after: Any) -> list[TableRow]:
    return merged(group[1], by_minute=False)
