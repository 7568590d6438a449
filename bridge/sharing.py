"""Sharing: whether another client takes messages from the same queue. Pure.

Service Bus lets any number of receivers compete and delivers each message to one of
them. No receiver learns of the others, and each publishes only its share. But a queue
numbers its messages without gaps
(https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing), so a
number that never comes, although its lock has long ended, went to another client.

A dead link, a redelivery or a restart delays a number by one lock, and no more. What
expires unread, or is purged, is one hole, however wide. And a queue that has gaps of
its own proves nothing: only one that was gapless before is judged.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from bridge.in_flight import MAX_MESSAGES

# A message that went to a link of ours that was dead comes again when its lock ends;
# three locks allow for two such links in a row.
GRACE_LOCKS = 3
# A quarter of an hour of IRIS. A queue that lacks a tenth of its numbers never has this
# many in a row.
PROOF_MESSAGES = 1_000
# Only the latest messages are judged. Two bridges that overlap for a minute at a
# deployment stay below the share, which is of some hundred messages at least.
WINDOW_MESSAGES = 1_000
MIN_MESSAGES = 500
MIN_HOLES = 10
MIN_SHARE = 0.1
# Bounds the memory: a queue with more holes is numbered by other rules.
MAX_HOLES = 10_000

ADVICE = (
    "IRIS allows one client per queue: stop the other client, or create another queue "
    "for it at https://bmrs.elexon.co.uk/iris"
)


class Hole(NamedTuple):
    """Numbers from `start` to before `end` that did not come, missed since a time."""

    start: int
    end: int
    since_seconds: float


class Evidence(NamedTuple):
    """What one receive call added: new messages, and holes and numbers given up."""

    seen: int
    holes: int
    missing: int

    @property
    def size(self) -> int:
        """The number of messages, ours and those of other clients."""
        return self.seen + self.missing

    def plus(self, other: "Evidence", sign: int = 1) -> "Evidence":
        """The sum of both, or their difference."""
        return Evidence(*(a + sign * b for a, b in zip(self, other, strict=True)))


class SharingDetector:
    """Follows the sequence numbers of one queue.

    Args:
        is_gapless: Whether the queue is known to number without gaps.

    Attributes:
        is_gapless: The same, with what was learned since.
        is_shared: Whether another client takes messages.
        latest: The evidence of the latest messages.
        holes: The numbers that have not come yet, in order of number and so of time.
    """

    def __init__(self, *, is_gapless: bool = False) -> None:
        self.is_gapless = is_gapless
        self.is_shared = False
        self.latest = Evidence(0, 0, 0)  # the sum of the window
        self.holes: list[Hole] = []
        self._first = 0  # no hole since: where the proof begins
        self._next: int | None = None
        self._receive_seconds = 0.0
        self._lock_seconds = 0.0
        self._window: deque[Evidence] = deque()

    def received(
        self, numbers: Iterable[int], waited_seconds: float, lock_seconds: float
    ) -> None:
        """Notes the result of one receive call, also of an empty one.

        Args:
            numbers: Sequence numbers of the messages that came.
            waited_seconds: How long the call took. Only this time counts: a message
                can come again only while messages are asked for.
            lock_seconds: The longest lock among them.
        """
        self._receive_seconds += waited_seconds
        self._lock_seconds = max(self._lock_seconds, lock_seconds)
        seen = sum(self._note(number) for number in sorted(numbers))
        self._judge(seen)

    def warning(self) -> str:
        """The text for the log, with what to do."""
        return (
            "another client takes messages from this queue "
            f"({self.latest.missing} of the latest {self.latest.size}): {ADVICE}"
        )

    def _note(self, number: int) -> bool:
        """Notes a number; whether it has not come before."""
        if self._next is None:
            self._first = self._next = number
        if number < self._next:
            return self._fill(number)
        if number > self._next:
            self.holes.append(Hole(self._next, number, self._receive_seconds))
        self._next = number + 1
        return True

    def _fill(self, number: int) -> bool:
        """Takes a late number out of its hole; whether it was in one."""
        index = bisect_right(self.holes, number, key=lambda hole: hole.start) - 1
        if index < 0 or number >= self.holes[index].end:
            return False
        start, end, since = self.holes[index]
        rest = (Hole(start, number, since), Hole(number + 1, end, since))
        self.holes[index : index + 1] = [hole for hole in rest if hole.start < hole.end]
        return True

    def _judge(self, seen: int) -> None:
        given_up = self._give_up()
        missing = sum(min(hole.end - hole.start, MAX_MESSAGES) for hole in given_up)
        if not seen and not given_up:
            return
        part = Evidence(seen, len(given_up), missing)
        self._window.append(part)
        self.latest = self.latest.plus(part)
        while self.latest.size - self._window[0].size >= WINDOW_MESSAGES:
            self.latest = self.latest.plus(self._window.popleft(), -1)
        if self._next is not None:
            open_from = self.holes[0].start if self.holes else self._next
            self.is_gapless |= open_from - self._first >= PROOF_MESSAGES
        self.is_shared = (
            self.is_gapless
            and self.latest.holes >= MIN_HOLES
            and self.latest.size >= MIN_MESSAGES
            and self.latest.missing >= MIN_SHARE * self.latest.size
        )

    def _give_up(self) -> list[Hole]:
        """Removes and returns the holes that will not be filled any more."""
        # With a clock that is wrong by more than a lock, no lock can be judged.
        grace_seconds = GRACE_LOCKS * self._lock_seconds or math.inf
        old = sum(
            self._receive_seconds - hole.since_seconds > grace_seconds
            for hole in self.holes
        )
        old = max(old, len(self.holes) - MAX_HOLES)
        given_up, self.holes = self.holes[:old], self.holes[old:]
        if given_up:
            self._first = given_up[-1].end
        return given_up
