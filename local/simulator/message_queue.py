"""One Service Bus queue in memory: peek-lock, delivery counts, dead letters.

Pure state, without network or clock: methods that depend on time have an argument
`now`, in seconds since the epoch.

It behaves as an Azure Service Bus queue without sessions (learn.microsoft.com, "Message
transfers, locks, and settlement"): a lock belongs to its token, not to the connection
that received it. So it outlives a dropped link, and ends only by settlement or by time.
"""

import heapq
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_BACKLOG_MESSAGES = 2_000
"""Enough to keep a consumer of thousands of messages a second from waiting."""

MAX_BACKLOG_BYTES = 32_000_000
"""A few of the largest messages seen on IRIS (11 MB), or 2,000 usual ones."""

NO_TOKEN = uuid.UUID(int=0)


class Outcome(StrEnum):
    """What a consumer decided; the value is the name of its counter."""

    COMPLETE = "completed"
    ABANDON = "abandoned"
    RELEASE = "released"
    DEFER = "deferred"
    DEAD_LETTER = "deadlettered"


@dataclass(slots=True)
class Entry:
    """A message in a queue and what has happened to it there.

    Attributes:
        sequence: Position in the queue, from 1; kept in the dead-letter queue.
        content: The message itself, opaque to the queue.
        size_bytes: Its approximate size, for the backlog limit.
        enqueued_seconds: When it was enqueued, seconds since the epoch.
        delivery_count: Deliveries that ended without a settlement (abandoned or
            expired): 0 at the first delivery.
        token: The latest lock; all zeros before the first.
        locked_until_seconds: End of the lock, seconds since the epoch; 0 while
            it is not locked.
        dead_letter: Reason and description as application properties; empty until
            the message is dead-lettered.
    """

    sequence: int
    content: Any
    size_bytes: int
    enqueued_seconds: float
    delivery_count: int = 0
    token: uuid.UUID = NO_TOKEN
    locked_until_seconds: float = 0.0
    dead_letter: dict[str, str] = field(default_factory=dict)


