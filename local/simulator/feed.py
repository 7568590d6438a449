"""The feed: what the simulator puts on its queue, and how fast."""

import asyncio
import itertools
from pathlib import Path
from typing import Protocol

from local.simulator.amqp import new_message
from local.simulator.broker import Broker
from local.simulator.demo import SEED, Demo
from local.simulator.pace import BACKLOG_BYTES_PER_SECOND, BACKLOG_RATE, DEMO_RATE
from local.simulator.sample_folder import Sample, SampleFolder, iris_body
from local.simulator.sent_until import SentUntil

MAX_LAG_SECONDS = 1.0
"""After a pause (a full queue) the feed catches up on this much of it."""

MAX_AHEAD_MESSAGES = 120
"""So many scheduled messages at once stand for those of the next seconds."""

MAX_QUEUED_MESSAGES = 100
"""Of the demo: it waits until the bridge has taken them, and so keeps memory small."""

WAIT_SECONDS = 0.05

BURST_MESSAGES = 32
"""Messages enqueued before the network gets its turn."""

SAVE_SECONDS = 5.0


class Feed(Protocol):
    """Puts messages on the broker's queue.

    Attributes:
        exhausted: Whether every message has been sent.
    """

    exhausted: bool

    async def run(self) -> None:
        """Enqueues messages; ends by cancellation only."""

    def close(self) -> None:
        """Keeps what a later feed must know."""


class SampleFeed:
    """Sends the messages of a folder, at a rate or as fast as they are taken."""

    def __init__(self, broker: Broker, samples: Path, rate: float | None) -> None:
        """Lists the samples.

        Args:
            broker: Where the messages go.
            samples: The folder to replay.
            rate: Messages a second; None for as fast as they are taken.

        Raises:
            UsageError: The folder is missing or holds no message.
        """
        self.exhausted = False
        self._broker = broker
        self._messages = SampleFolder(samples).read()
        self._rate = rate

    async def run(self) -> None:
        """Enqueues every message, then idles; ends by cancellation only."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in itertools.count(1):
            await self._broker.wait_for_room()
            message = next(self._messages, None)
            if message is None:
                break
            _put(self._broker, message)
            if self._rate:
                due = max(due + 1 / self._rate, loop.time() - MAX_LAG_SECONDS)
                await asyncio.sleep(due - loop.time())
            elif number % BURST_MESSAGES == 0:
                await asyncio.sleep(0)
        self.exhausted = True
        await asyncio.Event().wait()

    def close(self) -> None:
        """Nothing is kept: a folder is sent whole every time."""


class DemoFeed:
    """Sends the demo: yesterday as fast as it is taken, then what is due.

    Between messages of the timetable, units declare their dynamic data again, so that
    the rate is kept.
    """

    def __init__(
        self,
        broker: Broker,
        rate: float | None = None,
        seed: int = SEED,
        state: Path | None = None,
    ) -> None:
        """Goes on where an earlier feed ended.

        Args:
            broker: Where the messages go.
            rate: Messages a second after the backlog; None for the demo's.
            seed: Of the market.
            state: The file that says where an earlier feed ended; None for none.
        """
        self.exhausted = False
        self._broker = broker
        self._rate = rate or DEMO_RATE
        self._sent_until = SentUntil(state, seed)
        self._demo = Demo(seed, self._sent_until.read())
        self._saved_seconds = 0.0

    async def run(self) -> None:
        """Enqueues messages until it is cancelled."""
        loop = asyncio.get_running_loop()
        tick = loop.time()
        for published, sample in self._demo.backlog():
            await self._send(published, sample)
            size_seconds = len(sample.payload) / BACKLOG_BYTES_PER_SECOND
            pace_seconds = max(1 / BACKLOG_RATE, size_seconds)
            tick = max(tick + pace_seconds, loop.time() - MAX_LAG_SECONDS)
            await asyncio.sleep(tick - loop.time())
        await self._go_on()

    async def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        tick, owed = loop.time(), 0.0
        while True:
            owed += 1
            for published, sample in self._demo.due():
                await self._send(published, sample)
                owed = max(owed - 1, -MAX_AHEAD_MESSAGES)
            if owed >= 1:
                await self._broker.wait_for_room()
                _put(self._broker, self._demo.redeclaration())
                owed -= 1
            self._save(loop.time())
            tick = max(tick + 1 / self._rate, loop.time() - MAX_LAG_SECONDS)
            await asyncio.sleep(tick - loop.time())

    async def _send(self, published: int, sample: Sample) -> None:
        while self._broker.queue.stats()["ready"] >= MAX_QUEUED_MESSAGES:
            await asyncio.sleep(WAIT_SECONDS)
        self._sent_until.add(_put(self._broker, sample), published)

    def _save(self, now_seconds: float) -> None:
        if now_seconds - self._saved_seconds >= SAVE_SECONDS:
            self._saved_seconds = now_seconds
            self.close()

    def close(self) -> None:
        """Keeps how far the queue has been read."""
        self._sent_until.save(self._broker.queue.oldest())


def _put(broker: Broker, sample: Sample) -> int:
    body = iris_body(sample.payload)
    return broker.put(new_message(sample.dataset, sample.message_id, body))
