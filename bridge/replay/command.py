"""`python -m bridge replay`: publishes dead letters and unmapped messages again.

Bytes and attributes are those that came. What has become a row is left alone, and what
Pub/Sub has taken is written down, so that a second run publishes nothing twice. A crash
in between means a second replay, never a loss.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from google.api_core.exceptions import (
    GoogleAPICallError,
    GoogleAPIError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from bridge import publisher, settings, warehouse
from bridge.publisher import Publisher
from bridge.replay import held
from bridge.replay.held import Planned, Replay, Selection, Tables, Wish
from bridge.span import moment_option
from command.text import one_line, printable
from command.usage import FAILED, INTERRUPTED, UsageError

# A Pub/Sub that is away for longer wants a person.
PUBLISH_ATTEMPTS = 6
FIRST_DELAY_SECONDS = 0.5
PROGRESS_SECONDS = 5.0

# The general one, since the client's own patience ends in a RetryError.
BIGQUERY_ERRORS = (GoogleAPIError, GoogleAuthError, RequestException)

UNREADABLE = "UNREADABLE"  # of the pipeline's reasons, the one for files
COLUMNS = (
    *("chosen", "published", "already rows", "in flight", "failed again"),
    *("unknown dataset", "no payload"),
)
# What a message that a replay opened became is rows, or stands in rows of its own.
_STATES = {
    "ROW": "already rows",
    "OPENED": "already rows",
    "REPLAYED": "in flight",
    "FAILED_AGAIN": "failed again",
    "UNKNOWN_DATASET": "unknown dataset",
    "WAITING": "waiting",
}


class ReplayError(Exception):
    """What ended the run, in one line."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.epilog = (
        "PUBSUB_TOPIC, of the environment or .env, says where to publish; the view "
        "iris_held shows what came of it. BIGQUERY_EMULATOR_HOST and "
        "PUBSUB_EMULATOR_HOST name local servers."
    )
    parser.add_argument(
        "--reason",
        action="append",
        default=[],
        type=str.upper,
        metavar="R",
        help="only this reason code, UNMAPPED for unmapped messages; repeatable",
    )
    parser.add_argument(
        "--since",
        type=moment_option,
        metavar="T",
        help="only what failed then or later: 2026-05-06 or 2026-05-06T09:00:00Z",
    )
    parser.add_argument(
        "--until", type=moment_option, metavar="T", help="only what failed before"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="also what was replayed, and of which nothing has come",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what it would do, publish nothing"
    )
    warehouse.add_options(parser, parser)


def run(options: argparse.Namespace) -> int:
    """Publishes what the user names, and shows what came of it.

    Raises:
        UsageError: The user must correct something.
    """
    destination = settings.destination_from_process()
    if options.since and options.until and options.since >= options.until:
        raise UsageError("--until must be later than --since")
    path = warehouse.tables_path(options, destination)
    report = Report()
    try:
        tables = Tables(warehouse.connect(path), path)
        selection = tables.select(_wish(options))
        pages = list(held.pages(report.noted(selection.plan())))
        if not options.dry_run:
            if pages:
                asyncio.run(_publish(destination, tables, selection, pages, report))
            if not tables.mark():
                report.notes.append(
                    "replayed_utc of the newest dead letters follows at the next run: "
                    "BigQuery cannot change them yet (iris_held has it already)"
                )
    except KeyboardInterrupt:
        if report.total("published"):
            report.show(dry_run=False)
        print("replay: stopped; another run goes on", file=sys.stderr)
        return INTERRUPTED
    except ReplayError as error:
        report.show(dry_run=options.dry_run)
        return _failed(f"{error}; another run goes on")
    except BIGQUERY_ERRORS as error:
        return _failed(f"BigQuery refused: {one_line(error)}")
    report.show(dry_run=options.dry_run)
    return 1 if report.refused else 0


def _failed(text: str) -> int:
    print(f"replay: {text}", file=sys.stderr)
    return FAILED


def _wish(options: argparse.Namespace) -> Wish:
    return Wish(
        tuple(options.reason),
        tuple(warehouse.iris_datasets(options)),
        options.since,
        options.until,
        options.again,
    )


