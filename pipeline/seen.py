"""The record ids seen within the dedup horizon, in one process."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

# An id is forgotten when its whole slice of the horizon is old: the horizon is exact to
# 1/24, and forgetting costs nothing a record.
SLICES = 24
# IRIS brings about a million records a day; at some 100 bytes an id this bounds the
# memory to half a gigabyte whatever comes.
MAX_IDS = 5_000_000

_log = logging.getLogger(__name__)


class SeenIds:
    """A set of ids that forgets each one after the horizon.

    Args:
        horizon_seconds: How long an id is remembered from when it was new, at least.
        clock: Seconds, monotonic.
        max_ids: Beyond this the oldest slice is forgotten early.
    """

    def __init__(
        self,
        horizon_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        max_ids: int = MAX_IDS,
    ) -> None:
        self._slice_seconds = horizon_seconds / SLICES
        self._clock = clock
        self._max_ids = max_ids
        self._lock = threading.Lock()
        self._slices: deque[tuple[float, set[int]]] = deque([(clock(), set())])

    def __len__(self) -> int:
        return sum(len(ids) for _, ids in self._slices)

    def add(self, record_ids: list[str]) -> list[bool]:
        """Remembers ids and tells for each whether it is new.

        Args:
            record_ids: Hexadecimal ids; one that repeats is new once.
        """
        with self._lock:
            self._turn()
            newest = self._slices[-1][1]
            older = [ids for _, ids in self._slices if ids is not newest]
            fresh = []
            for text in record_ids:
                number = int(text, 16)
                known = number in newest or any(number in ids for ids in older)
                if not known:
                    newest.add(number)
                fresh.append(not known)
            return fresh

    def _turn(self) -> None:
        """Opens a new slice when the newest is full-grown; drops those too old."""
        now = self._clock()
        opened, newest = self._slices[-1]
        # A backlog fills the memory within the time of one slice.
        is_full = len(newest) * SLICES >= self._max_ids
        if is_full or now - opened >= self._slice_seconds:
            self._slices.append((now, set()))
        # The youngest id of a slice is one slice younger than the slice.
        while now - self._slices[0][0] >= self._slice_seconds * (SLICES + 1):
            self._slices.popleft()
        while len(self._slices) > 1 and len(self) > self._max_ids:
            _log.warning("dedup horizon cut short: over %d ids", self._max_ids)
            self._slices.popleft()
