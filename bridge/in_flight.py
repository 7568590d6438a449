"""Hand: messages received and not yet settled, and the rules for holding them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from azure.servicebus import ServiceBusReceivedMessage

from bridge.envelope import Envelope

# All in hand comes again after a crash. While the queue is full, that is two batches,
# one of them with Pub/Sub; larger ones would hardly be faster.
MAX_MESSAGES = 500
MAX_BATCH_MESSAGES = 250
# Bodies are in memory about three times (AMQP frame, message, publish request), and
# the process itself takes 90 MB.
MAX_BATCH_BYTES = 4_500_000
MAX_HAND_BYTES = 10_000_000
# Sizes are known only once received: the first may be one of 11 MB.
FIRST_MESSAGES = 1
GROWTH = 4

# A lock is renewed once less than this share of its time is left, or earlier if
# renewing all that is held, one after another, takes longer than half of that.
RENEW_SHARE = 0.5
MAX_RENEW_SHARE = 0.9


@dataclass(eq=False, slots=True)
class Held:
    """One received message.

    Attributes:
        envelope: What is to be published; None once Pub/Sub has it, or for a message
            that can never be published.
        body_bytes: The size of its body as received.
        lock_seconds: How long the lock was for when the message came.
        refusal: Why it can never be published.
        is_lost: Whether the lock is lost: the message comes again, nothing to settle.
        is_tried: Whether it was tried to settle: it may be settled without our knowing.
        is_sent: Whether it has been handed to the publisher.
        is_refused: Whether Pub/Sub refuses it: it is held, and nobody waits for it.
    """

    message: ServiceBusReceivedMessage
    envelope: Envelope | None
    body_bytes: int
    lock_seconds: float
    refusal: str | None = None
    is_lost: bool = False
    is_tried: bool = False
    is_sent: bool = False
    is_refused: bool = False

    @property
    def is_published(self) -> bool:
        """Whether Pub/Sub has it."""
        return self.envelope is None and self.refusal is None

    @property
    def is_ready(self) -> bool:
        """Whether it is to be settled now: completed, or dead-lettered."""
        return self.envelope is None and not self.is_lost


def due_for_renewal(
    hand: Iterable[Held], now: datetime, renew_seconds: float
) -> list[Held]:
    """What must be renewed now, the next to expire first.

    Args:
        hand: All that is held. What is published is completed instead: that costs the
            same round trip.
        now: The time, in UTC.
        renew_seconds: What one renewal takes.
    """
    waiting = [held for held in hand if held.envelope and not held.is_lost]
    all_seconds = 2 * len(waiting) * renew_seconds
    due = []
    for held in waiting:
        margin_seconds = min(
            max(RENEW_SHARE * held.lock_seconds, all_seconds),
            MAX_RENEW_SHARE * held.lock_seconds,
        )
        left_seconds = lock_left_seconds(held.message, now)
        if left_seconds < margin_seconds:
            due.append((left_seconds, held))
    return [held for _, held in sorted(due, key=lambda pair: pair[0])]


def lock_left_seconds(message: ServiceBusReceivedMessage, now: datetime) -> float:
    """How long the message stays locked; infinite if the queue did not say."""
    until = message.locked_until_utc
    return (until - now).total_seconds() if until else float("inf")


def has_room(hand: Sequence[Held], batch: int) -> bool:
    """Whether so many more messages fit beside what is held."""
    held_bytes = sum(held.body_bytes for held in hand)
    is_light = held_bytes <= MAX_HAND_BYTES - MAX_BATCH_BYTES
    return is_light and len(hand) + batch <= MAX_MESSAGES


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