class MessageQueue:
    """A queue with peek-lock; messages that fail too often go to `dead_letters`.

    Attributes:
        number_step: The step between sequence numbers: 1 as in Service Bus; more as if
            a filter had removed some messages after they were numbered.
    """

    def __init__(
        self,
        name: str,
        lock_seconds: float = 60.0,
        max_deliveries: int = 5,
        dead_letters: "MessageQueue | None" = None,
    ) -> None:
        self.name = name
        self.lock_seconds = lock_seconds
        self.max_deliveries = max_deliveries
        self.dead_letters = dead_letters
        self.number_step = 1
        self.counts: Counter[str] = Counter()
        self._last_number = 0
        self._ready: list[tuple[int, Entry]] = []  # a heap: oldest sequence first
        self._ready_bytes = 0
        self._locked: dict[uuid.UUID, Entry] = {}
        self._deferred: dict[int, Entry] = {}

    def has_room(self) -> bool:
        """Whether the backlog is below its limits, so that more may be put."""
        return (
            len(self._ready) < MAX_BACKLOG_MESSAGES
            and self._ready_bytes < MAX_BACKLOG_BYTES
        )

    def put(self, content: object, size_bytes: int, now: float) -> Entry:
        """Appends a new message; returns its entry."""
        self.counts["enqueued"] += 1
        self._last_number += self.number_step
        entry = Entry(self._last_number, content, size_bytes, now)
        self._make_ready(entry)
        return entry

    def take(self, now: float) -> Entry | None:
        """Locks the oldest ready message; None if there is none."""
        if not self._ready:
            return None
        _, entry = heapq.heappop(self._ready)
        self._ready_bytes -= entry.size_bytes
        self.counts["delivered"] += 1
        self._lock(entry, now)
        return entry

    def take_deferred(self, sequence: int, now: float) -> Entry | None:
        """Locks one deferred message; None if that number is not deferred."""
        entry = self._deferred.pop(sequence, None)
        if entry is not None:
            self.counts["delivered"] += 1
            self._lock(entry, now)
        return entry

    def settle(
        self,
        token: uuid.UUID,
        outcome: Outcome,
        now: float,
        reason: str | None = None,
        description: str | None = None,
    ) -> bool:
        """Ends a lock with `outcome`; returns False if the lock is lost."""
        entry = self._locked.get(token)
        if entry is None or entry.locked_until_seconds <= now:
            return False
        self._unlock(entry)
        if outcome is Outcome.DEFER:
            self._deferred[entry.sequence] = entry
            return True
        if outcome is Outcome.DEAD_LETTER:
            self._dead_letter(entry, reason, description)
            return True
        self.counts[outcome] += 1
        if outcome is Outcome.ABANDON:
            self._fail(entry)
        elif outcome is Outcome.RELEASE:
            self._make_ready(entry)
        return True

    def renew(self, token: uuid.UUID, now: float) -> float | None:
        """Restarts a lock's time; returns its new end, or None if the lock is lost."""
        entry = self._locked.get(token)
        if entry is None or entry.locked_until_seconds <= now:
            return None
        self.counts["renewed"] += 1
        entry.locked_until_seconds = now + self.lock_seconds
        return entry.locked_until_seconds

    def expire(self, now: float) -> int:
        """Unlocks every message whose lock has ended; returns how many."""
        expired = [e for e in self._locked.values() if e.locked_until_seconds <= now]
        for entry in expired:
            self._unlock(entry)
            self.counts["lock_expired"] += 1
            self._fail(entry)
        return len(expired)

    def peek(self, from_sequence: int, limit: int) -> list[Entry]:
        """The first `limit` messages from a sequence number on, locked ones too."""
        candidates = (e for e in self._entries() if e.sequence >= from_sequence)
        return heapq.nsmallest(limit, candidates, key=lambda entry: entry.sequence)

    def oldest(self) -> int | None:
        """The lowest sequence number on the queue, locked ones too; None if empty."""
        return min((entry.sequence for entry in self._entries()), default=None)

    def stats(self) -> dict[str, int]:
        """Messages on the queue now, and counts since the start."""
        totals = ("enqueued", "delivered", "completed", "abandoned", "released")
        losses = ("deadlettered", "lock_expired", "renewed")
        return {
            "ready": len(self._ready),
            "locked": len(self._locked),
            "deferred": len(self._deferred),
            **{name: self.counts[name] for name in totals + losses},
        }

    def _entries(self) -> Iterator[Entry]:
        yield from (entry for _, entry in self._ready)
        yield from self._locked.values()
        yield from self._deferred.values()

    def _make_ready(self, entry: Entry) -> None:
        heapq.heappush(self._ready, (entry.sequence, entry))
        self._ready_bytes += entry.size_bytes

    def _lock(self, entry: Entry, now: float) -> None:
        entry.token = uuid.uuid4()
        entry.locked_until_seconds = now + self.lock_seconds
        self._locked[entry.token] = entry

    def _unlock(self, entry: Entry) -> None:
        del self._locked[entry.token]
        entry.locked_until_seconds = 0.0

    def _fail(self, entry: Entry) -> None:
        """Counts a failed delivery; after the last one allowed, a dead letter."""
        entry.delivery_count += 1
        if entry.delivery_count < self.max_deliveries or self.dead_letters is None:
            self._make_ready(entry)
            return
        description = f"Message could not be consumed after {entry.delivery_count}"
        self._dead_letter(
            entry, "MaxDeliveryCountExceeded", f"{description} delivery attempts."
        )

    def _dead_letter(
        self, entry: Entry, reason: str | None, description: str | None
    ) -> None:
        """Moves a message to the dead-letter queue; there, it stays on that queue."""
        stated = {
            "DeadLetterReason": reason,
            "DeadLetterErrorDescription": description,
        }
        entry.dead_letter = {name: text for name, text in stated.items() if text}
        self.counts["deadlettered"] += 1
        target = self.dead_letters or self
        if target is not self:
            target.counts["enqueued"] += 1
        target._make_ready(entry)
