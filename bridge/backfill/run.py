"""Run: a backfill from its start to its end."""

import asyncio
import signal
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.backfill.download import (
    Downloader,
    GaveUpError,
    Patience,
    RateLimiter,
    StoppedError,
)
from bridge.backfill.journal import Journal
from bridge.backfill.reconciliation import Lookup, TablesError
from bridge.backfill.report import Report, say
from bridge.backfill.sources import (
    ApiSource,
    ArchiveSource,
    MissingSource,
    Source,
    SourceError,
)
from bridge.backfill.transfer import PublishError, Transfer
from bridge.publisher import Publisher
from bridge.settings import Destination
from bridge.span import Span, seconds_text
from command import network, signals
from command.tables_path import TablesPath
from command.usage import FAILED, INTERRUPTED

# What ends a run early; the user sees the text.
ENDING_ERRORS = (GaveUpError, SourceError, TablesError, PublishError, OSError)

PROGRESS_SECONDS = 5.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Request:
    """What the user wants to publish, and how.

    Attributes:
        datasets: IRIS datasets; empty for all of the archive.
        via: `archive` or `api`.
        url: The address of the archive or of the API.
        missing_in: Publish only messages that these tables do not have.
        is_dry_run: List only.
        is_again: Publish a finished span again.
        rate: Requests per second.
    """

    span: Span
    datasets: list[str]
    via: str
    url: str
    destination: Destination
    missing_in: TablesPath | None
    is_dry_run: bool
    is_again: bool
    journal_folder: Path
    concurrency: int
    rate: float
    patience_seconds: float

    def identity(self) -> dict[str, Any]:
        """The values in which two commands are the same and share a journal."""
        return {
            "via": self.via,
            "from": seconds_text(self.span.start),
            "to": seconds_text(self.span.end),
            "datasets": sorted(self.datasets),
            "missing": self.missing_in is not None,
            "url": self.url,
            "topic": self.destination.topic,
            "emulator": self.destination.emulator_host,
        }


class Backfill:
    """One run of the command."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._report = Report("slices") if request.via == "api" else Report()

    def run(self) -> int:
        """Publishes and reports; returns the exit code.

        Raises:
            UsageError: The journal, the tables or credentials are not available.
        """
        request = self._request
        _say_if_unreachable(request)
        try:
            lookup = self._lookup()
        except TablesError as error:
            say(str(error))
            return FAILED
        if request.is_dry_run:
            return asyncio.run(self._work(lookup, None))
        with closing(Journal(request.journal_folder, request.identity())) as journal:
            if journal.finished and request.is_again:
                journal.start_over()
            if journal.finished and not lookup:
                say(
                    f"nothing to do: all {len(journal.keys):,} messages were "
                    f"published, finished {journal.finished}; "
                    "--again publishes them once more"
                )
                return 0
            if journal.keys:
                say(f"continuing: {len(journal.keys):,} messages were published before")
            return asyncio.run(self._work(lookup, journal))

    def _lookup(self) -> Lookup | None:
        if not self._request.missing_in:
            return None
        lookup = Lookup(self._request.missing_in)
        lookup.check()
        return lookup

    async def _work(self, lookup: Lookup | None, journal: Journal | None) -> int:
        """Publishes and notes it in the journal; without one it only lists."""
        request = self._request
        patience = Patience(request.patience_seconds)
        _stop_on_signals(patience)
        limiter = RateLimiter(request.rate)
        downloader = Downloader(limiter, patience, request.concurrency)
        source = self._source(downloader, lookup, patience)
        started = time.monotonic()
        progress = asyncio.create_task(self._show_progress(patience, started))
        reason = None
        try:
            if journal:
                await self._transfer(source, journal, patience)
            else:
                await _list(source)
        except ENDING_ERRORS as error:
            reason = str(error)
        finally:
            progress.cancel()
            await downloader.close()
        self._report.show(
            time.monotonic() - started,
            missing=lookup is not None,
            dry_run=request.is_dry_run,
        )
        return self._end(journal, patience, reason)

    def _source(
        self, downloader: Downloader, lookup: Lookup | None, patience: Patience
    ) -> Source:
        request = self._request
        query = (request.url, request.span, request.datasets, downloader, self._report)
        if request.via == "api":
            return ApiSource(*query)
        whole = ArchiveSource(*query)
        if not lookup:
            return whole
        return MissingSource(whole, lookup, self._report, patience)

    async def _transfer(
        self, source: Source, journal: Journal, patience: Patience
    ) -> None:
        """Publishes; after Ctrl-C messages in flight have `STOP_SECONDS` to finish."""
        destination = self._request.destination
        topic = Publisher(destination.topic, destination.emulator_host)
        transfer = Transfer(
            source, topic, journal, self._report, patience, self._request.concurrency
        )
        running = asyncio.create_task(transfer.run())
        stopping = asyncio.create_task(patience.stopping.wait())
        await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
        try:
            if not running.done():
                await asyncio.wait([running], timeout=STOP_SECONDS)
            if running.done():
                running.result()
        finally:
            running.cancel()
            stopping.cancel()
            await asyncio.gather(running, stopping, return_exceptions=True)
            await topic.close()

    async def _show_progress(self, patience: Patience, started: float) -> None:
        """Prints a line every few seconds; never ends."""
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            line = self._report.progress(time.monotonic() - started)
            if patience.last_error:
                line += f"; {patience.failures:,} failures, last: {patience.last_error}"
            say(line)

    def _end(
        self, journal: Journal | None, patience: Patience, reason: str | None
    ) -> int:
        """Says how it ended, and notes a complete run; returns the exit code."""
        report = self._report
        if reason:
            say(f"gave up: {reason}; run the same command again to continue")
            return FAILED
        if patience.stopping.is_set():
            say("stopped; run the same command again to continue")
            return INTERRUPTED
        if report.total("gone") or report.total("failed"):
            say("some messages could not be fetched; the same command tries them again")
            return FAILED
        if not journal:
            return 0
        if self._request.missing_in and report.total("before"):
            say(
                f"{report.total('before'):,} were published before and have no row "
                "yet: on their way, or duplicates; --again publishes them once more"
            )
        try:
            journal.finish(datetime.now(UTC))
        except OSError as error:
            say(f"all is published, but the journal could not note it: {error}")
            return FAILED
        return 0


def _say_if_unreachable(request: Request) -> None:
    """Says that there is no network: the attempts that follow may fail for minutes."""
    server = network.server_of(request.url)
    if error := network.failure(server):
        say(
            f"no network: {server} {network.why(error)}; trying again for "
            f"{request.patience_seconds:g} s (--patience), Ctrl-C stops"
        )


async def _list(source: Source) -> None:
    with suppress(StoppedError):
        async for _ in source.jobs():
            pass


def _stop_on_signals(patience: Patience) -> None:
    def stop(_number: signal.Signals) -> None:
        say("stopping after the messages in flight")
        patience.stopping.set()

    signals.on_stop_in_loop(stop)
