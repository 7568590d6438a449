"""`python -m bridge recover`: publishes what the queue gave up.

A message is completed in the dead-letter sub-queue when Pub/Sub has it, as in the
relay. The pipeline drops records that it knows already: a message that was published
before it was given up costs nothing.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusReceiver

from bridge import dead_letters, envelope, iris_queue, publisher, settings
from bridge.diagnosis import diagnose
from bridge.envelope import Envelope, UnpublishableError
from bridge.logs import Redactor
from bridge.publisher import Publisher
from bridge.settings import Settings
from command.text import printable

# Small: each is completed before its lock of a minute ends.
BATCH_MESSAGES = 50
FAILED = 1

EPILOG = """\
The settings are those of the bridge: IRIS_QUEUE_NAME, PUBSUB_TOPIC and so on. The
bridge may run meanwhile: it completes nothing in the sub-queue.

exit codes: 0 nothing is left, 1 something is left or failed, 2 a setting must be
corrected, 130 stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="list the messages by dataset and reason, and leave them there",
    )


def run(options: argparse.Namespace) -> int:
    """Publishes the dead letters of every queue; returns the exit code."""
    account = settings.from_process().complete()
    return asyncio.run(_run(account, dry_run=options.dry_run))


async def _run(account: Settings, *, dry_run: bool) -> int:
    code = 0
    for queue in account.queues:
        try:
            if dry_run:
                await _list(queue)
            else:
                code |= await _recover(queue)
        except Exception as error:  # noqa: BLE001 - reported in one line
            text = Redactor(account.secrets)(diagnose(error).text)
            print(f"{queue.queue_name}: {text}", file=sys.stderr)
            code = FAILED
    return code


async def _list(queue: Settings) -> None:
    """Prints how many there are, by dataset and reason."""
    found: Counter[tuple[str, str]] = Counter()
    async with iris_queue.session(queue, dead_letters=True) as receiver:
        async for message in dead_letters.peeked(receiver):
            subject = message.subject or envelope.UNKNOWN_DATASET
            found[subject, message.dead_letter_reason or "no reason given"] += 1
    print(f"{queue.queue_name}: {found.total()} dead letters")
    for (subject, reason), number in sorted(found.items()):
        print(printable(f"  {subject}: {number} ({reason})"))


async def _recover(queue: Settings) -> int:
    topic = Publisher(queue.topic, queue.emulator_host)
    published, left = 0, None
    seen: set[int | None] = set()
    try:
        async with iris_queue.session(queue, dead_letters=True) as receiver:
            while batch := await _next(receiver, seen):
                sealed = _sealed(batch)
                await _publish(topic, [one for _, one in sealed])
                for message, _ in sealed:
                    await receiver.complete_message(message)
                    published += 1
            # Nothing comes from an empty queue, from one that does not answer, and
            # while another client has the messages.
            left = len([one async for one in dead_letters.peeked(receiver)])
    finally:
        await topic.close()
        rest = "an unknown number" if left is None else left
        print(f"{queue.queue_name}: {published} published, {rest} left")
    return FAILED if left else 0


async def _next(
    receiver: ServiceBusReceiver, seen: set[int | None]
) -> list[ServiceBusReceivedMessage]:
    """The next messages that did not come before: what is left comes again."""
    messages = await receiver.receive_messages(
        BATCH_MESSAGES, iris_queue.RECEIVE_SECONDS
    )
    new = [message for message in messages if message.sequence_number not in seen]
    seen |= {message.sequence_number for message in messages}
    return new


def _sealed(
    batch: Sequence[ServiceBusReceivedMessage],
) -> list[tuple[ServiceBusReceivedMessage, Envelope]]:
    """Those that can be published; of the others it prints why not."""
    found = []
    for message in batch:
        try:
            body = envelope.body_bytes(message.body)
            found.append((message, envelope.seal(message, body)))
        except UnpublishableError as error:
            print(printable(f"{message.message_id}: {error}"), file=sys.stderr)
    return found


async def _publish(topic: Publisher, envelopes: Sequence[Envelope]) -> None:
    for part in publisher.requests([one.size_bytes for one in envelopes]):
        await topic.publish(envelopes[part.start : part.stop])
