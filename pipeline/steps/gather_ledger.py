"""The ledger of a bounded run: written after everything that it counts."""

from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter

from pipeline.core.batches import TableRow
from pipeline.steps.ledger import merged, without_minutes
from pipeline.steps.set_aside import ROUND


class GatherLedger(beam.PTransform):
    """`TableRow` of the ledger to one a dataset and minute, all in one bundle.

    Each step counts for itself, and its entries alone are not balanced. Here the
    entries of the whole run are added up, so that each row is balanced and a kill
    cannot separate them. The rows come when every table but the ledger has been
    written: a run that is killed before that leaves no entry, and its messages are
    counted when they are read again.

    Args:
        after: The outputs that must be complete first.
        by_minute: Whether rows are by the minute in which Pub/Sub received the message;
            otherwise there is one a dataset. Files have no such minute; those of the
            raw archive had one, long ago. A load job does not say which row is of which
            message, so that the row of a minute would not be balanced.
    """

    def __init__(
        self, after: Sequence[beam.PCollection], *, by_minute: bool = True
    ) -> None:
        super().__init__()
        self.after = after
        self.by_minute = by_minute

    def expand(self, entries: beam.PCollection[TableRow]) -> beam.PCollection[TableRow]:
        return (
            entries
            | "To one key" >> beam.WithKeys("ledger")
            | "Group" >> beam.GroupByKey()
            # Beam waits for the end of a side input: that makes the order.
            | "Add up"
            >> beam.FlatMap(_added_up, self.by_minute, *map(AsIter, self.after))
        )


def _added_up(
    group: tuple[str, Iterable[TableRow]], by_minute: bool, *_after: Any
) -> list[TableRow]:
    rows = group[1] if by_minute else without_minutes(group[1])
    return ROUND.without(merged(rows, by=("window_start",)))
