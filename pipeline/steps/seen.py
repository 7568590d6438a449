"""The record ids seen within the dedup horizon, in one process."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

# An id is forgotten when its whole slice of the horizon is old: the horizon is exact to
# 1/24, and forgetting costs nothing a record.
SLICES = 24
# IRIS brings about a million records a day; at some 30 bytes an id this bounds the
# memory to 150 MB whatever comes.
MAX_IDS = 5_000_000
_ID_BYTES = 16
# Ids are hashes: their first 16 bits spread them evenly.
_BUCKETS = 65_536

log = logging.getLogger(__name__)


class _Slice:
    """The ids that were new within 1/24 of the horizon.

    A bucket has its ids one after the other, 16 bytes each: a set of numbers would take
    three times the memory. An id that is found across the border of two others is as
    improbable as two records with one id.
    """

    def __init__(self, opened: float) -> None:
        self.opened = opened
        self.buckets = [b""] * _BUCKETS
        self.ids = 0


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
        self._slices = deque([_Slice(clock())])

    def __len__(self) -> int:
        return sum(each.ids for each in self._slices)

    def add(self, record_ids: list[str]) -> list[bool]:
        """Remembers ids, and returns for each whether it is new.

        Args:
            record_ids: Hexadecimal ids; one that repeats is new once.
        """
        with self._lock:
            self._turn()
            newest = self._slices[-1]
            slices = [each.buckets for each in reversed(self._slices)]
            fresh = []
            for text in record_ids:
                identity = bytes.fromhex(text)
                number = identity[0] << 8 | identity[1]
                for buckets in slices:
                    if identity in buckets[number]:
                        fresh.append(False)
                        break
                else:
                    newest.buckets[number] += identity
                    newest.ids += 1
                    fresh.append(True)
            return fresh

    def discard(self, record_ids: list[str]) -> None:
        """Forgets ids, so that each is new again."""
        with self._lock:
            for text in record_ids:
                identity = bytes.fromhex(text)
                number = identity[0] << 8 | identity[1]
                for each in self._slices:
                    known = each.buckets[number]
                    kept = b"".join(
                        known[start : start + _ID_BYTES]
                        for start in range(0, len(known), _ID_BYTES)
                        if known[start : start + _ID_BYTES] != identity
                    )
                    each.ids -= (len(known) - len(kept)) // _ID_BYTES
                    each.buckets[number] = kept

    def _turn(self) -> None:
        """Opens a new slice when the newest is full-grown; drops those too old."""
        now, newest = self._clock(), self._slices[-1]
        # A backlog fills the memory within the time of one slice.
        is_full = newest.ids * SLICES >= self._max_ids
        if is_full or now - newest.opened >= self._slice_seconds:
            self._slices.append(_Slice(now))
        # The youngest id of a slice is one slice younger than the slice.
        while now - self._slices[0].opened >= self._slice_seconds * (SLICES + 1):
            self._slices.popleft()
        while len(self._slices) > 1 and len(self) > self._max_ids:
            log.warning(
                "dedup forgets ids before --dedup_horizon_hours: over %d of them",
                self._max_ids,
            )
            self._slices.popleft()
