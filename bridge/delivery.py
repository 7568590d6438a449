"""Delivery: brings messages in flight to Pub/Sub, until it has them all."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

from google.api_core.exceptions import InvalidArgument

from bridge import publisher
from bridge.delays import doubling_seconds
from bridge.health import Health
from bridge.in_flight import InFlight
from bridge.metrics import Metrics
from bridge.progress import Progress
from bridge.publisher import Publisher

log = logging.getLogger(__name__)

# A request every other second costs nobody anything, and ends an outage early.
MAX_DELAY_SECONDS = 2.0


class Delivery:
    """Publishes in tasks of their own, which touch no receiver.

    Attributes:
        tasks: What is being published, and what has been since the last `wait`.
    """

    def __init__(
        self,
        topic: Publisher,
        in_flight: Sequence[InFlight],
        metrics: Metrics,
        health: Health,
        progress: Progress,
    ) -> None:
        """Publishes nothing yet.

        Args:
            topic: Where to publish.
            in_flight: All messages in flight, as the relay keeps them.
            metrics: What is counted.
            health: Where the last error is noted.
            progress: Where published messages are noted.
        """
        self.tasks: set[asyncio.Task[None]] = set()
        self._topic = topic
        self._in_flight = in_flight
        self._metrics = metrics
        self._health = health
        self._progress = progress

    def begin(self) -> None:
        """Begins to publish every message that is not yet being published."""
        waiting = [x for x in self._in_flight if x.envelope and not x.is_sent]
        sizes = [x.envelope.size_bytes for x in waiting if x.envelope]
        for part in publisher.requests(sizes):
            chunk = waiting[part.start : part.stop]
            for message in chunk:
                message.is_sent = True
            self.tasks.add(asyncio.create_task(self._publish(chunk)))

    async def wait(self, seconds: float) -> None:
        """Waits for all that is being published, but not longer than this."""
        if self.tasks:
            done, self.tasks = await asyncio.wait(self.tasks, timeout=seconds)
            for task in done:
                task.result()  # the task catches everything: an error here is a bug

    async def close(self) -> None:
        """Ends what is being published, and the connection."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._topic.close()

    async def _publish(self, chunk: Sequence[InFlight]) -> None:
        """Publishes until Pub/Sub has all; if it refuses, message by message.

        So a message that Pub/Sub refuses costs its neighbours nothing.
        """
        envelopes = [message.envelope for message in chunk if message.envelope]
        for delay_seconds in doubling_seconds(MAX_DELAY_SECONDS):
            started = time.monotonic()
            try:
                await self._topic.publish(envelopes)
                break
            except Exception as error:  # noqa: BLE001 - keep the messages and retry
                self._note_failure(error)
                if isinstance(error, InvalidArgument):
                    if len(chunk) > 1:
                        await asyncio.gather(*(self._publish([x]) for x in chunk))
                        return
                    chunk[0].is_refused = True
            await asyncio.sleep(delay_seconds)
        self._metrics.publish_seconds.observe(time.monotonic() - started)
        self._metrics.add("published", len(chunk))
        self._metrics.add("published_bytes", sum(len(x.data) for x in envelopes))
        self._note_published(chunk)

    def _note_published(self, chunk: Iterable[InFlight]) -> None:
        for message in chunk:
            self._progress.note_published(*message.origin)
            message.envelope = None

    def _note_failure(self, error: Exception) -> None:
        self._metrics.add("publish_failures")
        fields = {
            "error": self._health.failed(error),
            "advice": publisher.advice(error, self._topic.topic),
            "in_flight": len(self._in_flight),
        }
        log.warning("publish failed; trying again", extra={"fields": fields})
