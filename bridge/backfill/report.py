"""Tally: what became of every message of a backfill, per dataset. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from command.text import printable

# Columns in the order of the report, by the name of their count.
COLUMNS = {
    "listed": "in archive",
    "in_tables": "in tables",
    "before": "published before",
    "fetched": "fetched",
    "published": "published",
    "empty": "empty",
    "gone": "gone",
    "failed": "failed",
}
MAX_COMPLAINTS = 20


class Tally:
    """Counts by name and dataset.

    Attributes:
        bytes_published: Body bytes, as sent.
        complaints: What went wrong, one line each, the first ones only.
    """

    def __init__(self, listed: str = COLUMNS["listed"]) -> None:
        """Counts nothing yet; `listed` heads the column of what a source has."""
        self._titles = COLUMNS | {"listed": listed}
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.bytes_published = 0
        self.complaints: list[str] = []
        self.unsaid = 0

    def add(self, name: str, dataset: str, amount: int = 1) -> None:
        """Raises one of `COLUMNS` for a dataset."""
        self._counts[dataset][name] += amount

    def complain(self, name: str, dataset: str, text: str) -> None:
        """Counts a message that could not be had, and keeps the reason."""
        self.add(name, dataset)
        if len(self.complaints) < MAX_COMPLAINTS:
            self.complaints.append(text)
        else:
            self.unsaid += 1

    def total(self, name: str) -> int:
        """A count over all datasets."""
        return sum(counts[name] for counts in self._counts.values())

    def table(self, columns: Sequence[str] = ()) -> Iterator[str]:
        """The report, line by line, with totals.

        Args:
            columns: Names to show even where nothing was counted.
        """
        shown = [
            name for name in COLUMNS if name in ("listed", *columns) or self.total(name)
        ]
        rows = [
            [
                printable(dataset),
                *(f"{self._counts[dataset][name]:,}" for name in shown),
            ]
            for dataset in sorted(self._counts)
        ]
        rows.append(["total", *(f"{self.total(name):,}" for name in shown)])
        rows.insert(0, ["dataset", *(self._titles[name] for name in shown)])
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        for first, *cells in rows:
            numbers = zip(cells, widths[1:], strict=True)
            yield "  ".join(
                [first.ljust(widths[0]), *(c.rjust(width) for c, width in numbers)]
            )
