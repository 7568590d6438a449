"""Set aside: datasets of the current round that it could not finish.

A drain acknowledges a message when everything of it is written. If one table accepts no
rows, only the messages of its dataset are left for later: this notes which, so that the
ledger does not count them yet and dedup does not take them for copies of themselves.
For a runner in this process.
"""

from collections import Counter
from collections.abc import Iterable

from pipeline.core.batches import RowBatch, TableRow
from pipeline.steps import dedup
from pipeline.steps.ledger import COUNTS


class SetAside:
    """What the current round leaves for later.

    Attributes:
        datasets: Whose messages come again, by the names in messages and registry.
        counts: What the round has counted of them.
        ledger: Rows of the ledger that the next round writes.
    """

    def __init__(self) -> None:
        self.datasets: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.ledger: list[TableRow] = []

    def rows(self, batch: RowBatch) -> None:
        """Leaves the rows of a batch for later."""
        self.datasets.add(batch.dataset)
        dedup.forget_batch(batch)

    def table_rows(self, rows: Iterable[TableRow]) -> None:
        """Leaves the messages of dead letters or unmapped messages for later.

        Rows of these messages that are stored stay known to dedup: when the messages
        come again, they are not stored twice.
        """
        self.datasets.update(row.dataset for row in rows)

    def without(self, rows: Iterable[TableRow]) -> list[TableRow]:
        """Ledger rows without those of datasets that come again."""
        kept = []
        for row in rows:
            if row.dataset in self.datasets:
                self.counts.update({name: row.values[name] for name in COUNTS})
            else:
                kept.append(row)
        return kept

    def take_ledger(self) -> list[TableRow]:
        """Returns the ledger rows that are left, and keeps none."""
        rows, self.ledger = self.ledger, []
        return rows

    def clear(self) -> None:
        """Begins a round."""
        self.datasets.clear()
        self.counts.clear()


ROUND = SetAside()
