"""Backfill: publishes what Elexon's archive, or its API, holds of a span of time.

A run that ends early is taken up by the same command. A message may be published twice,
by a kill between Pub/Sub's answer and the journal; identical records are dropped later.
"""

import argparse
import asyncio
import re
import signal
import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge import settings, warehouse
from bridge.backfill import elexon_archive, insights_api
from bridge.backfill.download import (
    Downloader,
    GaveUpError,
    Pace,
    Patience,
    StoppedError,
)
from bridge.backfill.journal import Journal
from bridge.backfill.reconciliation import Lookup, Tables, TablesError
from bridge.backfill.sources import (
    ApiSource,
    ArchiveSource,
    MissingSource,
    Source,
    SourceError,
)
from bridge.backfill.tally import Tally
from bridge.backfill.transfer import PublishError, Transfer
from bridge.publisher import Publisher
from bridge.settings import Destination
from bridge.span import Span, moment_option, seconds_text
from command import signals
from command.quantity import between
from command.text import printable, size_text
from command.usage import FAILED, INTERRUPTED, UsageError

# What ends a run early, for a reason that the user is told.
ENDING_ERRORS = (GaveUpError, SourceError, TablesError, PublishError, OSError)

DEFAULT_JOURNAL = Path(".gb-iris/backfill")
DEFAULT_CONCURRENCY = 8
# A day of IRIS is some 90,000 messages: half an hour. Elexon names no limit; a few
# browsers ask as much of a CDN.
DEFAULT_RATE = 50.0
MAX_CONCURRENCY = 64
DEFAULT_PATIENCE_SECONDS = 900.0

PROGRESS_SECONDS = 5.0
STOP_SECONDS = 20.0
URL_PATTERN = re.compile(r"https?://[^\s/?#]+[^\s?#]*")

EPILOG = """\
Times are UTC, of the upload to IRIS; the end is not part of the span. Where to publish
is set as for the bridge: PUBSUB_TOPIC, PUBSUB_EMULATOR_HOST.

--missing asks the tables for the ids of messages. A message whose every record is
identical to records of other messages has no row of its own: it counts as missing, is
published again, and its records are counted as duplicates.

exit codes: 0 all published, 1 something is left (run the same command again: it goes
on), 2 an option must be corrected, 130 stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    what = parser.add_argument_group("what to publish")
    for name, dest, text in (
        ("--from", "start", "2026-05-06, 2026-05-06T02:30 or 2026-05-06T02:30:00Z"),
        ("--to", "end", "the time at which to end"),
    ):
        what.add_argument(
            name,
            dest=dest,
            type=moment_option,
            required=True,
            metavar="TIME",
            help=text,
        )
    what.add_argument(
        "--missing",
        action="store_true",
        help="only messages that the BigQuery tables do not know",
    )
    what.add_argument(
        "--via",
        choices=("archive", "api"),
        default="archive",
        help="Elexon's IRIS archive, or its Insights API, one message a day or hour "
        "(default: %(default)s)",
    )
    what.add_argument("--dry-run", action="store_true", help="list and report only")
    what.add_argument(
        "--again", action="store_true", help="publish a finished span once more"
    )
    _configure_how(parser, what)


def _configure_how(
    parser: argparse.ArgumentParser, what: argparse._ActionsContainer
) -> None:
    how = parser.add_argument_group("how")
    how.add_argument(
        "--concurrency",
        type=between(1, MAX_CONCURRENCY, int),
        default=DEFAULT_CONCURRENCY,
        help="requests at once (default %(default)s)",
    )
    how.add_argument(
        "--rate",
        type=between(0.01, 10_000),
        default=DEFAULT_RATE,
        help="requests a second (default %(default)s)",
    )
    how.add_argument(
        "--patience",
        type=between(0, 1e6),
        default=DEFAULT_PATIENCE_SECONDS,
        metavar="SECONDS",
        help="give up when nothing succeeds for so long (default %(default)s)",
    )
    how.add_argument(
        "--journal",
        type=Path,
        default=DEFAULT_JOURNAL,
        metavar="DIR",
        help="where to note what is published (default %(default)s)",
    )
    warehouse.add_options(how, what)
    for name, url in (
        ("archive", elexon_archive.ARCHIVE_URL),
        ("api", insights_api.API_URL),
    ):
        text = "another than Elexon's (default: %(default)s)"
        how.add_argument(f"--{name}", type=_url, default=url, metavar="URL", help=text)


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        UsageError: An option or a setting must be corrected.
    """
    return Command(options, settings.destination_from_process()).run()


