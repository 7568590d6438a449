"""The pulse: which datasets have new messages, by one small query of the ledger.

Tiles ask again when there is something new for them, and say when it came.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple

from dashboard.warehouse import Warehouse
from gb_iris.failure import ReadError
from pipeline.registry import Dataset, load_registry
from sql.working_days import working_time

# As far back as the slowest dataset with a cadence, over the longest holiday.
LOOKBACK = dt.timedelta(days=10)
# A dataset is late after two of its cadences. Messages gather values: FREQ, a sample
# every 15 seconds, comes every two minutes.
LATE_CADENCES = 2
GATHERED = dt.timedelta(minutes=3)


class Beat(NamedTuple):
    """What the ledger says of a dataset.

    Attributes:
        messages: How many were counted.
        newest: When IRIS queued the newest; None if that is not known.
    """

    messages: int
    newest: dt.datetime | None


class Freshness(NamedTuple):
    """How fresh a tile is.

    Attributes:
        newest: When the newest message of its datasets was queued; None if not known.
        late: What is late, for the reader; empty if nothing is.
    """

    newest: dt.datetime | None
    late: str


class Pulse:
    """The ledger's last counts, shared by all tiles and viewers."""

    def __init__(
        self,
        warehouse: Warehouse,
        least_seconds: Callable[[], float],
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._warehouse = warehouse
        self._least_seconds, self._clock = least_seconds, clock
        self._beats: dict[str, Beat] | None = None
        self._not_before, self._began = 0.0, 0.0
        self._task: asyncio.Task[None] | None = None

    async def look(self, patience_seconds: float) -> None:
        """Asks the ledger again if it is time to.

        Args:
            patience_seconds: How long to wait for the answer.
        """
        if self._task is None and time.monotonic() >= self._not_before:
            self._began = time.monotonic()
            self._task = asyncio.create_task(self._refresh())
        if self._task:
            await asyncio.wait({self._task}, timeout=patience_seconds)

    def waits_seconds(self) -> float:
        """How long its query has been running; 0 if none is."""
        return time.monotonic() - self._began if self._task else 0.0

    def news(self, datasets: Iterable[str]) -> Hashable:
        """Changes with each message of the datasets; None if nothing is known."""
        if self._beats is None:
            return None
        return tuple(self._beats.get(name) for name in datasets)

    def freshness(self, datasets: Iterable[str], now: dt.datetime) -> Freshness:
        """How fresh the rows of some datasets are.

        One that the ledger does not name is not late: its rows may be from files.
        """
        beats = self._beats or {}
        registry = load_registry()
        known = [
            (registry[name], newest)
            for name in datasets
            if (beat := beats.get(name)) and (newest := beat.newest)
        ]
        late = [
            _late_text(dataset, newest, now)
            for dataset, newest in known
            if _is_late(dataset, newest, now)
        ]
        newest = max((newest for _, newest in known), default=None)
        return Freshness(newest, "; ".join(late))

    async def _refresh(self) -> None:
        try:
            with contextlib.suppress(ReadError):  # the tiles say what is wrong
                self._beats = await asyncio.to_thread(self._ask)
        finally:
            self._not_before = time.monotonic() + self._least_seconds()
            self._task = None

    def _ask(self) -> dict[str, Beat]:
        since = self._clock() - LOOKBACK
        found = self._warehouse.ask("pulse.sql", {"from_utc": since})
        return {
            row["dataset"]: Beat(row["messages"], row["newest"]) for row in found.rows
        }


def _is_late(dataset: Dataset, newest: dt.datetime, now: dt.datetime) -> bool:
    cadence = dataset.cadence_seconds
    if not cadence:
        return False
    working = dataset.published.working_days_only
    age = working_time(newest, now) if working else now - newest
    lag = dt.timedelta(seconds=dataset.published.lag_seconds)
    return age > LATE_CADENCES * dt.timedelta(seconds=cadence) + GATHERED + lag


def _late_text(dataset: Dataset, newest: dt.datetime, now: dt.datetime) -> str:
    cadence = dt.timedelta(seconds=dataset.cadence_seconds or 0)
    return (
        f"{dataset.name} is late: its newest message is {_span(now - newest)} old, and "
        f"it has a value every {_span(cadence)}"
    )


def _span(span: dt.timedelta) -> str:
    """`15 seconds`, `30 minutes`, `5 hours`, `2 days`."""
    seconds = span.total_seconds()
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length or seconds == length:
            count = round(seconds / length)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds:.0f} seconds"
