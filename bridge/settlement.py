"""Settlement: completes and dead-letters messages on the queue, and renews locks.

Only the task that owns the receiver may call it: the SDK allows no concurrent use of
one, except completes on a healthy link.
"""

import asyncio
import logging
import time
from collections.abc import Sequence, Set
from datetime import UTC, datetime, timedelta

from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.exceptions import MessageAlreadySettled, MessageLockLostError

from bridge.clock import QueueClock, align_lock, end_lock, lock_left_seconds
from bridge.health import Health
from bridge.in_flight import (
    MAX_BATCH_MESSAGES,
    InFlight,
    due_for_renewal,
)
from bridge.iris_queue import OUTCOME_SECONDS
from bridge.metrics import Metrics
from command.text import one_line

log = logging.getLogger(__name__)

# Short against the lock of 60 s: when the link drops, waiting completes only tear down
# each other's connection.
COMPLETE_SECONDS = 3.0
# How many completes run at once: a batch. Each reads frames until its own answer has
# come, and meets those of all others, so that the work grows with the square: on a slow
# machine 500 at once sometimes took more than the three seconds above. The last ones
# wait for nothing, so that fewer cost time, too: on loopback 1,460 messages/s with 250,
# 1,315 with 200 (measured in turns).
CONCURRENT_MESSAGES = MAX_BATCH_MESSAGES
# One by one they take a round trip each; locks are renewed in between.
CAREFUL_MESSAGES = 50

# The SDK looks at its clock right before it asks the queue.
ASKED_WITHIN = timedelta(seconds=OUTCOME_SECONDS)

REFUSAL_REASON = "NotPublishable"
DEAD_LETTERED = "message dead-lettered on the queue"  # an alert looks for this text


class SettleError(Exception):
    """Completes failed or were late: their outcome is unknown, the client must go."""


class Settlement:
    """Settles messages in flight, through the receivers of one session after another.

    Args:
        in_flight: All messages in flight, as the relay keeps them; what is settled is
            removed.
    """

    def __init__(
        self,
        in_flight: list[InFlight],
        metrics: Metrics,
        health: Health,
        clock: QueueClock,
    ) -> None:
        self._in_flight = in_flight
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._renew_seconds = 0.0

    async def settle(
        self, receiver: ServiceBusReceiver, carried: Set[InFlight]
    ) -> None:
        """Completes what is published, dead-letters what can never be.

        Args:
            receiver: The receiver of this session.
            carried: What was received in an earlier session. It is settled by requests
                on the management link, which must not be concurrent.

        Raises:
            SettleError: Some stay in flight, and this session cannot be used again.
        """
        lost = [x for x in self._in_flight if x.is_lock_lost and not x.envelope]
        self._remove(lost)
        ready = [message for message in self._in_flight if message.is_ready]
        is_carried = not carried.isdisjoint(ready)
        size = 1 if is_carried else CONCURRENT_MESSAGES
        if is_carried:
            ready = ready[:CAREFUL_MESSAGES]
        for start in range(0, len(ready), size):
            group = ready[start : start + size]
            await self._settle_together(receiver, group, is_carried=is_carried)
            self._health.turn()

    async def _settle_together(
        self,
        receiver: ServiceBusReceiver,
        group: Sequence[InFlight],
        *,
        is_carried: bool,
    ) -> None:
        settling = [self._settle_one(receiver, x, is_carried=is_carried) for x in group]
        tasks = dict(zip(map(asyncio.create_task, settling), group, strict=True))
        done, late = await asyncio.wait(tasks, timeout=COMPLETE_SECONDS)
        for task in late:
            task.cancel()
        if late:
            ended = asyncio.gather(*late, return_exceptions=True)  # whatever their end
            await asyncio.wait([ended], timeout=COMPLETE_SECONDS)
        failed = {task for task in done if task.exception()}
        self._remove([tasks[task] for task in done - failed])
        if late or failed:
            causes = [one_line(error) for task in failed if (error := task.exception())]
            raise SettleError(
                f"of {len(group)} completes {len(late)} were late, {len(failed)} failed"
                f" {causes[:1]}"
            )

    async def _settle_one(
        self, receiver: ServiceBusReceiver, message: InFlight, *, is_carried: bool
    ) -> None:
        was_tried, message.is_tried = message.is_tried, True
        received, now = message.received, datetime.now(UTC)
        is_locked = lock_left_seconds(received, now) > 0
        if not is_locked:  # by a clock that may be wrong: the queue is asked
            end_lock(received, now + ASKED_WITHIN)
        try:
            await self._complete(receiver, message)
            self._health.settled()
            self._clock.proved(message.clock_ahead_seconds)
        except (MessageLockLostError, MessageAlreadySettled) as error:
            # Nothing is left to settle. What the link itself says has a cause inside;
            # without one it is the answer of the management link, which the SDK asks
            # within the same call when the first link is lost before it answers.
            cause = getattr(error, "inner_exception", None)
            was_tried |= cause is None and not is_carried
            is_unseen = was_tried and is_locked
            self._metrics.add("settled_unseen" if is_unseen else "lock_lost")
            if not is_unseen:
                self._health.lost()

    async def _complete(self, receiver: ServiceBusReceiver, message: InFlight) -> None:
        """Completes it; dead-letters what can never be published."""
        received = message.received
        if message.refusal is None:
            await receiver.complete_message(received)
            self._metrics.add("completed")
            return
        await receiver.dead_letter_message(
            received, reason=REFUSAL_REASON, error_description=message.refusal
        )
        self._metrics.add("queue_dead_lettered")
        fields = {"message_id": received.message_id, "reason": message.refusal}
        log.error(DEAD_LETTERED, extra={"fields": fields})

    def _remove(self, settled: Sequence[InFlight]) -> None:
        if settled:
            gone = set(settled)
            self._in_flight[:] = [x for x in self._in_flight if x not in gone]

    async def renew(self, receiver: ServiceBusReceiver) -> None:
        """Renews the locks that are due, one by one: concurrent requests fail."""
        now = datetime.now(UTC)
        for message in due_for_renewal(self._in_flight, now, self._renew_seconds):
            if message.is_published:  # in the meantime
                continue
            started = time.monotonic()
            try:
                await receiver.renew_message_lock(message.received)
                self._metrics.add("renewed")
                ahead_seconds = align_lock(message.received, datetime.now(UTC))
                message.clock_ahead_seconds = ahead_seconds
                self._clock.proved(ahead_seconds)
            except MessageLockLostError:
                message.is_lock_lost = True
                self._metrics.add("lock_lost")
                self._health.lost()
            self._renew_seconds = time.monotonic() - started
            self._health.turn()
