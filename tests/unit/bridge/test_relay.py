"""Publishing: what Pub/Sub refuses is held and costs its neighbours nothing."""

import asyncio
import logging
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.servicebus.exceptions import MessageLockLostError, ServiceBusError
from google.api_core.exceptions import InvalidArgument, ServiceUnavailable

from bridge import notices
from bridge.absence import Reading, Watch
from bridge.envelope import Envelope
from bridge.health import Health
from bridge.in_flight import MAX_MESSAGES, Held
from bridge.logs import Redactor
from bridge.metrics import Metrics
from bridge.relay import Relay
from bridge.settings import Settings

SETTINGS = Settings("iris", "projects/p/topics/iris", emulator_host="localhost:1")
WAIT_SECONDS = 10


class Topic:
    """A topic that fails as it is told: no emulator refuses a well-formed message."""

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


def held(body: bytes) -> Held:
    message = cast(Any, SimpleNamespace(locked_until_utc=None))
    return Held(message, Envelope(body, {}), len(body), 60.0)


async def until(condition: Any) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def relay_to(topic: Topic) -> tuple[Relay, Metrics]:
    metrics = Metrics()
    relay = Relay(SETTINGS, metrics, Health(Redactor()), Watch(Reading("iris")))
    relay._publisher = cast(Any, topic)
    return relay, metrics


def test_a_refused_message_is_held_while_its_neighbours_are_published() -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.refused = {b"bad"}
        relay, metrics = relay_to(topic)
        first, bad, last = chunk = [held(b"first"), held(b"bad"), held(b"last")]
        delivery = asyncio.create_task(relay._deliver(chunk))
        await until(lambda: first.is_published and last.is_published)
        assert not bad.is_published
        topic.refused = set()
        await asyncio.wait_for(delivery, WAIT_SECONDS)
        assert bad.is_published
        assert sorted(topic.taken) == [b"bad", b"first", b"last"]
        assert metrics.totals["published"] == 3

    asyncio.run(scenario())


def test_what_fails_is_published_again_until_it_is_taken() -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.is_down = True
        relay, metrics = relay_to(topic)
        one = held(b"one")
        delivery = asyncio.create_task(relay._deliver([one]))
        await until(lambda: metrics.totals["publish_failures"] >= 2)
        assert not one.is_published
        topic.is_down = False
        await asyncio.wait_for(delivery, WAIT_SECONDS)
        assert topic.taken == [b"one"]

    asyncio.run(scenario())


class FullQueue:
    """A queue that always has as many large messages as are asked for."""

    def __init__(self, relay: Relay, batches: int) -> None:
        self.relay = relay
        self.left = batches
        self.most_publishing = 0

    async def receive_messages(self, count: int, _seconds: float) -> list[Any]:
        await asyncio.sleep(0)
        self.most_publishing = max(self.most_publishing, len(self.relay._publishing))
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


def test_a_queue_that_stays_full_leaves_no_ended_publishing_behind() -> None:
    async def scenario() -> None:
        topic = Topic()
        relay, metrics = relay_to(topic)
        queue = FullQueue(relay, batches=40)
        await relay._turns(cast(Any, queue))
        assert metrics.totals["completed"] == len(topic.taken) > 1_000
        # Two batches of 4.5 MB, in requests of one.
        assert queue.most_publishing <= 10

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


@pytest.mark.parametrize("is_carried", [False, True])
def test_a_refused_message_in_hand_keeps_nobody_waiting(*, is_carried: bool) -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.refused = {b"bad"}
        relay, metrics = relay_to(topic)
        bodies = [b"first", b"bad", b"next"]
        if is_carried:
            relay._hand = [held(b"bad")]
            bodies.remove(b"bad")
        queue = cast(Any, Trickle(relay, *bodies))
        turns = asyncio.create_task(relay._turns(queue))
        await until(lambda: metrics.totals["completed"] == 2)
        assert topic.taken == [b"first", b"next"]
        topic.refused = set()
        relay.stop()
        await asyncio.wait_for(turns, WAIT_SECONDS)
        assert topic.taken == [b"first", b"next", b"bad"]
        assert metrics.totals["completed"] == 3

    asyncio.run(scenario())


def test_refused_messages_are_received_until_the_hand_is_full() -> None:
    async def scenario() -> None:
        topic = Topic()
        topic.refused = {b"bad"}
        relay, metrics = relay_to(topic)
        relay._hand = [held(b"bad") for _ in range(MAX_MESSAGES - 1)]
        queue = Trickle(relay, b"bad", b"bad")
        turns = asyncio.create_task(relay._turns(cast(Any, queue)))
        await until(lambda: len(relay._hand) == MAX_MESSAGES)
        failures = metrics.totals["publish_failures"]
        await until(lambda: metrics.totals["publish_failures"] > failures + 1)
        assert len(queue.bodies) == 1
        turns.cancel()

    asyncio.run(scenario())


class LockLost(FullQueue):
    """A queue that knows the lock no more, as asked by one link or the other."""

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
        one = held(b"one")
        one.envelope = None
        relay._hand = [one]
        queue = cast(Any, LockLost(relay, cause))
        await relay._settle(queue, {one} if is_carried else set())
        assert not relay._hand
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
