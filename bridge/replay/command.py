"""`python -m bridge replay`: publishes dead letters and unmapped messages again.

Messages keep their bytes and attributes. A message that has become a row is left out,
and so is one that Pub/Sub has already: a second run publishes nothing twice. A crash in
between causes a second replay, never a loss.
"""

import argparse
import asyncio
import sys

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from bridge import settings, warehouse
from bridge.replay import held, transfer
from bridge.replay.held import Selection, Tables
from bridge.replay.report import Report
from bridge.replay.transfer import ReplayError
from bridge.settings import Destination
from bridge.span import moment_option
from command.tables_path import TablesPath
from command.text import one_line
from command.usage import FAILED, INTERRUPTED, UsageError

EPILOG = """\
PUBSUB_TOPIC, in the environment or in .env, says where to publish; the view iris_held
shows what became of each message. BIGQUERY_EMULATOR_HOST and PUBSUB_EMULATOR_HOST name
local servers.

exit codes: 0 all published, 1 something is left (run the same command again: it
continues), 2 an option must be corrected, 130 stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
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
        help="also what was replayed and has no result yet",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what it would do, publish nothing"
    )
    warehouse.add_options(parser, parser)


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        UsageError: An option or a setting must be corrected.
    """
    destination = settings.destination_from_process()
    if options.since and options.until and options.since >= options.until:
        raise UsageError("--until must be later than --since")
    path = warehouse.tables_path(options, destination)
    report, is_dry_run = Report(), options.dry_run
    try:
        _replay(path, _selection(options), destination, report, is_dry_run=is_dry_run)
    except KeyboardInterrupt:
        if report.total("published"):
            report.show(is_dry_run=False)
        print("replay: stopped; run it again to continue", file=sys.stderr)
        return INTERRUPTED
    except ReplayError as error:
        report.show(is_dry_run=is_dry_run)
        return _failed(f"{error}; run it again to continue")
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        return _failed(f"BigQuery does not answer: {one_line(error)}")
    report.show(is_dry_run=is_dry_run)
    return FAILED if report.refused else 0


def _replay(
    path: TablesPath,
    selection: Selection,
    destination: Destination,
    report: Report,
    *,
    is_dry_run: bool,
) -> None:
    tables = Tables(warehouse.connect(path), path)
    snapshot = tables.select(selection)
    pages = list(held.pages(report.counted(snapshot.plan())))
    if is_dry_run:
        return
    if pages:
        asyncio.run(transfer.publish(destination, tables, snapshot, pages, report))
    if not tables.mark():
        report.notes.append(
            "replayed_utc of the newest dead letters is set by the next run: BigQuery "
            "cannot change them yet (iris_held shows it already)"
        )


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(
        tuple(options.reason),
        tuple(warehouse.iris_datasets(options)),
        options.since,
        options.until,
        options.again,
    )


def _failed(text: str) -> int:
    print(f"replay: {text}", file=sys.stderr)
    return FAILED
