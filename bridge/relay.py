"""Relay: the loop that brings messages from the queue to Pub/Sub, and loses none.

One task owns the receiver. It receives a batch, publishes all of it, and completes what
Pub/Sub has acknowledged. If the queue is full, it receives the next batch meanwhile; if
Pub/Sub is slow or down, it renews the locks, one after another. It never abandons a
message: after five deliveries the queue gives a message up. After any error the client
is replaced, and the messages in flight are carried into the next session.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Sequence, Set
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver

from bridge import envelope, iris_queue
from bridge.absence import AbsenceDetector
from bridge.clock import QueueClock, align_lock, lock_left_seconds
from bridge.delays import doubling_seconds
from bridge.delivery import Delivery
from bridge.diagnosis import diagnose
from bridge.health import Health
from bridge.in_flight import (
    FIRST_MESSAGES,
    MAX_MESSAGES,
    InFlight,
    has_room,
    next_batch,
)
from bridge.metrics import Metrics
from bridge.progress import Progress
from bridge.publisher import Publisher
from bridge.settings import Settings
from bridge.settlement import Settlement
from bridge.sharing import SharingDetector

log = logging.getLogger(__name__)

# One call to a queue that does not answer; a healthy receive ends after 2 s.
CALL_SECONDS = 20.0
PUBLISH_WAIT_SECONDS = 0.5
# Elexon sends a message a second. A receive on a link that died unnoticed ends like one
# on an empty queue (findings/servicebus_silent_receive.sh): after so long without a
# message the queue is asked.
QUIET_SECONDS = 10.0
# That the connection lives proves nothing for the link itself.
MAX_SILENCE_SECONDS = 300.0

MAX_SESSION_DELAY_SECONDS = 30.0
# With messages in flight, whose locks last 60 s.
MAX_IN_FLIGHT_DELAY_SECONDS = 5.0
# A session that lasted this long was a good one: the next may begin at once.
STEADY_SECONDS = 30.0


class Relay:
    """Everything between one queue and one topic.

    Attributes:
        in_flight: Messages received and not yet settled; always the same list.
    """

    def __init__(
        self,
        settings: Settings,
        topic: Publisher,
        metrics: Metrics,
        health: Health,
        progress: Progress,
    ) -> None:
        self.in_flight: list[InFlight] = []
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._progress = progress
        self._absence = AbsenceDetector(progress)
        self._sharing = SharingDetector(is_gapless=progress.is_gapless)
        self._delivery = Delivery(topic, self.in_flight, metrics, health, progress)
        self._clock = QueueClock(metrics, health)
        self._settlement = Settlement(self.in_flight, metrics, health, self._clock)
        self._stopping = asyncio.Event()
        self._batch = FIRST_MESSAGES
        self._is_queue_full = False
        metrics.in_flight.set_function(lambda: len(self.in_flight))

    def stop(self) -> None:
        """Ends `run` as soon as nothing is in flight."""
        self._stopping.set()

    async def run(self) -> None:
        """Relays until stopped, through any failure of the queue or of Pub/Sub."""
        delays = doubling_seconds(MAX_SESSION_DELAY_SECONDS)
        try:
            while self.in_flight or not self._stopping.is_set():
                started = time.monotonic()
                try:
                    await self._session()
                except Exception as error:  # noqa: BLE001 - whatever it was, go on
                    self._session_failed(error)
                    if time.monotonic() - started > STEADY_SECONDS:
                        delays = doubling_seconds(MAX_SESSION_DELAY_SECONDS)
                    await self._pause(next(delays))
        finally:
            await self._delivery.close()

    def _session_failed(self, error: Exception) -> None:
        self._metrics.add("session_failures")
        self._health.advice = diagnose(error).text
        fields = {
            "error": self._health.failed(error),
            "advice": self._health.advice,
            "in_flight": len(self.in_flight),
        }
        log.warning("session failed; opening a new one", extra={"fields": fields})
        # The SDK's objects of a session refer to each other, a megabyte (measured):
        # Python's collector would find them after some thirty sessions.
        gc.collect()

    async def _pause(self, seconds: float) -> None:
        """Waits, less long while locks run out; a stop ends it with none in flight."""
        if self.in_flight:
            await asyncio.sleep(min(seconds, MAX_IN_FLIGHT_DELAY_SECONDS))
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _session(self) -> None:
        async with iris_queue.session(self._settings) as receiver:
            self._absence.session_opened(self._clock.now())
            try:
                await self.relay_from(receiver)
            finally:
                self._health.session_open = False

    async def relay_from(self, receiver: ServiceBusReceiver) -> None:
        """Relays until there is nothing left to do, or the link has been silent."""
        carried = set(self.in_flight)
        heard = answered = time.monotonic()
        while time.monotonic() - heard < MAX_SILENCE_SECONDS:
            self._health.turn()
            if self.in_flight:
                heard = answered = time.monotonic()
                self._delivery.begin()
                await self._settlement.settle(receiver, carried)
                await self._settlement.renew(receiver)
            if not self.in_flight and self._stopping.is_set():
                return
            if time.monotonic() - answered > QUIET_SECONDS:
                await iris_queue.ask(receiver)
                answered = time.monotonic()
            is_receiving = self._wants_more(carried)
            if is_receiving:
                await self._receive(receiver)
            self._opened(len(carried))
            await self._delivery.wait(0.0 if is_receiving else PUBLISH_WAIT_SECONDS)

    def _opened(self, carried: int) -> None:
        """Notes that a session works: a queue refuses a client in its first turn."""
        if self._health.session_open:
            return
        self._health.session_open = True
        self._metrics.add("sessions")
        log.info("session opened", extra={"fields": {"carried": carried}})

    def _wants_more(self, carried: Set[InFlight]) -> bool:
        """Whether to receive, perhaps while the batch before is being published.

        No message waits for those that Pub/Sub refuses: that may take days.
        """
        if not self.in_flight:
            return True
        others = [message for message in self.in_flight if not message.is_refused]
        is_wanted = self._is_queue_full or not others
        if self._stopping.is_set() or not is_wanted or not carried.isdisjoint(others):
            return False
        return has_room(self.in_flight, self._next_count())

    def _next_count(self) -> int:
        """How many messages to ask for; those that Pub/Sub refuses take up room."""
        refused = sum(message.is_refused for message in self.in_flight)
        return max(1, min(self._batch, MAX_MESSAGES - refused))

    async def _receive(self, receiver: ServiceBusReceiver) -> None:
        started = time.monotonic()
        asked = self._next_count()
        async with asyncio.timeout(CALL_SECONDS):
            messages = await receiver.receive_messages(
                asked, iris_queue.RECEIVE_SECONDS
            )
        waited_seconds = time.monotonic() - started
        now = datetime.now(UTC)
        batch = [self._accept(message, now) for message in messages]
        self.in_flight += batch
        self._is_queue_full = len(batch) == asked
        self._look_for_other_clients(batch, waited_seconds)
        if not batch:
            if not self.in_flight:
                self._absence.found_empty(self._clock.now())
            return
        self._note_clock(batch, now)
        self._absence.received(message.origin for message in batch)
        received_bytes = sum(message.body_bytes for message in batch)
        self._batch = next_batch(asked, len(batch), received_bytes)
        self._health.last_message = now
        self._metrics.last_message.set(now.timestamp())

    def _note_clock(self, batch: Sequence[InFlight], now: datetime) -> None:
        ahead_seconds = min(message.clock_ahead_seconds for message in batch)
        self._clock.arrived(ahead_seconds)
        if ahead_seconds:
            self._absence.clock_is_ahead(now - timedelta(seconds=ahead_seconds))

    def _look_for_other_clients(
        self, batch: Sequence[InFlight], waited_seconds: float
    ) -> None:
        """Warns when another client begins to take messages."""
        numbers = [message.received.sequence_number for message in batch]
        lock_seconds = max((message.lock_seconds for message in batch), default=0.0)
        self._sharing.received(
            [number for number in numbers if number], waited_seconds, lock_seconds
        )
        self._progress.is_gapless = self._sharing.is_gapless
        is_shared = self._sharing.is_shared
        if is_shared and not self._health.queue_shared:
            log.warning(self._sharing.warning())
        self._health.queue_shared = is_shared
        self._metrics.queue_shared.set(is_shared)

    def _accept(self, received: ServiceBusReceivedMessage, now: datetime) -> InFlight:
        self._metrics.add_received(str(received.subject or envelope.UNKNOWN_DATASET))
        ahead_seconds = align_lock(received, now)
        lock_seconds = lock_left_seconds(received, now)
        message = InFlight(received, None, 0, lock_seconds, ahead_seconds)
        try:
            body = envelope.body_bytes(received.body)
            message.body_bytes = len(body)
            message.envelope = envelope.seal(received, body)
        except envelope.UnpublishableError as error:
            message.refusal = str(error)
        return message
