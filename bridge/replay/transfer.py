"""Transfer: publishes what is held, page by page, and records each request."""

import asyncio
import sys
import time
from collections.abc import Sequence

from google.api_core.exceptions import (
    GoogleAPICallError,
    GoogleAPIError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from bridge import publisher
from bridge.publisher import Publisher
from bridge.replay.held import Replay, Snapshot, Tables
from bridge.replay.report import Report
from bridge.settings import Destination
from command.text import one_line, printable

# If Pub/Sub is down for longer, the user must decide.
PUBLISH_ATTEMPTS = 6
FIRST_DELAY_SECONDS = 0.5
PROGRESS_SECONDS = 5.0

# GoogleAPIError is the general one: the client's own retries end in a RetryError.
RECORD_ERRORS = (
    *(GoogleAPIError, GoogleAuthError, RequestException),
    *(OSError, RuntimeError),
)


class ReplayError(Exception):
    """What ended the run, in one line."""


async def publish(
    destination: Destination,
    tables: Tables,
    snapshot: Snapshot,
    pages: Sequence[range],
    report: Report,
) -> None:
    """Publishes page by page; each request is recorded when Pub/Sub has it.

    Raises:
        ReplayError: Pub/Sub cannot be reached, or a request cannot be recorded.
    """
    topic = Publisher(destination.topic, destination.emulator_host)
    shown = time.monotonic()
    try:
        for page in pages:
            replays = await asyncio.to_thread(snapshot.read, page)
            sizes = [replay.envelope.size_bytes for replay in replays]
            for part in publisher.requests(sizes):
                done = await _deliver(topic, replays[part.start : part.stop], report)
                await record(tables, done)
                report.add_published(done)
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                count, total = report.total("published"), report.total("chosen")
                print(f"published {count:,} of {total:,}", file=sys.stderr)
    finally:
        await topic.close()


async def _deliver(
    topic: Publisher, replays: Sequence[Replay], report: Report
) -> Sequence[Replay]:
    """Publishes one request; returns the messages that Pub/Sub has accepted.

    Raises:
        ReplayError: Pub/Sub cannot be reached.
    """
    delay_seconds = FIRST_DELAY_SECONDS
    for attempt in range(PUBLISH_ATTEMPTS):
        if attempt:
            await asyncio.sleep(delay_seconds)
            delay_seconds *= 2
        try:
            await topic.publish(replay.envelope for replay in replays)
        except InvalidArgument as error:
            if len(replays) > 1:  # a refused message costs its neighbours nothing
                parts = [await _deliver(topic, [each], report) for each in replays]
                return [each for part in parts for each in part]
            report.refused += 1
            message_id = printable(str(replays[0].row["message_id"]))
            print(f"replay: {message_id}: {one_line(error)}", file=sys.stderr)
            return []
        except (NotFound, PermissionDenied) as error:
            advice = publisher.advice(error, topic.topic)
            raise ReplayError(f"{one_line(error)}; {advice}") from None
        except GoogleAPICallError as error:
            last = one_line(error)
        else:
            return replays
    raise ReplayError(f"{last}; check the network and PUBSUB_EMULATOR_HOST")


async def record(tables: Tables, replays: Sequence[Replay]) -> None:
    """Records published messages, also if the run is cancelled meanwhile.

    Raises:
        ReplayError: They cannot be recorded.
    """
    if not replays:
        return
    writing = asyncio.create_task(asyncio.to_thread(tables.record, replays))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise
    except RECORD_ERRORS as error:
        raise ReplayError(
            f"{len(replays)} messages are published, but not recorded in iris_replays "
            f"({one_line(error)})"
        ) from None
