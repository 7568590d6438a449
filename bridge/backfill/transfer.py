"""Transfer: from a source to the topic, many at a time, and into the journal.

One task lists, several fetch, one publishes and writes the journal: a message is in the
journal only after Pub/Sub has it. Queues between them are short, so memory is bounded
for a source of any size.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import grpc
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from bridge import publisher
from bridge.backfill.download import Patience, StoppedError, delay_seconds
from bridge.backfill.journal import Journal, key
from bridge.backfill.report import Report
from bridge.backfill.sources import Fetched, Job, Source
from bridge.publisher import Publisher
from command.text import one_line

# Listing runs ahead of fetching by no more than a page or so.
MAX_JOBS_WAITING = 5_000
# A batch is published when it is full or this old.
MAX_BATCH_MESSAGES = publisher.MAX_REQUEST_MESSAGES
MAX_BATCH_BYTES = publisher.MAX_REQUEST_BYTES
BATCH_SECONDS = 0.25

FATAL_ERRORS = (
    exceptions.NotFound,
    exceptions.PermissionDenied,
    exceptions.Unauthenticated,
)
TRANSIENT_ERRORS = (exceptions.GoogleAPIError, GoogleAuthError, grpc.RpcError, OSError)


class PublishError(Exception):
    """Pub/Sub refuses every message until the user corrects something."""


@dataclass
class Transfer:
    """One run of a backfill.

    Attributes:
        concurrency: How many messages are fetched at once.
    """

    source: Source
    publisher: Publisher
    journal: Journal
    report: Report
    patience: Patience
    concurrency: int
    _jobs: asyncio.Queue[Job | None] = field(init=False)
    _fetched: asyncio.Queue[Fetched | None] = field(init=False)

    def __post_init__(self) -> None:
        self._jobs = asyncio.Queue(MAX_JOBS_WAITING)
        self._fetched = asyncio.Queue(self.concurrency)

    async def run(self) -> None:
        """Returns when all is published; after a stop, all that was in flight.

        Raises:
            GaveUpError: No attempt has succeeded for too long.
            SourceError: The source cannot be used.
            TablesError: BigQuery does not answer.
            PublishError: Pub/Sub refuses all messages.
            OSError: The journal cannot be written.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._list())
                group.create_task(self._fetch_all())
                group.create_task(self._publish())
        except ExceptionGroup as failures:
            raise _first(failures) from None

    async def _list(self) -> None:
        try:
            async for job in self.source.jobs():
                if self.patience.stopping.is_set():
                    break
                if key(*job) in self.journal.keys:
                    self.report.add("before", job.dataset)
                else:
                    await self._jobs.put(job)
        except StoppedError:
            pass
        for _ in range(self.concurrency):
            await self._jobs.put(None)

    async def _fetch_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.concurrency):
                group.create_task(self._fetch())
        await self._fetched.put(None)

    async def _fetch(self) -> None:
        while job := await self._jobs.get():
            if self.patience.stopping.is_set():
                continue  # let the listing end
            try:
                async for fetched in self.source.fetch(job):
                    self.report.add("fetched", job.dataset)
                    await self._fetched.put(fetched)
            except StoppedError:
                continue

    async def _publish(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = await self._next_batch()
            await self._publish_batch([x for x in batch if self._is_new(x)])

    async def _next_batch(self) -> tuple[list[Fetched], bool]:
        """The next messages to publish, and whether they are the last."""
        batch: list[Fetched] = []
        size_bytes = 0
        fetched = await self._fetched.get()
        loop = asyncio.get_running_loop()
        end = loop.time() + BATCH_SECONDS
        while fetched:
            batch.append(fetched)
            size_bytes += fetched.envelope.size_bytes if fetched.envelope else 0
            if len(batch) == MAX_BATCH_MESSAGES or size_bytes >= MAX_BATCH_BYTES:
                return batch, False
            try:
                async with asyncio.timeout_at(end):
                    fetched = await self._fetched.get()
            except TimeoutError:
                return batch, False
        return batch, True

    def _is_new(self, fetched: Fetched) -> bool:
        """Whether to publish it; halves of a slice may have been published before."""
        if key(*fetched.job) in self.journal.keys:
            self.report.add("before", fetched.job.dataset)
            return False
        return True

    async def _publish_batch(self, batch: Sequence[Fetched]) -> None:
        for fetched in batch:
            if not fetched.envelope:
                self.report.add("empty", fetched.job.dataset)
        await self._note([x for x in batch if not x.envelope])
        full = [x for x in batch if x.envelope]
        sizes = [x.envelope.size_bytes for x in full if x.envelope]
        for part in publisher.requests(sizes):
            await self._deliver(full[part.start : part.stop])

    async def _deliver(self, batch: Sequence[Fetched]) -> None:
        """Publishes until Pub/Sub has all; if it refuses, one by one."""
        envelopes = [x.envelope for x in batch if x.envelope]
        try:
            await self._until_published(lambda: self.publisher.publish(envelopes))
        except exceptions.InvalidArgument as error:
            if len(batch) > 1:
                for fetched in batch:
                    await self._deliver([fetched])
                return
            job = batch[0].job
            text = f"{job.message_id}: Pub/Sub refuses it: {one_line(error)}"
            self.report.add_problem("failed", job.dataset, text)
            return
        self.patience.succeeded()
        for fetched in batch:
            self.report.add("published", fetched.job.dataset)
        self.report.bytes_published += sum(len(x.data) for x in envelopes)
        await self._note(batch)

    async def _until_published(self, publish: Callable[[], Awaitable[None]]) -> None:
        """Tries until Pub/Sub has accepted the request.

        Raises:
            InvalidArgument: It refuses the messages.
            PublishError: It refuses for another reason, and will again.
            GaveUpError: No attempt has succeeded for too long.
        """
        attempt = 0
        while True:
            try:
                await publish()
            except exceptions.InvalidArgument:
                raise
            except FATAL_ERRORS as error:
                advice = publisher.advice(error, self.publisher.topic)
                raise PublishError(f"{one_line(error)}; {advice}") from None
            except TRANSIENT_ERRORS as error:
                attempt += 1
                self.patience.failed(f"Pub/Sub: {one_line(error)}")
                # Jitter is no secret. A stop does not end this: messages are in flight.
                await asyncio.sleep(delay_seconds(attempt, random.random()))  # noqa: S311
            else:
                return

    async def _note(self, batch: Sequence[Fetched]) -> None:
        if batch:
            await asyncio.to_thread(self.journal.add, [x.job for x in batch])


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    """The first failure, out of groups within groups."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first