@dataclass
class Report:
    """What is held, and what has been done.

    Attributes:
        counts: By dataset, reason and column of `COLUMNS`.
        twins: Letters whose record another letter stands for.
        left: Those in flight that are not sent once more.
        refused: Messages that Pub/Sub refused.
        notes: What else the user should know, one line each.
    """

    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    twins: int = 0
    left: int = 0
    refused: int = 0
    notes: list[str] = field(default_factory=list)

    def noted(self, plan: Iterable[Planned]) -> Iterator[Planned]:
        """Counts what passes through."""
        for each in plan:
            row = self._row(each.dataset, each.reason)
            row["chosen"] += each.chosen
            row[_STATES[each.state]] += 1
            if each.absent and each.state not in ("ROW", "OPENED"):
                row["no payload"] += 1
            elif not each.chosen:
                self.left += each.state == held.IN_FLIGHT
                self.twins += each.state in held.FAILED
            yield each

    def published(self, replays: Iterable[Replay]) -> None:
        """Counts what Pub/Sub has taken."""
        for replay in replays:
            self._row(replay.row["dataset"], replay.row["reason"])["published"] += 1

    def _row(self, dataset: str | None, reason: str) -> Counter[str]:
        return self.counts.setdefault((dataset or "unknown", reason), Counter())

    def total(self, column: str) -> int:
        """The sum of a column of `COLUMNS`."""
        return sum(row[column] for row in self.counts.values())

    def show(self, *, dry_run: bool) -> None:
        """Prints the table, and what to do about the rest."""
        if not self.counts:
            print("nothing is held that fits")
            return
        print(self._table())
        if dry_run:
            print(
                f"{self.total('chosen'):,} would be published; nothing was (--dry-run)"
            )
        if self.twins:
            print(f"{self.twins:,} hold a record that another one holds: one is enough")
        if self.left:
            print(
                f"{self.left:,} were replayed before and are no rows yet: when the "
                "pipeline has caught up, --again sends them once more"
            )
        if unknown := self.total("unknown dataset"):
            print(
                f"{unknown:,} are of datasets that the registry does not know: "
                "`python -m sql drift` shows them"
            )
        files = (row for (_, why), row in self.counts.items() if why == UNREADABLE)
        if unreadable := sum(row["no payload"] for row in files):
            print(
                f"{unreadable:,} are files that could not be read, which `error` in "
                "iris_held names: `python -m pipeline --files` reads them again"
            )
        if absent := self.total("no payload") - unreadable:
            print(
                f"{absent:,} were too large for a row, and are in the raw archive: "
                "`python -m pipeline --files` with the archive's files of that dataset "
                "and hour makes rows of them"
            )
        if published := self.total("published"):
            print(
                f"{published:,} are in Pub/Sub: when the pipeline has taken them, "
                "iris_held shows what came of each"
            )
        if self.refused:
            print(f"{self.refused:,} were refused by Pub/Sub: see above")
        for note in self.notes:
            print(note)

    def _table(self) -> str:
        lines = [["dataset", "reason", *COLUMNS]]
        for (dataset, reason), row in sorted(self.counts.items()):
            figures = [f"{row[column]:,}" for column in COLUMNS]
            lines.append([printable(dataset), printable(reason), *figures])
        sums = [f"{self.total(column):,}" for column in COLUMNS]
        lines.append(["total", "", *sums])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if index < 2 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


async def _publish(
    destination: settings.Destination,
    tables: Tables,
    selection: Selection,
    pages: Sequence[range],
    report: Report,
) -> None:
    """Publishes page by page; each request is written down when Pub/Sub has it."""
    sender = Publisher(destination.topic, destination.emulator_host)
    told = time.monotonic()
    try:
        for page in pages:
            replays = await asyncio.to_thread(selection.read, page)
            sizes = [replay.envelope.size_bytes for replay in replays]
            for part in publisher.requests(sizes):
                taken = await _deliver(sender, replays[part.start : part.stop], report)
                await _record(tables, taken)
                report.published(taken)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                done, chosen = report.total("published"), report.total("chosen")
                print(f"published {done:,} of {chosen:,}", file=sys.stderr)
    finally:
        await sender.close()


async def _deliver(
    sender: Publisher, replays: Sequence[Replay], report: Report
) -> Sequence[Replay]:
    """Publishes one request; returns what Pub/Sub has taken of it.

    Raises:
        ReplayError: Pub/Sub cannot be reached.
    """
    delay_seconds = FIRST_DELAY_SECONDS
    for attempt in range(PUBLISH_ATTEMPTS):
        if attempt:
            await asyncio.sleep(delay_seconds)
            delay_seconds *= 2
        try:
            await sender.publish(replay.envelope for replay in replays)
        except InvalidArgument as error:
            if len(replays) > 1:  # one that it does not like costs the others nothing
                parts = [await _deliver(sender, [each], report) for each in replays]
                return [each for part in parts for each in part]
            report.refused += 1
            message_id = printable(str(replays[0].row["message_id"]))
            print(f"replay: {message_id}: {one_line(error)}", file=sys.stderr)
            return []
        except (NotFound, PermissionDenied) as error:
            advice = publisher.advice(error, sender.topic)
            raise ReplayError(f"{one_line(error)}; {advice}") from None
        except GoogleAPICallError as error:
            last = one_line(error)
        else:
            return replays
    raise ReplayError(f"{last}; check the network and PUBSUB_EMULATOR_HOST")


async def _record(tables: Tables, replays: Sequence[Replay]) -> None:
    """Writes down what Pub/Sub has taken, whatever happens meanwhile.

    Raises:
        ReplayError: It cannot be written down.
    """
    if not replays:
        return
    writing = asyncio.create_task(asyncio.to_thread(tables.record, replays))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise
    except (*BIGQUERY_ERRORS, OSError, RuntimeError) as error:
        raise ReplayError(
            f"{len(replays)} messages are published and not in iris_replays "
            f"({one_line(error)})"
        ) from None
