"""Report: what became of every message of a backfill, by dataset."""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from command.text import printable, size_text, table

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
MAX_PROBLEMS = 20


class Report:
    """Counts by name and dataset.

    Attributes:
        bytes_published: Body bytes, as sent.
        problems: What went wrong, one line each, the first ones only.
        more_problems: The number of those that `problems` leaves out.
    """

    def __init__(self, listed: str = COLUMNS["listed"]) -> None:
        """Counts nothing yet; `listed` is the heading of what the source has."""
        self._titles = COLUMNS | {"listed": listed}
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.bytes_published = 0
        self.problems: list[str] = []
        self.more_problems = 0

    def add(self, name: str, dataset: str, amount: int = 1) -> None:
        """Increases one of `COLUMNS` for a dataset."""
        self._counts[dataset][name] += amount

    def add_problem(self, name: str, dataset: str, text: str) -> None:
        """Counts a message that could not be published, and keeps the reason."""
        self.add(name, dataset)
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)
        else:
            self.more_problems += 1

    def total(self, name: str) -> int:
        """A count over all datasets."""
        return sum(counts[name] for counts in self._counts.values())

    def table(self, columns: Sequence[str] = ()) -> Iterator[str]:
        """The counts, line by line, with totals.

        Args:
            columns: Names to show even if nothing was counted.
        """
        shown = [
            name for name in COLUMNS if name in ("listed", *columns) or self.total(name)
        ]
        yield from table(
            [
                ["dataset", *(self._titles[name] for name in shown)],
                *(
                    [printable(dataset), *(f"{counts[name]:,}" for name in shown)]
                    for dataset, counts in sorted(self._counts.items())
                ),
                ["total", *(f"{self.total(name):,}" for name in shown)],
            ]
        )

    def progress(self, seconds: float) -> str:
        """How far the backfill is, in one line."""
        counts = ", ".join(
            f"{self.total(name):,} {name}"
            for name in ("listed", "fetched", "published")
        )
        return (
            f"{seconds:.0f} s: {counts}, {size_text(self.bytes_published)}, "
            f"{self.total('published') / seconds:.0f}/s"
        )

    def show(self, seconds: float, *, missing: bool, dry_run: bool) -> None:
        """Prints the table on standard output, all else on standard error."""
        columns = ["in_tables"] if missing else []
        if not dry_run:
            columns.append("published")
        for line in self.table(columns):
            print(line)
        for problem in self.problems:
            say(problem)
        if self.more_problems:
            say(f"and {self.more_problems:,} more")
        if not dry_run:
            size = size_text(self.bytes_published)
            count = self.total("published")
            say(f"published {count:,} messages, {size}, in {seconds:.0f} s")


def say(text: str) -> None:
    """Prints a line for the user on standard error."""
    print(printable(text), file=sys.stderr, flush=True)
