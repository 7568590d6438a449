"""Relay: what Pub/Sub refuses stays in flight and costs its neighbours nothing."""

import asyncio
import logging
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.servicebus.exceptions import (
    MessageLockLostError,
    OperationTimeoutError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusError,
)
from google.api_core.exceptions import InvalidArgument, ServiceUnavailable

from bridge import notices
from bridge.clock import QueueClock
from bridge.delivery import Delivery
from bridge.envelope import Envelope
from bridge.health import Health
from bridge.in_flight import MAX_MESSAGES, InFlight
from bridge.logs import Redactor
from bridge.metrics import Metrics
from bridge.progress import Progress
from bridge.relay import Relay
from bridge.settings import Settings
from bridge.settlement import Settlement

SETTINGS = Settings("iris", "projects/p/topics/iris", emulator_host="localhost:1")
WAIT_SECONDS = 10


class Topic:
    """A topic that fails on demand: no emulator refuses a well-formed message."""

    topic = SETTINGS.topic

    def __init__(self) -> None:
        self.refused: set[bytes] = set()
        self.is_down = False
        self.taken: list[bytes] = []

    async def publish(self, envelopes: Iterable[Envelope]) -> None:
        bodies = [envelope.data for envelope in envelopes]
        if self.is_down:
            raise ServiceUnavailable("down")
        if self.refused.intersection(bodies):
            raise InvalidArgument("refused")
        self.taken += bodies


def in_flight(body: bytes) -> InFlight:
    received = cast(Any, SimpleNamespace(locked_until_utc=None))
    return InFlight(received, Envelope(body, {}), len(body), 60.0)


async def until(condition: Any) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def relay_to(topic: Topic) -> tuple[Relay, Metrics]:
    metrics = Metrics()
    health, progress = Health(Redactor()), Progress("iris")
    return Relay(SETTINGS, cast(Any, topic), metrics, health, progress), metrics


def delivery_to(topic: Topic, messages: list[InFlight]) -> tuple[Delivery, Metrics]:
    metrics = Metrics()
    health, progress = Health(Redactor()), Progress("iris")
    return Delivery(cast(Any, topic), messages, metrics, health, progress), metrics


def test_a_refused_message_stays_in_flight_while_its_neighbours_are_published() -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.refused = {b"bad"}
        first, bad, last = map(in_flight, (b"first", b"bad", b"last"))
        delivery, metrics = delivery_to(topic, [first, bad, last])
        delivery.begin()
        await until(lambda: first.is_published and last.is_published)
        assert not bad.is_published
        topic.refused = set()
        await delivery.wait(WAIT_SECONDS)
        assert bad.is_published
        assert sorted(topic.taken) == [b"bad", b"first", b"last"]
        assert metrics.totals["published"] == 3

    asyncio.run(scenario())


def test_what_fails_is_published_again_until_it_is_taken() -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.is_down = True
        one = in_flight(b"one")
        delivery, metrics = delivery_to(topic, [one])
        delivery.begin()
        await until(lambda: metrics.totals["publish_failures"] >= 2)
        assert not one.is_published
        topic.is_down = False
        await delivery.wait(WAIT_SECONDS)
        assert topic.taken == [b"one"]

    asyncio.run(scenario())


class FullQueue:
    """A queue that always has as many large messages as are asked for."""

    def __init__(self, relay: Relay, batches: int) -> None:
        self.relay = relay
        self.left = batches

    async def receive_messages(self, count: int, _seconds: float) -> list[Any]:
        await asyncio.sleep(0)
        self.left -= 1
        if not self.left:
            self.relay.stop()
        return [self.message() for _ in range(count)]

    async def complete_message(self, _message: Any) -> None:
        await asyncio.sleep(0)

    def message(self, body: bytes = b"x" * 60_000) -> Any:
        return SimpleNamespace(
            body=[body],
            subject="FREQ",
            message_id="FREQ_1",
            enqueued_time_utc=None,
            locked_until_utc=None,
            delivery_count=0,
            sequence_number=0,
        )


def test_a_queue_that_stays_full_leaves_no_ended_publishing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most_tasks = 0

    class Watched(Delivery):
        def begin(self) -> None:
            nonlocal most_tasks
            super().begin()
            most_tasks = max(most_tasks, len(self.tasks))

    monkeypatch.setattr("bridge.relay.Delivery", Watched)

    async def scenario() -> None:
        topic = Topic()
        relay, metrics = relay_to(topic)
        await relay.relay_from(cast(Any, FullQueue(relay, batches=40)))
        assert metrics.totals["completed"] == len(topic.taken) > 1_000
        # Two batches of 4.5 MB, in requests of one.
        assert 1 < most_tasks <= 10

    asyncio.run(scenario())


class Trickle(FullQueue):
    """A queue that has one message at a time, and then no more."""

    def __init__(self, relay: Relay, *bodies: bytes) -> None:
        super().__init__(relay, 0)
        self.bodies = list(bodies)

    async def receive_messages(self, _count: int, _seconds: float) -> list[Any]:
        await asyncio.sleep(0.001)
        return [self.message(self.bodies.pop(0))] if self.bodies else []

    async def renew_message_lock(self, _message: Any) -> None:
        await asyncio.sleep(0)


