"""What a user sees of a run: a live table on a terminal, plain lines elsewhere."""

import time
from collections import deque
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local.stack.snapshot import Snapshot
from local.stack.summary import Counts, Ledger, total

# A terminal of 24 lines holds the table and the lines around it.
SHOWN_DATASETS = 12
PLAIN_SECONDS = 5.0
# How often a line is printed while nothing changes: somebody may be watching a log.
PLAIN_IDLE_SECONDS = 60.0
RATE_WINDOW_SECONDS = 10.0


class Activity:
    """What needs several snapshots: the rate, and when a dataset was last seen."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque()
        self._messages: dict[str, int] = {}
        self.last_seen: dict[str, float] = {}

    def add(self, snapshot: Snapshot, now: float) -> None:
        """Takes in a snapshot.

        Args:
            snapshot: The newest one.
            now: Seconds on any clock that only goes forward.
        """
        for name, counts in snapshot.ledger.items():
            if counts.messages > self._messages.get(name, 0):
                self._messages[name] = counts.messages
                self.last_seen[name] = now
        self._recent.append((now, total(snapshot.ledger).messages))
        # The first one is as old as the window, or older if a snapshot takes longer
        # than that on a busy machine.
        while len(self._recent) > 1 and now - self._recent[1][0] >= RATE_WINDOW_SECONDS:
            self._recent.popleft()

    @property
    def rate(self) -> float:
        """Messages a second over the last `RATE_WINDOW_SECONDS`."""
        (start, before), (end, after) = self._recent[0], self._recent[-1]
        return (after - before) / (end - start) if end > start else 0.0


class Progress(Protocol):
    """Shows the progress of a run."""

    def say(self, text: str) -> None:
        """Prints a line that stays."""

    def show(self, snapshot: Snapshot) -> None:
        """Shows the newest snapshot, if it is time."""

    def close(self) -> None:
        """Ends the display; lines may still follow."""


class PlainProgress:
    """A line every few seconds."""

    def __init__(self) -> None:
        self._activity = Activity()
        self._shown: Counts | None = None
        self._shown_at = 0.0

    def say(self, text: str) -> None:
        print(text, flush=True)

    def show(self, snapshot: Snapshot) -> None:
        """Prints a line if it is time for one."""
        now = time.monotonic()
        self._activity.add(snapshot, now)
        counts = total(snapshot.ledger)
        due = PLAIN_IDLE_SECONDS if counts == self._shown else PLAIN_SECONDS
        if self._shown is None or now - self._shown_at >= due:
            self._shown, self._shown_at = counts, now
            self.say(f"{_clock()}  {headline(counts, self._activity.rate)}")

    def close(self) -> None:
        """Nothing to end: its lines stay."""


class LiveProgress:
    """A table that is redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._activity = Activity()
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def say(self, text: str) -> None:
        """Prints a line above the table."""
        self._live.console.print(text, markup=False, highlight=False)

    def show(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        self._activity.add(snapshot, now)
        line = headline(total(snapshot.ledger), self._activity.rate)
        table = active_table(snapshot, self._activity.last_seen, now)
        self._live.update(Group(Text(f"{_clock()}  {line}"), table), refresh=True)

    def close(self) -> None:
        self._live.stop()


def make_progress(console: Console) -> Progress:
    """The display that suits the console."""
    return LiveProgress(console) if console.is_terminal else PlainProgress()


def headline(counts: Counts, rate: float) -> str:
    return (
        f"{counts.messages:,} messages ({rate:,.0f}/s), {counts.rows:,} rows, "
        f"{counts.duplicates:,} duplicates, {counts.dead_letters:,} dead letters, "
        f"{counts.unmapped:,} unmapped"
    )


def active_table(snapshot: Snapshot, last_seen: dict[str, float], now: float) -> Table:
    """The datasets that were seen last, with the messages that are not counted yet.

    Args:
        snapshot: The newest one.
        last_seen: When each dataset's counts last grew, on the clock of `now`.
        now: Seconds.
    """
    table = _table("dataset", "messages", "rows", "dead letters", "last seen", "behind")
    latest = sorted(last_seen, key=lambda name: -last_seen[name])[:SHOWN_DATASETS]
    for name in latest:
        counts = snapshot.ledger.get(name, Counts())
        behind = max(0, (snapshot.sent or {}).get(name, 0) - counts.messages)
        table.add_row(
            Text(name),
            f"{counts.messages:,}",
            f"{counts.rows:,}",
            f"{counts.dead_letters:,}",
            f"{now - last_seen[name]:.0f} s ago",
            f"{behind:,}" if snapshot.sent is not None else "",
        )
    if hidden := len(last_seen) - len(latest):
        table.caption = f"and {hidden} more datasets"
    return table


def final_table(ledger: Ledger) -> Table:
    """The counts of the busiest datasets and the total."""
    table = _table(
        "dataset", "messages", "records", "rows", "dupl.", "dead letters", "unmapped"
    )
    busiest = sorted(ledger, key=lambda name: (-ledger[name].records, name))
    for name in busiest[:SHOWN_DATASETS]:
        table.add_row(Text(name), *_cells(ledger[name]))
    if hidden := busiest[SHOWN_DATASETS:]:
        rest = total({name: ledger[name] for name in hidden})
        table.add_row(f"{len(hidden)} more", *_cells(rest))
    table.add_section()
    table.add_row("total", *_cells(total(ledger)))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _cells(counts: Counts) -> list[str]:
    return [f"{number:,}" for number in astuple(counts)]


def _clock() -> str:
    return datetime.now(UTC).strftime("%H:%M:%SZ")
