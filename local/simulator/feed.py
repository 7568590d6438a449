"""The feed: what the simulator puts on its queue, and how fast."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from local.simulator.amqp import new_message
from local.simulator.broker import Broker
from local.simulator.demo import demo_messages
from local.simulator.sample_folder import Sample, SampleFolder, iris_body
from pipeline.registry import load_registry

DEMO_RATE = 5.0
"""Messages a second; the real feed has 0.5 to 3.5."""

MAX_LAG_SECONDS = 1.0
"""After a pause (a full queue) the feed catches up on this much of it."""

BURST_MESSAGES = 32
"""Messages enqueued before the network gets its turn."""


class Feed:
    """Puts messages on the broker's queue, at a rate or as fast as they are taken.

    Attributes:
        exhausted: Whether every message has been sent; the demo feed never is.
    """

    def __init__(
        self, broker: Broker, samples: Path | None, rate: float | None
    ) -> None:
        """Opens the samples.

        Args:
            broker: Where the messages go.
            samples: The folder to replay; None for the demo feed.
            rate: Messages a second; None for as fast as they are taken, or the demo's.

        Raises:
            UsageError: The folder is missing or holds no message.
        """
        self.exhausted = False
        self._broker = broker
        self._messages: Iterator[Sample]
        if samples is not None:
            self._messages, self._rate = SampleFolder(samples).read(), rate
        else:
            seed = random.Random()  # noqa: S311 - demo values, no secret
            self._messages = demo_messages(load_registry(), seed)
            self._rate = rate or DEMO_RATE

    async def run(self) -> None:
        """Enqueues every message, then idles; ends by cancellation only."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in itertools.count(1):
            await self._broker.wait_for_room()
            message = next(self._messages, None)
            if message is None:
                break
            body = iris_body(message.payload)
            self._broker.put(new_message(message.dataset, message.message_id, body))
            if self._rate:
                due = max(due + 1 / self._rate, loop.time() - MAX_LAG_SECONDS)
                await asyncio.sleep(due - loop.time())
            elif number % BURST_MESSAGES == 0:
                await asyncio.sleep(0)
        self.exhausted = True
        await asyncio.Event().wait()