class Quiet(Trickle):
    """An empty queue, which answers a question in this way."""

    def __init__(self, relay: Relay, answer: Exception | None) -> None:
        super().__init__(relay)
        self.answer = answer
        self.asked = 0

    async def peek_messages(self, _count: int) -> list[Any]:
        self.asked += 1
        if self.answer:
            raise self.answer
        return []


@pytest.mark.parametrize("answer", [None, ServiceBusAuthorizationError()])
def test_an_empty_queue_that_answers_keeps_its_session(
    answer: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.QUIET_SECONDS", 0.01)

    async def scenario() -> None:
        relay, _ = relay_to(Topic())
        queue = Quiet(relay, answer)
        turns = asyncio.create_task(relay.relay_from(cast(Any, queue)))
        await until(lambda: queue.asked > 2)
        relay.stop()
        await asyncio.wait_for(turns, WAIT_SECONDS)

    asyncio.run(scenario())


@pytest.mark.parametrize("error", [OperationTimeoutError, ServiceBusConnectionError])
def test_a_queue_that_does_not_answer_ends_the_session(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.QUIET_SECONDS", 0.01)

    async def scenario() -> None:
        relay, _ = relay_to(Topic())
        queue = cast(Any, Quiet(relay, error()))
        with pytest.raises(error):
            await asyncio.wait_for(relay.relay_from(queue), WAIT_SECONDS)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_carried", [False, True])
def test_a_refused_message_in_flight_keeps_nobody_waiting(*, is_carried: bool) -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.refused = {b"bad"}
        relay, metrics = relay_to(topic)
        bodies = [b"first", b"bad", b"next"]
        if is_carried:
            relay.in_flight.append(in_flight(b"bad"))
            bodies.remove(b"bad")
        queue = cast(Any, Trickle(relay, *bodies))
        turns = asyncio.create_task(relay.relay_from(queue))
        await until(lambda: metrics.totals["completed"] == 2)
        assert topic.taken == [b"first", b"next"]
        topic.refused = set()
        relay.stop()
        await asyncio.wait_for(turns, WAIT_SECONDS)
        assert topic.taken == [b"first", b"next", b"bad"]
        assert metrics.totals["completed"] == 3

    asyncio.run(scenario())


def test_refused_messages_are_received_until_there_is_no_room() -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.refused = {b"bad"}
        relay, metrics = relay_to(topic)
        relay.in_flight += [in_flight(b"bad") for _ in range(MAX_MESSAGES - 1)]
        queue = Trickle(relay, b"bad", b"bad")
        turns = asyncio.create_task(relay.relay_from(cast(Any, queue)))
        await until(lambda: len(relay.in_flight) == MAX_MESSAGES)
        failures = metrics.totals["publish_failures"]
        await until(lambda: metrics.totals["publish_failures"] > failures + 1)
        assert len(queue.bodies) == 1
        turns.cancel()

    asyncio.run(scenario())


class LockLost(FullQueue):
    """A queue that does not know the lock, as one link or the other reports it."""

    def __init__(self, relay: Relay, cause: Exception | None) -> None:
        super().__init__(relay, 0)
        self.cause = cause

    async def complete_message(self, _message: Any) -> None:
        await asyncio.sleep(0)
        raise MessageLockLostError(error=self.cause)


@pytest.mark.parametrize(
    ("is_carried", "cause", "expected"),
    [
        (False, None, "settled_unseen"),  # the SDK's second try, its first was lost
        (False, ServiceBusError("rejected"), "lock_lost"),  # what the link itself says
        (True, None, "lock_lost"),  # the first try: no other way is left
    ],
)
def test_a_lock_that_the_own_first_try_took_is_not_lost(
    *, is_carried: bool, cause: Exception | None, expected: str
) -> None:
    async def scenario() -> None:
        relay, metrics = relay_to(Topic())
        one = in_flight(b"one")
        one.envelope = None
        messages = [one]
        queue = cast(Any, LockLost(relay, cause))
        health = Health(Redactor())
        settlement = Settlement(messages, metrics, health, QueueClock(metrics, health))
        await settlement.settle(queue, {one} if is_carried else set())
        assert not messages
        names = ("settled_unseen", "lock_lost")
        assert [name for name in names if metrics.totals[name]] == [expected]

    asyncio.run(scenario())


def test_the_summary_counts_since_the_last_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notices, "SUMMARY_SECONDS", 0.01)
    caplog.set_level(logging.INFO, "bridge")

    async def scenario() -> None:
        metrics = Metrics()
        metrics.add("published", 5)
        summary = asyncio.create_task(notices.summarize(metrics))
        await asyncio.sleep(0)
        metrics.add("published", 2)
        await until(lambda: len(caplog.records) >= 2)
        summary.cancel()

    asyncio.run(scenario())
    counts = [cast(Any, record).fields["published"] for record in caplog.records]
    assert counts[:2] == [2, 0]
