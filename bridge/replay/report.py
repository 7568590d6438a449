"""Report: what is held, by dataset and reason, and what the replay has done."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bridge.replay import held
from bridge.replay.held import Planned, Replay
from command.text import printable, table

UNREADABLE = "UNREADABLE"  # of the pipeline's reasons, the one for files
COLUMNS = (
    *("chosen", "published", "already rows", "in flight", "failed again"),
    *("unknown dataset", "no payload"),
)
# A message that a replay could open is rows, or its failed records are held themselves.
_STATES = {
    "ROW": "already rows",
    "OPENED": "already rows",
    "REPLAYED": "in flight",
    "FAILED_AGAIN": "failed again",
    "UNKNOWN_DATASET": "unknown dataset",
    "WAITING": "waiting",
}


@dataclass
class Report:
    """Counts of what is held and of what has been done.

    Attributes:
        counts: By dataset, reason and column of `COLUMNS`.
        twins: Letters left out because another letter has the same record.
        too_large: Messages that only a drain can process, and that are not named.
        left: Messages in flight that are not sent once more.
        refused: Messages that Pub/Sub refused.
        notes: What else the user should know, one line each.
    """

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    twins: int = 0
    too_large: int = 0
    left: int = 0
    refused: int = 0
    notes: list[str] = field(default_factory=list)

    def counted(self, plan: Iterable[Planned]) -> Iterator[Planned]:
        """Passes the plan on, and counts it."""
        for each in plan:
            row = self._row(each.dataset, each.reason)
            row["chosen"] += each.chosen
            row[_STATES[each.state]] += 1
            if each.absent and each.state not in ("ROW", "OPENED"):
                row["no payload"] += 1
            elif not each.chosen:
                self.left += each.state == held.IN_FLIGHT
                if each.state in held.FAILED:
                    is_large = each.reason == held.TOO_LARGE
                    self.too_large += is_large
                    self.twins += not is_large
            yield each

    def add_published(self, replays: Iterable[Replay]) -> None:
        """Counts what Pub/Sub has received."""
        for replay in replays:
            self._row(replay.row["dataset"], replay.row["reason"])["published"] += 1

    def _row(self, dataset: str | None, reason: str) -> Counter[str]:
        return self.counts.setdefault((dataset or "unknown", reason), Counter())

    def total(self, column: str) -> int:
        """The sum of a column of `COLUMNS`."""
        return sum(row[column] for row in self.counts.values())

    def show(self, *, is_dry_run: bool) -> None:
        """Prints the table, and what to do about the rest."""
        if not self.counts:
            print("no dead letter or unmapped message matches")
            return
        for line in (*self._table(), *self._advice(is_dry_run=is_dry_run)):
            print(line)

    def _table(self) -> Iterator[str]:
        rows = [["dataset", "reason", *COLUMNS]]
        for (dataset, reason), row in sorted(self.counts.items()):
            figures = [f"{row[column]:,}" for column in COLUMNS]
            rows.append([printable(dataset), printable(reason), *figures])
        rows.append(["total", "", *(f"{self.total(name):,}" for name in COLUMNS)])
        return table(rows, left=2)

    def _advice(self, *, is_dry_run: bool) -> Iterator[str]:
        """A line for each kind of message that is not published, or not a row yet."""
        if is_dry_run:
            yield (
                f"{self.total('chosen'):,} would be published; nothing was (--dry-run)"
            )
        if self.twins:
            yield f"{self.twins:,} have the same record as another one, which is enough"
        if self.too_large:
            yield (
                f"{self.too_large:,} are too large for a stream on Dataflow: publish "
                f"them for a drain, with --reason {held.TOO_LARGE} "
                "(docs/dead-letters.md, Large messages)"
            )
        if self.left:
            yield (
                f"{self.left:,} were replayed before and are not rows yet: when the "
                "pipeline has caught up, --again sends them once more"
            )
        if unknown := self.total("unknown dataset"):
            yield (
                f"{unknown:,} are of datasets that are not in the registry: "
                "`python -m sql drift` shows them"
            )
        yield from self._advice_without_payload()
        if published := self.total("published"):
            yield (
                f"{published:,} are in Pub/Sub: when the pipeline has received them, "
                "iris_held shows what became of each"
            )
        if self.refused:
            yield f"{self.refused:,} were refused by Pub/Sub: see above"
        yield from self.notes

    def _advice_without_payload(self) -> Iterator[str]:
        files = (row for (_, why), row in self.counts.items() if why == UNREADABLE)
        if unreadable := sum(row["no payload"] for row in files):
            yield (
                f"{unreadable:,} are unreadable files: `error` in iris_held "
                "names them, `python -m pipeline --files` reads them again"
            )
        if absent := self.total("no payload") - unreadable:
            yield (
                f"{absent:,} were too large for a row, and are in the raw archive: "
                "`python -m pipeline --files` with the archive's files of that dataset "
                "and hour makes rows of them"
            )
