"""The answers: one query for a tile and selection, shared by all viewers.

Nothing is asked unless a viewer asks: after the last one has left, the tables are left
alone.
"""

import asyncio
import datetime as dt
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from command.text import one_line
from command.usage import UsageError
from dashboard.selection import Selection
from dashboard.tile import Drawing, Tile
from gb_iris.failure import NoAnswerError, ReadError

# What the local BigQuery has cores for; a project would take more.
PARALLEL = 4
# Selections of viewers who have left.
MOST_KEPT = 300
# A query that takes a second is asked at most every five seconds.
COST_FACTOR = 4
# After an error, however cheap it was.
RETRY_SECONDS = 5.0

Ask = Callable[[Tile, Selection, dt.datetime], tuple[Drawing | None, int, float]]
"""Returns the drawing (None without rows), the bytes billed, and the seconds taken."""


@dataclass(slots=True)
class Answer:
    """The state of a tile.

    Attributes:
        version: Another one for each change.
        drawing: The last good one; None before that, and without rows.
        asked: When the last good answer came; None before that.
        error: Why the last query failed; None if it did not.
        is_away: Whether BigQuery did not answer at all.
        billed_bytes: Of the last good answer.
    """

    version: int = 0
    drawing: Drawing | None = None
    asked: dt.datetime | None = None
    error: str | None = None
    is_away: bool = False
    billed_bytes: int = 0


@dataclass(slots=True)
class _Entry:
    answer: Answer = field(default_factory=Answer)
    task: "asyncio.Task[None] | None" = None
    began: float = 0.0
    news: Hashable = None
    not_before: float = 0.0
    old_at: float = 0.0


class Answers:
    """The last answer of each tile and selection.

    Attributes:
        queries: How many queries of tiles were answered.
    """

    def __init__(
        self,
        ask: Ask,
        least_seconds: Callable[[], float],
        clock: Callable[[], dt.datetime],
    ) -> None:
        """Starts with nothing.

        Args:
            ask: Runs the query of a tile; called in a thread.
            least_seconds: The least time between two queries of a tile.
            clock: Now, in UTC.
        """
        self._ask, self._least_seconds, self._clock = ask, least_seconds, clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._threads = ThreadPoolExecutor(PARALLEL, "query")
        self._versions = itertools.count(1)
        self.queries = 0

    async def get(
        self, tile: Tile, selection: Selection, news: Hashable, patience_seconds: float
    ) -> Answer:
        """The state of a tile; asks BigQuery if it is time to.

        Args:
            tile: The tile.
            selection: The values of what the tile takes.
            news: Changes when there may be new rows; None if that is not known.
            patience_seconds: How long to wait for a query that runs.
        """
        entry = self._entry(tile, selection)
        if entry.task is None and self._is_due(entry, news):
            entry.began = time.monotonic()
            entry.task = asyncio.create_task(
                self._refresh(entry, tile, selection, news)
            )
        if entry.task and patience_seconds > 0:
            await asyncio.wait({entry.task}, timeout=patience_seconds)
        return entry.answer

    def known(self, tile: Tile, selection: Selection) -> bool:
        """Whether BigQuery has answered for a tile and selection."""
        return self._entry(tile, selection).answer.asked is not None

    def waits_seconds(self, tile: Tile, selection: Selection) -> float:
        """How long a query of a tile has been waiting and running; 0 if none is."""
        entry = self._entry(tile, selection)
        return time.monotonic() - entry.began if entry.task else 0.0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _entry(self, tile: Tile, selection: Selection) -> _Entry:
        key = (tile.name, tuple(sorted(selection.items())))
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > MOST_KEPT:
            self._entries.popitem(last=False)
        return entry

    def _is_due(self, entry: _Entry, news: Hashable) -> bool:
        now = time.monotonic()
        if now < entry.not_before:
            return False
        if entry.news is None:  # it was asked before anything was known
            entry.news = news
        is_new = news is not None and news != entry.news
        return is_new or now >= entry.old_at or entry.answer.error is not None

    async def _refresh(
        self, entry: _Entry, tile: Tile, selection: Selection, news: Hashable
    ) -> None:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(
            self._threads, self._ask, tile, selection, self._clock()
        )
        pause_seconds = RETRY_SECONDS
        try:
            drawing, billed, seconds = await work
        except ReadError as error:
            self._failed(entry, str(error), is_away=isinstance(error, NoAnswerError))
        except UsageError as error:
            self._failed(entry, str(error), is_away=False)
        except Exception as error:  # noqa: BLE001 - of this tile; the others stand
            self._failed(entry, one_line(error), is_away=False)
        else:
            last = entry.answer
            same = last.asked and not last.error and last.drawing == drawing
            version = last.version if same else next(self._versions)
            entry.answer = Answer(version, drawing, self._clock(), billed_bytes=billed)
            entry.news = news
            self.queries += 1
            pause_seconds = max(self._least_seconds(), COST_FACTOR * seconds)
        finally:
            now = time.monotonic()
            entry.not_before = now + pause_seconds
            entry.old_at = now + max(tile.every_seconds, pause_seconds)
            entry.task = None

    def _failed(self, entry: _Entry, error: str, *, is_away: bool) -> None:
        """Keeps the last picture, and says what happened."""
        last = entry.answer
        if last.error != error:
            entry.answer = Answer(
                next(self._versions),
                last.drawing,
                last.asked,
                error,
                is_away,
                last.billed_bytes,
            )


def chosen(tile: Tile, selection: Mapping[str, Any]) -> Selection:
    """The part of a selection that a tile depends on."""
    return {name: selection[name] for name in tile.takes}
