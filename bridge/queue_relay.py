"""Queue relay: all that belongs to one queue of the account."""

from collections.abc import Coroutine, Iterator
from typing import Any

from bridge import dead_letters, notices, progress
from bridge.health import Health
from bridge.logs import QUEUE
from bridge.metrics import Metrics
from bridge.publisher import Publisher
from bridge.relay import Relay
from bridge.settings import Settings


class QueueRelay:
    """One queue with its session, its connection to Pub/Sub and its state file.

    Nothing is shared with other queues: a queue that is gone, or refuses the
    credentials, costs them nothing.

    Attributes:
        state_file: How far the queue has been read.
    """

    def __init__(
        self, queue: Settings, account: Settings, health: Health, metrics: Metrics
    ) -> None:
        """Sends nothing yet.

        Args:
            queue: The settings of this queue alone.
            account: The settings of all queues.
            health: Of this queue.
            metrics: Of this queue.

        Raises:
            UsageError: There are no Google credentials.
        """
        self._name = queue.queue_name if queue is not account else None
        self._queue, self._health, self._metrics = queue, health, metrics
        # Until there was a second queue, the account's file was that of this queue.
        self.state_file = progress.load(
            queue.state_file, queue.source, account.state_file
        )
        self._relay = Relay(
            queue,
            Publisher(queue.topic, queue.emulator_host),
            metrics,
            health,
            self.state_file.progress,
        )

    def stop(self) -> None:
        """Ends `run` as soon as nothing is in flight."""
        self._relay.stop()

    async def run(self) -> None:
        """Relays until stopped."""
        await self._named(self._relay.run())

    def chores(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What is done beside the relay; none of it ends."""
        yield self._named(notices.summarize(self._metrics))
        yield self._named(self.state_file.keep())
        yield self._named(dead_letters.watch(self._queue, self._health, self._metrics))

    async def _named(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it with the queue's name in each line of the log."""
        QUEUE.set(self._name)  # in the task that this is
        await work