class Command:
    """One run of the command line."""

    def __init__(self, options: argparse.Namespace, destination: Destination) -> None:
        """Checks the options.

        Raises:
            UsageError: They do not fit together.
        """
        self._options = options
        self._destination = destination
        self._span = Span(options.start, options.end).widened()
        self._path = warehouse.tables_path(options, destination)
        self._tally = Tally("slices") if options.via == "api" else Tally()
        self._datasets = warehouse.iris_datasets(options)
        _check(options, self._span)
        if options.via == "api":
            self._datasets = _api_datasets(self._datasets)

    def run(self) -> int:
        """Publishes and reports; returns the exit code.

        Raises:
            UsageError: Something that it needs is not there.
        """
        options = self._options
        try:
            lookup = self._lookup() if options.missing else None
        except TablesError as error:
            _say(str(error))
            return FAILED
        if options.dry_run:
            return asyncio.run(self._work(lookup, None))
        with closing(Journal(options.journal, self._identity())) as journal:
            if journal.finished and options.again:
                journal.begin_anew()
            if journal.finished and not options.missing:
                _say(
                    f"nothing to do: all {len(journal.keys):,} messages were "
                    f"published, finished {journal.finished}; "
                    "--again publishes them once more"
                )
                return 0
            if journal.keys:
                _say(f"going on: {len(journal.keys):,} messages were published before")
            return asyncio.run(self._work(lookup, journal))

    def _lookup(self) -> Lookup:
        lookup = Lookup(Tables(self._path))
        lookup.check()
        return lookup

    def _identity(self) -> dict[str, Any]:
        """What makes two commands the same."""
        options = self._options
        return {
            "via": options.via,
            "from": seconds_text(self._span.start),
            "to": seconds_text(self._span.end),
            "datasets": sorted(self._datasets),
            "missing": options.missing,
            "url": options.api if options.via == "api" else options.archive,
            "topic": self._destination.topic,
            "emulator": self._destination.emulator_host,
        }

    async def _work(self, lookup: Lookup | None, journal: Journal | None) -> int:
        """Transfers with a journal; without one it only lists."""
        options = self._options
        patience = Patience(options.patience)
        _stop_on_signals(patience)
        downloader = Downloader(Pace(options.rate), patience, options.concurrency)
        source = self._source(downloader, lookup, patience)
        started = time.monotonic()
        progress = asyncio.create_task(self._tell(patience, started))
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
        self._report(time.monotonic() - started)
        return self._end(journal, patience, reason)

    def _source(
        self, downloader: Downloader, lookup: Lookup | None, patience: Patience
    ) -> Source:
        options = self._options
        common = (self._span, self._datasets, downloader, self._tally)
        if options.via == "api":
            return ApiSource(options.api, *common)
        whole = ArchiveSource(options.archive, *common)
        if not lookup:
            return whole
        return MissingSource(whole, lookup, self._tally, patience)

    async def _transfer(
        self, source: Source, journal: Journal, patience: Patience
    ) -> None:
        """Runs the transfer; after Ctrl-C what is in hand has `STOP_SECONDS`."""
        topic = Publisher(self._destination.topic, self._destination.emulator_host)
        transfer = Transfer(
            source, topic, journal, self._tally, patience, self._options.concurrency
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

    async def _tell(self, patience: Patience, started: float) -> None:
        """Says how far it is every few seconds; never ends."""
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            seconds = time.monotonic() - started
            counts = ", ".join(
                f"{self._tally.total(name):,} {name}"
                for name in ("listed", "fetched", "published")
            )
            line = (
                f"{seconds:.0f} s: {counts}, {size_text(self._tally.bytes_published)}, "
                f"{self._tally.total('published') / seconds:.0f}/s"
            )
            if patience.last_error:
                line += f"; {patience.failures:,} failures, last: {patience.last_error}"
            _say(line)

    def _report(self, seconds: float) -> None:
        """The table on standard output, all else on standard error."""
        tally, options = self._tally, self._options
        columns = ["in_tables"] if options.missing else []
        if not options.dry_run:
            columns.append("published")
        for line in tally.table(columns):
            print(line)
        for complaint in tally.complaints:
            _say(complaint)
        if tally.unsaid:
            _say(f"and {tally.unsaid:,} more")
        if not options.dry_run:
            size = size_text(tally.bytes_published)
            count = tally.total("published")
            _say(f"published {count:,} messages, {size}, in {seconds:.0f} s")

    def _end(
        self, journal: Journal | None, patience: Patience, reason: str | None
    ) -> int:
        """Says how it ended; notes a complete run in the journal."""
        tally = self._tally
        if reason:
            _say(f"gave up: {reason}; run the same command again, it goes on")
            return FAILED
        if patience.stopping.is_set():
            _say("stopped; run the same command again, it goes on")
            return INTERRUPTED
        if tally.total("gone") or tally.total("failed"):
            _say("not everything could be had; the same command tries that again")
            return FAILED
        if journal:
            if self._options.missing and tally.total("before"):
                _say(
                    f"{tally.total('before'):,} were published before and have no row "
                    "yet: on their way, or duplicates; --again publishes them once more"
                )
            try:
                journal.finish(datetime.now(UTC))
            except OSError as error:
                _say(f"all is published, but the journal does not say so: {error}")
                return FAILED
        return 0


async def _list(source: Source) -> None:
    with suppress(StoppedError):
        async for _ in source.jobs():
            pass


def _check(options: argparse.Namespace, span: Span) -> None:
    if span.start >= span.end:
        raise UsageError("--to must be later than --from")
    if options.via == "api" and options.missing:
        raise UsageError("--missing compares with the archive, not with the API")
    if options.via == "archive" and span.end > datetime.now(UTC):
        raise UsageError("--to lies in the future: more messages are to come")


def _api_datasets(asked: list[str]) -> list[str]:
    """The datasets to ask of the API.

    Raises:
        UsageError: One was asked for that it does not give.
    """
    known = insights_api.endpoints()
    if strange := [dataset for dataset in asked if dataset not in known]:
        raise UsageError(
            f"--iris-dataset: the API has no {', '.join(strange)} in IRIS's form; "
            "take --via archive"
        )
    if not asked:
        _say(
            f"the API gives {len(known)} datasets in IRIS's form; for the others take "
            "--via archive"
        )
    return asked or list(known)


def _stop_on_signals(patience: Patience) -> None:
    def stop(_number: signal.Signals) -> None:
        _say("stopping; what is in flight is finished first")
        patience.stopping.set()

    signals.on_stop_in_loop(stop)


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


def _url(text: str) -> str:
    if not URL_PATTERN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address (https://...)")
    return text.rstrip("/")
