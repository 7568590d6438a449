"""The queue of one subscription: who holds which message until when.

It needs no gRPC, threads or clock: times are arguments, in seconds of any monotonic
clock.

The rule that keeps every message: each one in the store is either after the cursor (it
waits) or has a lease (a puller holds it). A lease ends with an acknowledgement, which
deletes the message, or with a failure (refused, or out of time), which moves it to the
end of the store, after the cursor again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from local.pubsub.message_store import MessageStore, Stored

# Clients of an emulator have gRPC's limit of 4 MiB a response.
MAX_RESPONSE_BYTES = 4_000_000
# What a response adds to a message: ack id, delivery attempt, tags and lengths.
ENVELOPE_BYTES = 64
# The service returns no more in one response, whatever the client asks for.
MAX_RESPONSE_MESSAGES = 1000


@dataclass
class Holder:
    """A puller with its flow control: how much it may hold, and holds, at once.

    Attributes:
        max_messages: Most messages held at once; 0 or less means no limit (as in
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
        """Whether a message of that size may be added."""
        if self.max_messages > 0 and self.messages >= self.max_messages:
            return False
        return (
            self.max_bytes <= 0
            or self.messages == 0
            or self.bytes + size_bytes <= self.max_bytes
        )

    def hold(self, size_bytes: int) -> None:
        self.messages += 1
        self.bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        self.messages -= 1
        self.bytes -= size_bytes


@dataclass(slots=True)
class Lease:
    """One delivered message: its holder, and until when."""

    deadline: float
    holder: Holder
    size_bytes: int


class SubscriptionQueue:
    """Delivers the backlog of one subscription, each message until it is acknowledged.

    A failed message is delivered again after all that wait now, so that a bad message
    delays no other. Ordering keys are ignored. Memory grows with the messages that are
    held, never with the backlog.
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
        """Starts again with all messages that nobody holds, after a rollback."""
        self._cursor = 0

    def acknowledge(self, positions: Iterable[int]) -> None:
        """Deletes messages that are held, or were held when the server last stopped.

        After the end of a lease its position names nothing: the message has moved.
        """
        positions = list(positions)
        self._store.delete(self._name, positions)
        for position in positions:
            self._release(position)

    def extend(self, positions: Iterable[int], deadline: float) -> None:
        for position in positions:
            if lease := self._leases.get(position):
                lease.deadline = deadline

    def give_back(
        self, positions: Iterable[int], dead_letter: Callable[[Stored], bool]
    ) -> None:
        """Ends failed deliveries: each message waits again, or becomes a dead letter.

        Args:
            positions: Messages that were held; others are ignored.
            dead_letter: Forwards a message that has failed too often and returns True;
                with False it is delivered again.
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
        """Returns the messages held past their deadline, for `give_back`."""
        return [at for at, lease in self._leases.items() if lease.deadline <= now]

    def next_deadline(self) -> float | None:
        """Returns when the first lease ends, or None if nothing is held."""
        return min((lease.deadline for lease in self._leases.values()), default=None)

    def _release(self, position: int) -> None:
        if lease := self._leases.pop(position, None):
            lease.holder.release(lease.size_bytes)
