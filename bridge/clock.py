"""Clock: how far this machine's clock is ahead of the queue's.

A message says until when it is locked, by the queue's clock. The SDK compares that with
the clock of this machine, and refuses to complete what seems over without asking the
queue: with a clock that is ahead by more than a lock it completes nothing, and after
five deliveries the queue gives every message up. So the end of such a lock is moved to
this machine's clock, and the queue decides.
"""

import logging
from datetime import UTC, datetime, timedelta

from azure.servicebus import ServiceBusReceivedMessage

from bridge.health import Health
from bridge.metrics import Metrics

log = logging.getLogger(__name__)

# IRIS's (https://github.com/elexon-data/iris-clients, issue 16). A lock that is over as
# the message comes does not say how long it was.
LOCK_SECONDS = 60.0
# A clock that drifts is said again when it has moved by this much.
SAID_AGAIN_SECONDS = 60.0


def lock_left_seconds(received: ServiceBusReceivedMessage, now: datetime) -> float:
    """How long the message stays locked; infinite if the queue did not say."""
    until = received.locked_until_utc
    return (until - now).total_seconds() if until else float("inf")


def align_lock(received: ServiceBusReceivedMessage, now: datetime) -> float:
    """Moves the end of a new or renewed lock to this machine's clock, if it is ahead.

    Args:
        received: A message that the queue has locked just now.
        now: The time by this machine's clock, in UTC.

    Returns:
        By how many seconds, about; 0 if the lock is not over by this clock.
    """
    left_seconds = lock_left_seconds(received, now)
    if left_seconds > 0:
        return 0.0
    end_lock(received, now + timedelta(seconds=LOCK_SECONDS))
    return LOCK_SECONDS - left_seconds


def end_lock(received: ServiceBusReceivedMessage, end: datetime) -> None:
    """Sets when the SDK treats a lock as over; it has no public way."""
    received._expiry = end


def difference_text(ahead_seconds: float) -> str:
    """What a user reads of it.

    Args:
        ahead_seconds: Negative for a clock that is behind.
    """
    way = "ahead of" if ahead_seconds > 0 else "behind"
    return f"this machine's clock is about {abs(ahead_seconds):.0f} s {way}"


class QueueClock:
    """What is known of the difference between the clocks."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = metrics
        self._health = health
        self._said_seconds = 0.0

    def now(self) -> datetime:
        """The time by the queue's clock, as far as it is known."""
        return datetime.now(UTC) - timedelta(seconds=self._health.clock_ahead_seconds)

    def arrived(self, ahead_seconds: float) -> None:
        """Notes what `align_lock` returned for a message that came.

        A lock that is over proves nothing yet: this process may have been suspended.
        """
        if not ahead_seconds:
            self._set(0.0)
            self._said_seconds = 0.0

    def proved(self, ahead_seconds: float) -> None:
        """Notes that the queue has accepted a lock that was over by this clock."""
        if not ahead_seconds:
            return
        self._set(ahead_seconds)
        if abs(ahead_seconds - self._said_seconds) >= SAID_AGAIN_SECONDS:
            self._said_seconds = ahead_seconds
            log.warning(
                f"{difference_text(ahead_seconds)} the queue's: messages are completed "
                "all the same; set it, for example with NTP"
            )

    def _set(self, ahead_seconds: float) -> None:
        self._health.clock_ahead_seconds = ahead_seconds
        self._metrics.clock_ahead.set(ahead_seconds)
