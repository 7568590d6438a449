"""Sharing: whether another client takes messages from the same queue. Pure.

Service Bus lets any number of receivers compete and gives each message to one of them:
none is told of the other, and each publishes only its share. What shows is the numbers.
A queue numbers its messages without gaps
(https://learn.microsoft.com/azure/service-bus-messaging/message-sequencing), so a
number that never comes, although its lock has long ended, went to somebody else.

A dead link, a redelivery or a restart delays a number by one lock, and no more. What
expires unread, or is purged, is one hole, however wide. And a queue that turns out to
have gaps of its own proves nothing: only one that was gapless before is judged.
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
# A quarter of an hour of IRIS. A queue with gaps in a tenth of its numbers has no such
# stretch without one.
PROOF_MESSAGES = 1_000
# What is judged, of the latest. Two bridges that overlap at a deployment for a minute
# stay below the share, as that is of some hundred messages at least.
WINDOW_MESSAGES = 1_000
MIN_MESSAGES = 500
MIN_HOLES = 10
MIN_SHARE = 0.1
# Memory is bounded: that many would be a queue that is numbered by other rules.
MAX_HOLES = 10_000

ADVICE = (
    "IRIS is for one client a queue: stop the other one, or make it a queue of its own "
    "at https://bmrs.elexon.co.uk/iris"
)


class Hole(NamedTuple):
    """Numbers from `start` to before `end` that did not come, missed since a time."""

    start: int
    end: int
    since_seconds: float


class Judged(NamedTuple):
    """What one receive call added: messages new to us, holes and numbers given up."""

    seen: int
    holes: int
    missing: int

    @property
    def size(self) -> int:
        """The messages that it is about, ours and theirs."""
        return self.seen + self.missing

    def plus(self, other: "Judged", sign: int = 1) -> "Judged":
        """The sum of both, or their difference."""
        return Judged(*(a + sign * b for a, b in zip(self, other, strict=True)))


class Sharing:
    """Follows the sequence numbers of one queue.

    Args:
        is_gapless: Whether the queue is known to number without gaps.

    Attributes:
        is_gapless: The same, as learned since.
        is_shared: Whether somebody else takes messages.
    """

    def __init__(self, *, is_gapless: bool = False) -> None:
        self.is_gapless = is_gapless
        self.is_shared = False
        self._first = 0  # no hole since: where the proof begins
        self._next: int | None = None
        self._holes: list[Hole] = []  # by number, and so by time
        self._heard_seconds = 0.0
        self._lock_seconds = 0.0
        self._window: deque[Judged] = deque()
        self._latest = Judged(0, 0, 0)  # the sum of the window

    def heard(
        self, numbers: Iterable[int], waited_seconds: float, lock_seconds: float
    ) -> None:
        """Takes note of one receive call, an empty one too.

        Args:
            numbers: Sequence numbers of the messages that came.
            waited_seconds: How long the call took. Only such time counts: while
                nothing is asked for, nothing can come again.
            lock_seconds: The longest lock among them.
        """
        self._heard_seconds += waited_seconds
        self._lock_seconds = max(self._lock_seconds, lock_seconds)
        seen = sum(self._note(number) for number in sorted(numbers))
        self._judge(seen)

    def notice(self) -> str:
        """What to say of it, with what to do."""
        return (
            "another client takes messages from this queue "
            f"({self._latest.missing} of the latest {self._latest.size}): {ADVICE}"
        )

    def _note(self, number: int) -> bool:
        """Whether this number has not come before."""
        if self._next is None:
            self._first = self._next = number
        if number < self._next:
            return self._fill(number)
        if number > self._next:
            self._holes.append(Hole(self._next, number, self._heard_seconds))
        self._next = number + 1
        return True

    def _fill(self, number: int) -> bool:
        """Closes the hole that a late number leaves; the rest of it stays open."""
        index = bisect_right(self._holes, number, key=lambda hole: hole.start) - 1
        if index < 0 or number >= self._holes[index].end:
            return False
        start, end, since = self._holes[index]
        rest = (Hole(start, number, since), Hole(number + 1, end, since))
        self._holes[index : index + 1] = [
            hole for hole in rest if hole.start < hole.end
        ]
        return True

    def _judge(self, seen: int) -> None:
        given_up = self._give_up()
        missing = sum(min(hole.end - hole.start, MAX_MESSAGES) for hole in given_up)
        if not seen and not given_up:
            return
        part = Judged(seen, len(given_up), missing)
        self._window.append(part)
        self._latest = self._latest.plus(part)
        while self._latest.size - self._window[0].size >= WINDOW_MESSAGES:
            self._latest = self._latest.plus(self._window.popleft(), -1)
        if self._next is not None:
            open_from = self._holes[0].start if self._holes else self._next
            self.is_gapless |= open_from - self._first >= PROOF_MESSAGES
        self.is_shared = (
            self.is_gapless
            and self._latest.holes >= MIN_HOLES
            and self._latest.size >= MIN_MESSAGES
            and self._latest.missing >= MIN_SHARE * self._latest.size
        )

    def _give_up(self) -> list[Hole]:
        """Takes out the holes that will not be filled any more."""
        # A clock that is wrong by more than a lock says nothing of locks.
        grace_seconds = GRACE_LOCKS * self._lock_seconds or math.inf
        old = sum(
            self._heard_seconds - hole.since_seconds > grace_seconds
            for hole in self._holes
        )
        old = max(old, len(self._holes) - MAX_HOLES)
        given_up, self._holes = self._holes[:old], self._holes[old:]
        if given_up:
            self._first = given_up[-1].end
        return given_up
