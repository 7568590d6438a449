"""Sources: where a backfill has its messages from, one after another."""

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
    StoppedError,
    StubbornError,
    TooLargeError,
)
from bridge.backfill.elexon_archive import Blob
from bridge.backfill.insights_api import Slice
from bridge.backfill.reconciliation import Lookup
from bridge.backfill.tally import Tally
from bridge.envelope import Envelope, UnpublishableError, enclose
from bridge.span import Span

# What ends a backfill, whichever request it befell.
FATAL_ERRORS = (GaveUpError, StoppedError)


class SourceError(Exception):
    """The source cannot be used at all; the text is one line."""


class Job(NamedTuple):
    """One message to fetch."""

    dataset: str
    message_id: str


class Parcel(NamedTuple):
    """One message fetched; without an envelope there is nothing to publish."""

    job: Job
    envelope: Envelope | None


class Source(Protocol):
    """What a transfer needs of a source."""

    def jobs(self) -> AsyncIterator[Job]:
        """Everything there is, listed as it is needed."""

    def parcels(self, job: Job) -> AsyncIterator[Parcel]:
        """The messages of one job: one, or more if it had to be split.

        What cannot be had is told to the tally, and is no parcel.
        """


@dataclass
class _Asked:
    """What Elexon has of a span, at an address.

    Attributes:
        url: The address.
        span: From when to when.
        datasets: Of which datasets.
        downloader: What asks.
        tally: Where it is counted.
    """

    url: str
    span: Span
    datasets: list[str]
    downloader: Downloader
    tally: Tally


class ArchiveSource(_Asked):
    """The IRIS archive: jobs are blobs that were uploaded in a span.

    Without datasets, those of all there are.
    """

    async def jobs(self) -> AsyncIterator[Job]:
        """Every blob, day by day.

        Raises:
            SourceError: The archive refuses the question, or fails at it again and
                again while messages come.
            DownloadError: It does not answer, or the user stops.
        """
        datasets: list[str | None] = [*self.datasets] or [None]
        for window in self.span.pieces(elexon_archive.WINDOW):
            for dataset in datasets:
                async for blob in self._listing(elexon_archive.where(window, dataset)):
                    self.tally.add("listed", blob.dataset)
                    yield Job(*blob)

    async def _listing(self, condition: str) -> AsyncIterator[Blob]:
        marker = None
        while True:
            page = await self._page(
                elexon_archive.listing_url(self.url, condition, marker)
            )
            for name in page.strangers:
                self.tally.complain("failed", "(unnamed)", f"{name!r}: not a message")
            for blob in page.blobs:
                yield blob
            if page.marker is None:
                return
            if page.marker == marker:
                raise SourceError("the archive's listing does not go on")
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
        except StubbornError as error:
            raise SourceError(f"the archive does not list: {error}") from None
        except (GoneError, TooLargeError, elexon_archive.ListingError) as error:
            raise SourceError(
                f"{self.url} does not list as an archive does: {error}"
            ) from None

    async def parcels(self, job: Job) -> AsyncIterator[Parcel]:
        """The message of one blob, byte for byte."""
        try:
            body = await self.downloader.get(
                elexon_archive.blob_url(self.url, Blob(*job))
            )
            sealed = enclose(body, *job, elexon_archive.SOURCE)
        except FATAL_ERRORS:
            raise
        except GoneError as error:
            self.tally.complain("gone", job.dataset, f"{job.message_id}: {error}")
        except (DownloadError, UnpublishableError) as error:
            _end_if_general(error)
            self.tally.complain("failed", job.dataset, f"{job.message_id}: {error}")
        else:
            yield Parcel(job, sealed)


class MissingSource:
    """Of another source only what has left no trace in the tables."""

    def __init__(
        self, whole: ArchiveSource, lookup: Lookup, tally: Tally, patience: Patience
    ) -> None:
        """Asks nothing yet."""
        self._whole = whole
        self._lookup = lookup
        self._tally = tally
        self._patience = patience

    async def jobs(self) -> AsyncIterator[Job]:
        """Lists everything, asks each table once, and gives what is missing.

        Raises:
            TablesError: BigQuery does not answer.
        """
        listed: defaultdict[str, set[str]] = defaultdict(set)
        async for job in self._whole.jobs():
            listed[job.dataset].add(job.message_id)
        before = {dataset: len(ids) for dataset, ids in listed.items()}
        await asyncio.to_thread(self._lookup.remove_known, listed)
        self._patience.succeeded()  # however long it took
        for dataset, ids in sorted(listed.items()):
            self._tally.add("in_tables", dataset, before[dataset] - len(ids))
        for dataset, ids in sorted(listed.items()):
            for message_id in sorted(ids):
                yield Job(dataset, message_id)

    def parcels(self, job: Job) -> AsyncIterator[Parcel]:
        """What the other source gives."""
        return self._whole.parcels(job)


@dataclass
class ApiSource(_Asked):
    """The Insights API: jobs are slices of time, each a message of its own.

    Every dataset must have an endpoint.
    """

    _slices: dict[Job, Slice] = field(default_factory=dict, init=False)

    async def jobs(self) -> AsyncIterator[Job]:
        """Every slice, dataset by dataset."""
        for dataset in self.datasets:
            for question in insights_api.slices(dataset, self.span):
                job = Job(dataset, question.message_id)
                self._slices[job] = question
                self.tally.add("listed", dataset)
                yield job

    async def parcels(self, job: Job) -> AsyncIterator[Parcel]:
        """The answer of one slice, or of its halves where it is too long."""
        waiting = [self._slices.pop(job)]
        while waiting:
            question = waiting.pop()
            asked = Job(question.dataset, question.message_id)
            try:
                sealed = await self._answer(question)
            except FATAL_ERRORS:
                raise
            except (DownloadError, UnpublishableError) as error:
                _end_if_general(error)
                halves = question.halves() if _is_too_long(error) else []
                if not halves:
                    text = f"{asked.message_id}: {error}{_words(error)}"
                    self.tally.complain("failed", asked.dataset, text)
                waiting += reversed(halves)
            else:
                yield Parcel(asked, sealed)

    async def _answer(self, question: Slice) -> Envelope | None:
        url = insights_api.slice_url(self.url, question)
        body = await self.downloader.get(url, insights_api.MAX_ANSWER_BYTES)
        if insights_api.is_empty(body):
            return None
        return enclose(body, question.dataset, question.message_id, insights_api.SOURCE)


def _end_if_general(error: Exception) -> None:
    """Ends a run that would only be refused again, thousands of times.

    Raises:
        SourceError: The server refuses everything.
    """
    if isinstance(error, RefusedError) and error.is_general:
        raise SourceError(f"the server refuses to answer: {error}")


def _is_too_long(error: Exception) -> bool:
    """Whether a shorter slice may succeed."""
    if isinstance(error, RefusedError):
        return insights_api.LENGTH_WORDS in error.body
    return isinstance(error, TooLargeError | UnpublishableError)


def _words(error: Exception) -> str:
    """What the server said of a refusal, on one line."""
    if not isinstance(error, RefusedError):
        return ""
    text = " ".join(error.body.decode(errors="replace").split())
    return f" {text[:200]!r}" if text else ""
