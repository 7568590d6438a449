"""Relay: the loop that takes messages from the queue to Pub/Sub, and loses none.

One task owns the receiver, because the SDK stands no concurrent use but completes on a
healthy link. It receives a batch, publishes all of it, and completes what Pub/Sub has
acknowledged. While the queue is full it receives the next batch meanwhile; while
Pub/Sub is slow or down it renews the locks, one after another. It never abandons: five
deliveries and the queue gives a message up. After any error the client is replaced and
the messages in hand are carried into the next session.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from datetime import UTC, datetime

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.exceptions import MessageAlreadySettled, MessageLockLostError
from google.api_core.exceptions import InvalidArgument

from bridge import envelope, iris_queue, publisher
from bridge.absence import Watch
from bridge.health import Health
from bridge.in_flight import (
    FIRST_MESSAGES,
    MAX_BATCH_MESSAGES,
    MAX_MESSAGES,
    Held,
    due_for_renewal,
    has_room,
    lock_left_seconds,
    next_batch,
)
from bridge.metrics import Metrics
from bridge.settings import Settings
from bridge.sharing import Sharing
from command.text import one_line

log = logging.getLogger("bridge")

RECEIVE_SECONDS = 2.0
# One call to a queue that does not answer; a healthy receive ends after 2 s.
CALL_SECONDS = 20.0
# Short against the lock of 60 s: when the link drops, waiting completes only tear down
# each other's connection.
COMPLETE_SECONDS = 3.0
# How many completes are in flight: a batch. Each reads frames until its own answer has
# come, and meets those of all others, so that the work grows with the square: on a slow
# machine 500 at once sometimes took more than the three seconds above. The last ones
# wait for nothing, so that fewer cost time, too: on loopback 1,460 messages/s with 250,
# 1,315 with 200 (measured in turns).
SETTLE_MESSAGES = MAX_BATCH_MESSAGES
# One by one they take a round trip each; locks are looked after in between.
CAREFUL_MESSAGES = 50
PUBLISH_WAIT_SECONDS = 0.5
# Elexon sends a message a second. A link that died without a word looks like silence.
MAX_SILENCE_SECONDS = 300.0

FIRST_DELAY_SECONDS = 0.2
MAX_SESSION_DELAY_SECONDS = 30.0
# With messages in hand, whose locks last 60 s.
MAX_HOLDING_DELAY_SECONDS = 5.0
# A session that lasted this long was a good one: the next may begin at once.
STEADY_SECONDS = 30.0
# A request every other second costs nobody anything, and ends an outage early.
MAX_PUBLISH_DELAY_SECONDS = 2.0

REFUSAL_REASON = "NotPublishable"


class SettleError(Exception):
    """Completes failed or were late: their outcome is unknown, the client is to go."""


class Relay:
    """Everything between one queue and one topic."""

    def __init__(
        self, settings: Settings, metrics: Metrics, health: Health, watch: Watch
    ) -> None:
        """Makes the Pub/Sub client; call it inside the running loop.

        Raises:
            UsageError: There are no Google credentials.
        """
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._watch = watch
        self._sharing = Sharing(is_gapless=watch.reading.is_gapless)
        self._publisher = publisher.Publisher(settings.topic, settings.emulator_host)
        self._stopping = asyncio.Event()
        self._hand: list[Held] = []
        self._publishing: set[asyncio.Task[None]] = set()
        self._batch = FIRST_MESSAGES
        self._is_queue_full = False
        self._renew_seconds = 0.0

    def stop(self) -> None:
        """Lets `run` end as soon as nothing is in hand."""
        self._stopping.set()

    async def run(self) -> None:
        """Relays until stopped, through any failure of the queue or of Pub/Sub."""
        delays = _delays(MAX_SESSION_DELAY_SECONDS)
        try:
            while self._hand or not self._stopping.is_set():
                started = time.monotonic()
                try:
                    await self._session()
                except Exception as error:  # noqa: BLE001 - whatever it was, go on
                    self._session_failed(error)
                    if time.monotonic() - started > STEADY_SECONDS:
                        delays = _delays(MAX_SESSION_DELAY_SECONDS)
                    await self._pause(next(delays))
        finally:
            await self._end_publishing()

    def _session_failed(self, error: Exception) -> None:
        self._metrics.add("session_failures")
        fields = {
            "error": self._health.failed(error),
            "advice": iris_queue.advice(error),
            "in_hand": len(self._hand),
        }
        log.warning("session failed; opening a new one", extra={"fields": fields})

    async def _pause(self, seconds: float) -> None:
        """Waits, less long while locks run out; a stop with empty hands ends it."""
        if self._hand:
            await asyncio.sleep(min(seconds, MAX_HOLDING_DELAY_SECONDS))
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _session(self) -> None:
        async with iris_queue.session(self._settings) as receiver:
            self._metrics.add("sessions")
            log.info("session opened", extra={"fields": {"carried": len(self._hand)}})
            self._health.session_open = True
            self._watch.opened(datetime.now(UTC))
            try:
                await self._turns(receiver)
            finally:
                self._health.session_open = False

    async def _turns(self, receiver: ServiceBusReceiver) -> None:
        """Turns until there is nothing left to do, or the link has been silent."""
        carried = set(self._hand)
        heard = time.monotonic()
        while time.monotonic() - heard < MAX_SILENCE_SECONDS:
            self._health.turn()
            if self._hand:
                heard = time.monotonic()
                self._begin_publishing()
                await self._settle(receiver, carried)
                await self._renew(receiver)
            if not self._hand and self._stopping.is_set():
                return
            is_receiving = self._takes_more(carried)
            if is_receiving:
                await self._receive(receiver)
            await self._await_publishing(0.0 if is_receiving else PUBLISH_WAIT_SECONDS)

    def _takes_more(self, carried: Set[Held]) -> bool:
        """Whether to receive, be it while the batch before is being published.

        Nothing waits for what Pub/Sub refuses: that may take days.
        """
        if not self._hand:
            return True
        others = [held for held in self._hand if not held.is_refused]
        is_wanted = self._is_queue_full or not others
        if self._stopping.is_set() or not is_wanted or not carried.isdisjoint(others):
            return False
        return has_room(self._hand, self._asked())

    def _asked(self) -> int:
        """How many messages to ask for; what Pub/Sub refuses takes up room."""
        refused = sum(held.is_refused for held in self._hand)
        return max(1, min(self._batch, MAX_MESSAGES - refused))

    async def _receive(self, receiver: ServiceBusReceiver) -> None:
        started = time.monotonic()
        asked = self._asked()
        async with asyncio.timeout(CALL_SECONDS):
            messages = await receiver.receive_messages(asked, RECEIVE_SECONDS)
        waited_seconds = time.monotonic() - started
        now = datetime.now(UTC)
        batch = [self._hold(message, now) for message in messages]
        self._hand += batch
        self._is_queue_full = len(batch) == asked
        self._watch_numbers(batch, waited_seconds)
        if not batch:
            if not self._hand:
                self._watch.found_empty(now)
            return
        self._watch.received(_queued(held) for held in batch)
        received_bytes = sum(held.body_bytes for held in batch)
        self._batch = next_batch(asked, len(batch), received_bytes)
        self._health.last_message = now
        self._metrics.last_message.set(now.timestamp())
        self._metrics.in_hand.set(len(self._hand))

    def _watch_numbers(self, batch: Sequence[Held], waited_seconds: float) -> None:
        """Says when somebody else begins to take messages."""
        numbers = [held.message.sequence_number for held in batch]
        lock_seconds = max((held.lock_seconds for held in batch), default=0.0)
        self._sharing.heard(
            [number for number in numbers if number], waited_seconds, lock_seconds
        )
        self._watch.reading.is_gapless = self._sharing.is_gapless
        is_shared = self._sharing.is_shared
        if is_shared and not self._health.queue_shared:
            log.warning(self._sharing.notice())
        self._health.queue_shared = is_shared
        self._metrics.queue_shared.set(is_shared)

    def _hold(self, message: ServiceBusReceivedMessage, now: datetime) -> Held:
        self._metrics.add_received(str(message.subject or envelope.UNKNOWN_DATASET))
        body = envelope.body_bytes(message.body)
        held = Held(message, None, len(body), lock_left_seconds(message, now))
        try:
            held.envelope = envelope.seal(message, body)
        except envelope.UnpublishableError as error:
            held.refusal = str(error)
        return held

    # Publishing: tasks that end when Pub/Sub has the messages. They touch no receiver.

    def _begin_publishing(self) -> None:
        """Sees to it that all in hand is being published."""
        waiting = [held for held in self._hand if held.envelope and not held.is_sent]
        sizes = [held.envelope.size_bytes for held in waiting if held.envelope]
        for part in publisher.requests(sizes):
            chunk = waiting[part.start : part.stop]
            for held in chunk:
                held.is_sent = True
            self._publishing.add(asyncio.create_task(self._deliver(chunk)))

    async def _await_publishing(self, seconds: float) -> None:
        """Waits so long for what is being published; forgets what has been."""
        if self._publishing:
            done, self._publishing = await asyncio.wait(
                self._publishing, timeout=seconds
            )
            for task in done:
                task.result()  # the task catches everything: an error is a bug, say so

    async def _deliver(self, chunk: Sequence[Held]) -> None:
        """Publishes until Pub/Sub has all; what it refuses is tried message by message.

        So one message that Pub/Sub does not like costs its neighbours nothing.
        """
        envelopes = [held.envelope for held in chunk if held.envelope]
        for delay_seconds in _delays(MAX_PUBLISH_DELAY_SECONDS):
            started = time.monotonic()
            try:
                await self._publisher.publish(envelopes)
                break
            except Exception as error:  # noqa: BLE001 - whatever it was, hold and retry
                self._publish_failed(error)
                if isinstance(error, InvalidArgument):
                    if len(chunk) > 1:
                        await asyncio.gather(*(self._deliver([held]) for held in chunk))
                        return
                    chunk[0].is_refused = True
            await asyncio.sleep(delay_seconds)
        self._metrics.publish_seconds.observe(time.monotonic() - started)
        self._metrics.add("published", len(chunk))
        self._metrics.add("published_bytes", sum(len(one.data) for one in envelopes))
        for held in chunk:
            self._watch.reading.note_published(*_queued(held))
            held.envelope = None

    async def _end_publishing(self) -> None:
        for task in self._publishing:
            task.cancel()
        await asyncio.gather(*self._publishing, return_exceptions=True)
        await self._publisher.close()

    def _publish_failed(self, error: Exception) -> None:
        self._metrics.add("publish_failures")
        fields = {
            "error": self._health.failed(error),
            "advice": publisher.advice(error, self._settings.topic),
            "in_hand": len(self._hand),
        }
        log.warning("publish failed; trying again", extra={"fields": fields})

    # Settling and renewing: only ever from the task that owns the receiver.

    async def _settle(self, receiver: ServiceBusReceiver, carried: Set[Held]) -> None:
        """Completes what is published, dead-letters what can never be.

        Args:
            receiver: The receiver of this session.
            carried: What was received in an earlier session. It is settled by requests
                on the management link, which must not be concurrent.

        Raises:
            SettleError: Some stay in hand, and this session is no good any more.
        """
        self._drop([held for held in self._hand if held.is_lost and not held.envelope])
        ready = [held for held in self._hand if held.is_ready]
        is_carried = not carried.isdisjoint(ready)
        size = 1 if is_carried else SETTLE_MESSAGES
        if is_carried:
            ready = ready[:CAREFUL_MESSAGES]
        for start in range(0, len(ready), size):
            group = ready[start : start + size]
            await self._settle_together(receiver, group, is_carried=is_carried)
            self._health.turn()

    async def _settle_together(
        self, receiver: ServiceBusReceiver, group: Sequence[Held], *, is_carried: bool
    ) -> None:
        if not group:
            return
        settling = [self._settle_one(receiver, x, is_carried=is_carried) for x in group]
        tasks = dict(zip(map(asyncio.create_task, settling), group, strict=True))
        done, late = await asyncio.wait(tasks, timeout=COMPLETE_SECONDS)
        for task in late:
            task.cancel()
        if late:
            ended = asyncio.gather(*late, return_exceptions=True)  # whatever their end
            await asyncio.wait([ended], timeout=COMPLETE_SECONDS)
        failed = {task for task in done if task.exception()}
        self._drop([tasks[task] for task in done - failed])
        if late or failed:
            causes = [one_line(error) for task in failed if (error := task.exception())]
            raise SettleError(
                f"of {len(group)} completes {len(late)} were late, {len(failed)} failed"
                f" {causes[:1]}"
            )

    async def _settle_one(
        self, receiver: ServiceBusReceiver, held: Held, *, is_carried: bool
    ) -> None:
        was_tried, held.is_tried = held.is_tried, True
        try:
            if held.refusal is None:
                await receiver.complete_message(held.message)
                self._metrics.add("completed")
                return
            await receiver.dead_letter_message(
                held.message, reason=REFUSAL_REASON, error_description=held.refusal
            )
            self._metrics.add("queue_dead_lettered")
            fields = {"message_id": held.message.message_id, "reason": held.refusal}
            log.error("message dead-lettered on the queue", extra={"fields": fields})
        except (MessageLockLostError, MessageAlreadySettled) as error:
            # Nothing is left to settle. What the link itself says has a cause inside;
            # without one it is the answer of the management link, which the SDK asks
            # within the same call when the first link is lost before it answers.
            cause = getattr(error, "inner_exception", None)
            was_tried |= cause is None and not is_carried
            is_locked = lock_left_seconds(held.message, datetime.now(UTC)) > 0
            is_unseen = was_tried and is_locked
            self._metrics.add("settled_unseen" if is_unseen else "lock_lost")

    def _drop(self, gone: Sequence[Held]) -> None:
        """Takes messages out of the hand."""
        if gone:
            names = set(gone)
            self._hand = [held for held in self._hand if held not in names]
            self._metrics.in_hand.set(len(self._hand))

    async def _renew(self, receiver: ServiceBusReceiver) -> None:
        """Renews what is due, one after another: concurrent requests fail."""
        for held in due_for_renewal(self._hand, datetime.now(UTC), self._renew_seconds):
            if held.is_published:  # in the meantime
                continue
            started = time.monotonic()
            try:
                await receiver.renew_message_lock(held.message)
                self._metrics.add("renewed")
            except MessageLockLostError:
                held.is_lost = True
                self._metrics.add("lock_lost")
            self._renew_seconds = time.monotonic() - started
            self._health.turn()


def _queued(held: Held) -> tuple[str, str]:
    """Of which dataset a message is, and when it was queued; empty if not known."""
    attributes = held.envelope.attributes if held.envelope else {}
    return attributes.get("dataset", ""), attributes.get("enqueued_time", "")


def _delays(longest_seconds: float) -> Iterator[float]:
    """Doubling delays up to the longest, without end."""
    seconds = FIRST_DELAY_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, longest_seconds)
