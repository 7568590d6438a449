"""In flight: messages received and not yet settled, and how many may be. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from azure.servicebus import ServiceBusReceivedMessage

from bridge.clock import lock_left_seconds
from bridge.envelope import Envelope

# The queue delivers all of these again after a crash. While the queue is full they are
# two batches, one of them on its way to Pub/Sub; larger ones would hardly be faster.
MAX_MESSAGES = 500
MAX_BATCH_MESSAGES = 250
# Bodies are in memory about three times (AMQP frame, message, publish request), and
# the process itself takes 90 MB.
MAX_BATCH_BYTES = 4_500_000
MAX_BYTES = 10_000_000
# Sizes are known only once received: the first may be one of 11 MB.
FIRST_MESSAGES = 1
GROWTH = 4

# A lock is renewed once less than this share of its time is left, or earlier if
# renewing all locks, one after another, takes longer than half of that.
RENEW_SHARE = 0.5
MAX_RENEW_SHARE = 0.9


@dataclass(eq=False, slots=True)
class InFlight:
    """One message in flight.

    Attributes:
        received: The message as the queue delivered it.
        envelope: What to publish; None once Pub/Sub has it, or for a message that can
            never be published.
        body_bytes: The size of its body as received.
        lock_seconds: How long the lock was for when the message came.
        clock_ahead_seconds: How far this machine's clock was ahead of the queue's, as
            far as the lock shows it.
        refusal: Why it can never be published.
        is_lock_lost: The queue delivers the message again; there is nothing to settle.
        is_tried: It was tried to settle it, perhaps successfully without our knowing.
        is_sent: It has been passed to the publisher.
        is_refused: Pub/Sub refuses it. It stays in flight, and nothing waits for it.
    """

    received: ServiceBusReceivedMessage
    envelope: Envelope | None
    body_bytes: int
    lock_seconds: float
    clock_ahead_seconds: float = 0.0
    refusal: str | None = None
    is_lock_lost: bool = False
    is_tried: bool = False
    is_sent: bool = False
    is_refused: bool = False

    @property
    def is_published(self) -> bool:
        """Whether Pub/Sub has it."""
        return self.envelope is None and self.refusal is None

    @property
    def is_ready(self) -> bool:
        """Whether it can be settled now: completed, or dead-lettered."""
        return self.envelope is None and not self.is_lock_lost

    @property
    def origin(self) -> tuple[str, str]:
        """Its dataset and when it was queued; empty texts if not known."""
        attributes = self.envelope.attributes if self.envelope else {}
        return attributes.get("dataset", ""), attributes.get("enqueued_time", "")


def due_for_renewal(
    in_flight: Iterable[InFlight], now: datetime, renew_seconds: float
) -> list[InFlight]:
    """The messages whose locks must be renewed now, the next to expire first.

    Published messages are left out: to complete one costs the same round trip.

    Args:
        in_flight: All messages in flight.
        now: The time, in UTC.
        renew_seconds: What one renewal takes.
    """
    waiting = [x for x in in_flight if x.envelope and not x.is_lock_lost]
    all_seconds = 2 * len(waiting) * renew_seconds
    due = []
    for message in waiting:
        margin_seconds = min(
            max(RENEW_SHARE * message.lock_seconds, all_seconds),
            MAX_RENEW_SHARE * message.lock_seconds,
        )
        left_seconds = lock_left_seconds(message.received, now)
        if left_seconds < margin_seconds:
            due.append((left_seconds, message))
    return [message for _, message in sorted(due, key=lambda pair: pair[0])]


def has_room(in_flight: Sequence[InFlight], batch: int) -> bool:
    """Whether a batch of this many messages may be received, too."""
    used_bytes = sum(message.body_bytes for message in in_flight)
    is_light = used_bytes <= MAX_BYTES - MAX_BATCH_BYTES
    return is_light and len(in_flight) + batch <= MAX_MESSAGES


def next_batch(asked: int, received: int, received_bytes: int) -> int:
    """How many messages to ask for next.

    As many of the mean size as fit into `MAX_BATCH_BYTES`, growing by no more than
    `GROWTH` times, since the next ones may be larger.

    Args:
        asked: How many were asked for this time.
        received: How many came, at least 1.
        received_bytes: The size of their bodies.
    """
    fitting = MAX_BATCH_BYTES * received // max(received_bytes, 1)
    return max(1, min(MAX_BATCH_MESSAGES, asked * GROWTH, fitting))
