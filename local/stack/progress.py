"""What a user sees of a run: a live table on a terminal, plain lines elsewhere."""

import signal
import time
from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from command.output import drop_output
from local.stack.keys import Keys
from local.stack.snapshot import Snapshot
from local.stack.summary import Counts, Ledger, total

# A terminal of 24 lines holds the table and the lines around it.
SHOWN_DATASETS = 12
LINES_AROUND = 10
# How often the largest are sorted: between that the rows keep their places.
SORT_SECONDS = 30.0
COLUMNS_TEXT = (
    "last seen: when a message was counted last; behind: sent, and not counted yet"
)
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


class Order:
    """The order of the rows: the largest first, but none moves twice in a moment."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._sorted_at: float | None = None

    def of(self, snapshot: Snapshot, now: float) -> list[str]:
        """All datasets of a snapshot; new ones are last until it is sorted again.

        Args:
            snapshot: The newest one.
            now: Seconds on any clock that only goes forward.
        """
        new = {*snapshot.ledger, *(snapshot.sent or {})} - {*self._names}
        if self._sorted_at is None or now - self._sorted_at >= SORT_SECONDS:
            self._names = self._largest_first(snapshot, {*self._names, *new})
            self._sorted_at = now
        else:
            self._names += self._largest_first(snapshot, new)
        return self._names

    @staticmethod
    def _largest_first(snapshot: Snapshot, names: Set[str]) -> list[str]:
        ledger = snapshot.ledger
        return sorted(names, key=lambda n: (-ledger.get(n, Counts()).messages, n))


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
        """Prints a line; if nobody reads it any more, the run ends as after Ctrl-C."""
        try:
            print(text, flush=True)
        except BrokenPipeError:
            drop_output()
            signal.raise_signal(signal.SIGTERM)

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
    """A table that is redrawn in place; what the user types searches it."""

    def __init__(self, console: Console) -> None:
        self._activity = Activity()
        self._order = Order()
        self._search = ""
        self._snapshot: Snapshot | None = None
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()
        self._keys = Keys(self._search_for)

    def say(self, text: str) -> None:
        """Prints a line above the table."""
        self._live.console.print(text, markup=False, highlight=False)

    def show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._activity.add(snapshot, time.monotonic())
        self._draw()

    def close(self) -> None:
        self._keys.close()
        self._live.stop()

    def _search_for(self, text: str) -> None:
        self._search = text
        self._draw()

    def _draw(self) -> None:
        if (snapshot := self._snapshot) is None:
            return
        now = time.monotonic()
        names = [n for n in self._order.of(snapshot, now) if self._search in n.upper()]
        shown = max(SHOWN_DATASETS, self._live.console.height - LINES_AROUND)
        line = headline(total(snapshot.ledger), self._activity.rate)
        table = live_table(snapshot, names, shown, self._activity.last_seen, now)
        lines = [COLUMNS_TEXT]
        if self._search:
            lines.append(f"datasets with {self._search} (Esc: all)")
        elif self._keys.reads:
            lines.append("type a part of a name to search")
        self._live.update(
            Group(Text(f"{_clock()}  {line}"), table, *map(Text, lines)), refresh=True
        )


def make_progress(console: Console) -> Progress:
    """The display that suits the console."""
    return LiveProgress(console) if console.is_terminal else PlainProgress()


def headline(counts: Counts, rate: float) -> str:
    return (
        f"{counts.messages:,} messages ({rate:,.0f}/s), {counts.rows:,} rows, "
        f"{counts.duplicates:,} duplicates, {counts.dead_letters:,} dead letters, "
        f"{counts.unmapped:,} unmapped"
    )


def live_table(
    snapshot: Snapshot,
    names: Sequence[str],
    shown: int,
    last_seen: Mapping[str, float],
    now: float,
) -> Table:
    """Datasets, with the messages that are not counted yet, and the total of all.

    Args:
        snapshot: The newest one.
        names: The datasets, in their order.
        shown: How many of them the table has.
        last_seen: When each dataset's counts last grew, on the clock of `now`.
        now: Seconds.
    """
    table = _table("dataset", "messages", "rows", "dead letters", "last seen", "behind")
    sent = snapshot.sent
    for name in names[:shown]:
        counts = snapshot.ledger.get(name, Counts())
        seen = last_seen.get(name)
        table.add_row(
            Text(name),
            *_live_cells(counts),
            f"{now - seen:.0f} s ago" if seen is not None else "",
            "" if sent is None else _behind(sent.get(name, 0), counts),
        )
    table.add_section()
    counts = total(snapshot.ledger)
    behind = "" if sent is None else _behind(sum(sent.values()), counts)
    table.add_row("total", *_live_cells(counts), "", behind)
    if hidden := len(names[shown:]):
        table.caption = f"and {hidden} more datasets"
    return table


def _live_cells(counts: Counts) -> list[str]:
    return [f"{n:,}" for n in (counts.messages, counts.rows, counts.dead_letters)]


def _behind(sent: int, counts: Counts) -> str:
    return f"{max(0, sent - counts.messages):,}"


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
