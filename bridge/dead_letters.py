"""Dead letters: what the queue itself gave up, counted while the bridge runs.

Service Bus moves a message to the queue's dead-letter sub-queue after five deliveries
that nobody settled, and may do so when it expires. Nothing reads it there, and it never
expires. `python -m bridge recover` publishes it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver

from bridge import iris_queue
from bridge.health import Health
from bridge.metrics import Metrics
from bridge.settings import Settings
from command.text import one_line

log = logging.getLogger(__name__)

FOUND = "the queue has dead letters"  # an alert looks for this text
ADVICE = "publish them: python -m bridge recover"
# Each look is a connection of its own, for some seconds. Five deliveries take minutes.
LOOK_SECONDS = 900.0
PAGE_MESSAGES = 100
# Counting stops here: more are as bad, and each is read.
MAX_COUNTED = 1_000


async def watch(settings: Settings, health: Health, metrics: Metrics) -> None:
    """Counts them every quarter of an hour, and warns when there are more; never ends.

    Whether Elexon lets a client read the sub-queue is not known: if it does not, the
    count is unknown, and nothing else changes.
    """
    before = 0
    while True:
        try:
            health.dead_letters = await count(settings)
        except Exception as error:  # noqa: BLE001 - the relay has its own session
            if health.dead_letters is not None or not before:
                fields = {"error": health.redact(one_line(error))}
                log.info("dead letters not counted", extra={"fields": fields})
            health.dead_letters, before = None, before or 1
        else:
            metrics.dead_letters.set(health.dead_letters)
            if health.dead_letters > before:
                found = {"dead_letters": health.dead_letters, "advice": ADVICE}
                log.warning(FOUND, extra={"fields": found})
            before = health.dead_letters
        await asyncio.sleep(LOOK_SECONDS)


async def count(settings: Settings) -> int:
    """The number of dead letters of a queue, up to `MAX_COUNTED`.

    Raises:
        azure.core.exceptions.AzureError: The sub-queue cannot be read.
        TimeoutError: The queue does not answer.
    """
    counted = 0
    async with iris_queue.session(settings, dead_letters=True) as receiver:
        async for _ in peeked(receiver):
            counted += 1
            if counted == MAX_COUNTED:
                break
    return counted


async def peeked(
    receiver: ServiceBusReceiver,
) -> AsyncIterator[ServiceBusReceivedMessage]:
    """All messages of a sub-queue, which stay there, unlocked.

    Those that a client has locked are among them.
    """
    number = 1  # not 0: findings/servicebus_peek_after_receive.sh
    while page := await receiver.peek_messages(PAGE_MESSAGES, sequence_number=number):
        for message in page:
            yield message
        number = (page[-1].sequence_number or 0) + 1
