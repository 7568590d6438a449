"""Sources: where a backfill fetches its messages, one after another."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bridge.backfill import elexon_archive, insights_api
from bridge.backfill.download import (
    Downloader,
    DownloadError,
    GaveUpError,
    GoneError,
    Patience,
    RefusedError,
    RepeatedFailureError,
    StoppedError,
    TooLargeError,
)
from bridge.backfill.elexon_archive import Blob
from bridge.backfill.insights_api import Slice
from bridge.backfill.reconciliation import Lookup
from bridge.backfill.report import Report
from bridge.envelope import Envelope, UnpublishableError, enclose
from bridge.span import Span

# What ends a backfill, whichever request fails.
FATAL_ERRORS = (GaveUpError, StoppedError)


class SourceError(Exception):
    """The source cannot be used at all; the text is one line."""


class Job(NamedTuple):
    """One message to fetch."""

    dataset: str
    message_id: str


class Fetched(NamedTuple):
    """One fetched message; without an envelope there is nothing to publish."""

    job: Job
    envelope: Envelope | None


class Source(Protocol):
    """What a transfer needs of a source."""

    def jobs(self) -> AsyncIterator[Job]:
        """All messages to fetch, listed as they are needed."""

    def fetch(self, job: Job) -> AsyncIterator[Fetched]:
        """The messages of one job: one, or more if it had to be split.

        A message that cannot be fetched goes to the report as a problem.
        """


@dataclass
class _Query:
    """What to fetch, from which address.

    Attributes:
        datasets: IRIS datasets; for the archive, empty means all.
        report: Where everything is counted.
    """

    url: str
    span: Span
    datasets: list[str]
    downloader: Downloader
    report: Report


class ArchiveSource(_Query):
    """The IRIS archive: a job is a blob that was uploaded in the span."""

    async def jobs(self) -> AsyncIterator[Job]:
        """Every blob, day by day.

        Raises:
            SourceError: The archive refuses to list, or fails again and again while
                messages can be fetched.
            DownloadError: It does not answer, or the user stops.
        """
        datasets: list[str | None] = [*self.datasets] or [None]
        for window in self.span.pieces(elexon_archive.WINDOW):
            for dataset in datasets:
                async for blob in self._listing(elexon_archive.where(window, dataset)):
                    self.report.add("listed", blob.dataset)
                    yield Job(*blob)

    async def _listing(self, condition: str) -> AsyncIterator[Blob]:
        marker = None
        while True:
            page = await self._page(
                elexon_archive.listing_url(self.url, condition, marker)
            )
            for name in page.other_names:
                self.report.add_problem(
                    "failed", "(unnamed)", f"{name!r}: not a message"
                )
            for blob in page.blobs:
                yield blob
            if page.marker is None:
                return
            if page.marker == marker:
                raise SourceError("the archive repeats a page of its listing")
            marker = page.marker

    async def _page(self, url: str) -> elexon_archive.Page:
        try:
            body = await self.downloader.get(
                url, elexon_archive.MAX_PAGE_BYTES, elexon_archive.LISTING_HEADERS
            )
            return elexon_archive.parse_page(body)
        except RefusedError as error:
            code = elexon_archive.error_code(error.body)
            raise SourceError(
                f"the archive refuses to list: {error} {code}".rstrip()
            ) from None
        except RepeatedFailureError as error:
            raise SourceError(f"the archive does not list: {error}") from None
        except (GoneError, TooLargeError, elexon_archive.ListingError) as error:
            raise SourceError(
                f"{self.url} is not an archive of IRIS: {error}"
            ) from None

    async def fetch(self, job: Job) -> AsyncIterator[Fetched]:
        """The message of one blob, byte for byte."""
        try:
            body = await self.downloader.get(
                elexon_archive.blob_url(self.url, Blob(*job))
            )
            sealed = enclose(body, *job, elexon_archive.SOURCE)
        except FATAL_ERRORS:
            raise
        except GoneError as error:
            self.report.add_problem("gone", job.dataset, f"{job.message_id}: {error}")
        except (DownloadError, UnpublishableError) as error:
            _end_if_general(error)
            self.report.add_problem("failed", job.dataset, f"{job.message_id}: {error}")
        else:
            yield Fetched(job, sealed)


class MissingSource:
    """The messages of an archive that the tables do not have."""

    def __init__(
        self, whole: ArchiveSource, lookup: Lookup, report: Report, patience: Patience
    ) -> None:
        self._whole = whole
        self._lookup = lookup
        self._report = report
        self._patience = patience

    async def jobs(self) -> AsyncIterator[Job]:
        """Lists everything, queries each table once, and yields what is missing.

        Raises:
            TablesError: BigQuery does not answer.
        """
        listed: defaultdict[str, set[str]] = defaultdict(set)
        async for job in self._whole.jobs():
            listed[job.dataset].add(job.message_id)
        before = {dataset: len(ids) for dataset, ids in listed.items()}
        await asyncio.to_thread(self._lookup.remove_known, listed)
        self._patience.succeeded()  # the queries may have taken long
        for dataset, ids in sorted(listed.items()):
            self._report.add("in_tables", dataset, before[dataset] - len(ids))
        for dataset, ids in sorted(listed.items()):
            for message_id in sorted(ids):
                yield Job(dataset, message_id)

    def fetch(self, job: Job) -> AsyncIterator[Fetched]:
        """The message of one blob."""
        return self._whole.fetch(job)


@dataclass
class ApiSource(_Query):
    """The Insights API: a job is a slice of time, and becomes one message.

    Every dataset must have an endpoint.
    """

    _slices: dict[Job, Slice] = field(default_factory=dict, init=False)

    async def jobs(self) -> AsyncIterator[Job]:
        """Every slice, dataset by dataset."""
        for dataset in self.datasets:
            for part in insights_api.slices(dataset, self.span):
                job = Job(dataset, part.message_id)
                self._slices[job] = part
                self.report.add("listed", dataset)
                yield job

    async def fetch(self, job: Job) -> AsyncIterator[Fetched]:
        """The answer of one slice, or of its halves if it is too long."""
        waiting = [self._slices.pop(job)]
        while waiting:
            part = waiting.pop()
            fetched = Job(part.dataset, part.message_id)
            try:
                sealed = await self._answer(part)
            except FATAL_ERRORS:
                raise
            except (DownloadError, UnpublishableError) as error:
                _end_if_general(error)
                halves = part.halves() if _is_too_long(error) else []
                if not halves:
                    text = f"{fetched.message_id}: {error}{_server_text(error)}"
                    self.report.add_problem("failed", fetched.dataset, text)
                waiting += reversed(halves)
            else:
                yield Fetched(fetched, sealed)

    async def _answer(self, part: Slice) -> Envelope | None:
        url = insights_api.slice_url(self.url, part)
        body = await self.downloader.get(url, insights_api.MAX_ANSWER_BYTES)
        if insights_api.is_empty(body):
            return None
        return enclose(body, part.dataset, part.message_id, insights_api.SOURCE)


def _end_if_general(error: Exception) -> None:
    """Ends a run whose other requests would all be refused, too.

    Raises:
        SourceError: The server refuses everything.
    """
    if isinstance(error, RefusedError) and error.is_general:
        raise SourceError(f"the server refuses to answer: {error}")


def _is_too_long(error: Exception) -> bool:
    """Whether a shorter slice may succeed."""
    if isinstance(error, RefusedError):
        return insights_api.TOO_LONG_TEXT in error.body
    return isinstance(error, TooLargeError | UnpublishableError)


def _server_text(error: Exception) -> str:
    """The server's text with a refusal, on one line."""
    if not isinstance(error, RefusedError):
        return ""
    text = " ".join(error.body.decode(errors="replace").split())
    return f" {text[:200]!r}" if text else ""
