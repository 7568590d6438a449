"""The queue of one subscription: who holds which message until when.

Nothing here knows gRPC, threads or the clock: every moment comes in as an argument, in
seconds of any monotonic clock.

The rule that keeps every message: each one in the store either lies behind the cursor
(it waits) or has a lease (a puller holds it). A lease ends by an acknowledgement, which
takes the message from the store, or by a failure (refused, or out of time), which moves
it to the end of the store, behind the cursor again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from local.pubsub.message_store import MessageStore, Stored

# Clients that talk to an emulator keep gRPC's limit of 4 MiB a response.
MAX_RESPONSE_BYTES = 4_000_000
# What a response adds to a message: ack id, delivery attempt, tags and lengths.
ENVELOPE_BYTES = 64
# The service gives no more in one response, whatever the client asks for.
MAX_RESPONSE_MESSAGES = 1000


@dataclass
class Holder:
    """A puller with its flow control: how much it may hold, and holds, at once.

    Attributes:
        max_messages: Most messages held at once; 0 or less is no limit (as in
            `StreamingPullRequest.max_outstanding_messages`).
        max_bytes: The same for bytes. One message may exceed it.
        messages: Messages held now.
        bytes: Bytes held now.
    """

    max_messages: int = 0
    max_bytes: int = 0
    messages: int = 0
    bytes: int = 0

    def admits(self, size_bytes: int) -> bool:
        """Tells whether a message of that size may be added."""
        if self.max_messages > 0 and self.messages >= self.max_messages:
            return False
        return (
            self.max_bytes <= 0
            or self.messages == 0
            or self.bytes + size_bytes <= self.max_bytes
        )

    def hold(self, size_bytes: int) -> None:
        """Counts a message in."""
        self.messages += 1
        self.bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Counts a message out."""
        self.messages -= 1
        self.bytes -= size_bytes


@dataclass(slots=True)
class Lease:
    """One delivered message: until when it is whose."""

    deadline: float
    holder: Holder
    size_bytes: int


class SubscriptionQueue:
    """Delivers the backlog of one subscription, each message until it is acknowledged.

    A failed message is tried again after all that wait now, so that one bad message
    holds up no other. Ordering keys are not honoured. Memory grows with the messages
    that are held, never with the backlog.
    """

    def __init__(self, name: str, store: MessageStore) -> None:
        self._name = name
        self._store = store
        self._leases: dict[int, Lease] = {}
        self._cursor = 0

    def take(self, holder: Holder, max_messages: int, deadline: float) -> list[Stored]:
        """Leases the next messages to a holder, as many as one response may carry."""
        taken: list[Stored] = []
        room_bytes = MAX_RESPONSE_BYTES
        limit = min(max_messages, MAX_RESPONSE_MESSAGES)
        for stored in self._store.read(self._name, self._cursor):
            if len(taken) == limit:
                break
            if stored.position in self._leases:  # passed again after a `rewind`
                continue
            size_bytes = len(stored.message)
            room_bytes -= size_bytes + ENVELOPE_BYTES
            if (taken and room_bytes < 0) or not holder.admits(size_bytes):
                break
            holder.hold(size_bytes)
            self._leases[stored.position] = Lease(deadline, holder, size_bytes)
            self._cursor = stored.position
            taken.append(stored)
        return taken

    def rewind(self) -> None:
        """Looks again at all that nobody holds: the store has undone a change."""
        self._cursor = 0

    def acknowledge(self, positions: Iterable[int]) -> None:
        """Forgets messages that are held, or that were when the server last stopped.

        A position whose lease ran out names nothing any more: the message has moved.
        """
        positions = list(positions)
        self._store.delete(self._name, positions)
        for position in positions:
            self._release(position)

    def extend(self, positions: Iterable[int], deadline: float) -> None:
        """Moves the deadline of messages that are held."""
        for position in positions:
            if lease := self._leases.get(position):
                lease.deadline = deadline

    def give_back(
        self, positions: Iterable[int], dead_letter: Callable[[Stored], bool]
    ) -> None:
        """Ends failed deliveries: each message waits again, or becomes a dead letter.

        Args:
            positions: Messages that were held; others are left alone.
            dead_letter: Forwards a message that has been tried often enough and says
                True; False lets it be tried again.
        """
        for position in positions:
            if position not in self._leases:
                continue
            stored = self._store.get(position)
            if stored is None or dead_letter(stored):
                self._store.delete(self._name, [position])
            else:
                self._store.retry(position)
            self._release(position)

    def expired(self, now: float) -> list[int]:
        """Returns what is held past its deadline, to be given back."""
        return [at for at, lease in self._leases.items() if lease.deadline <= now]

    def next_deadline(self) -> float | None:
        """Returns when the first lease ends, or None when nothing is held."""
        return min((lease.deadline for lease in self._leases.values()), default=None)

    def _release(self, position: int) -> None:
        if lease := self._leases.pop(position, None):
            lease.holder.release(lease.size_bytes)
