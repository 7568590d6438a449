"""`python -m bridge backfill`: its options.

The same command continues a run that ended early. A message may be published twice, if
a kill comes between Pub/Sub's answer and the journal; identical records are dropped
later.
"""

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

from bridge import settings, warehouse
from bridge.backfill import elexon_archive, insights_api
from bridge.backfill.report import say
from bridge.backfill.run import Backfill, Request
from bridge.settings import Destination
from bridge.span import Span, moment_option
from command.quantity import between
from command.usage import UsageError

DEFAULT_JOURNAL = Path(".gb-iris/backfill")
DEFAULT_CONCURRENCY = 8
# A day of IRIS is some 90,000 messages: half an hour. Elexon names no limit; a few
# browsers send as many requests to a CDN.
DEFAULT_RATE = 50.0
MAX_CONCURRENCY = 64
DEFAULT_PATIENCE_SECONDS = 900.0

URL_PATTERN = re.compile(r"https?://[^\s/?#]+[^\s?#]*")

EPILOG = """\
Times are in UTC, and are those of the upload to IRIS. As for the bridge, PUBSUB_TOPIC
says where to publish, and PUBSUB_EMULATOR_HOST names a local Pub/Sub.

--missing looks for the ids of messages in the tables. If every record of a message is
identical to records of other messages, it has no row of its own: it counts as missing
and is published again, and its records are counted as duplicates.

exit codes: 0 all published, 1 something is left (run the same command again: it
continues), 2 an option must be corrected, 130 stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    what = parser.add_argument_group("what to publish")
    how = parser.add_argument_group("how")
    for name, dest, text in (
        ("--from", "start", "2026-05-06, 2026-05-06T02:30 or 2026-05-06T02:30:00Z"),
        ("--to", "end", "in the same form; messages of this time are left out"),
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
        help="only messages that are not in the BigQuery tables",
    )
    what.add_argument(
        "--via",
        choices=("archive", "api"),
        default="archive",
        help="Elexon's IRIS archive, or its Insights API, with a message per day or "
        "hour (default: %(default)s)",
    )
    what.add_argument(
        "--dry-run", action="store_true", help="list and report, publish nothing"
    )
    what.add_argument(
        "--again", action="store_true", help="publish a finished interval again"
    )
    warehouse.add_options(how, what)
    _configure_how(how)


def _configure_how(how: argparse._ActionsContainer) -> None:
    how.add_argument(
        "--concurrency",
        type=between(1, MAX_CONCURRENCY, int),
        default=DEFAULT_CONCURRENCY,
        help="requests at a time (default: %(default)s)",
    )
    how.add_argument(
        "--rate",
        type=between(0.01, 10_000),
        default=DEFAULT_RATE,
        help="requests per second (default: %(default)s)",
    )
    how.add_argument(
        "--patience",
        type=between(0, 1e6),
        default=DEFAULT_PATIENCE_SECONDS,
        metavar="SECONDS",
        help="give up when nothing succeeds for this long (default: %(default)s)",
    )
    how.add_argument(
        "--journal",
        type=Path,
        default=DEFAULT_JOURNAL,
        metavar="DIR",
        help="folder that notes what is published (default: %(default)s)",
    )
    for name, title, url in (
        ("archive", "archive", elexon_archive.ARCHIVE_URL),
        ("api", "Insights API", insights_api.API_URL),
    ):
        text = f"address of the {title} (default: %(default)s)"
        how.add_argument(f"--{name}", type=_url, default=url, metavar="URL", help=text)


def run(options: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        UsageError: An option or a setting must be corrected.
    """
    return Backfill(_request(options, settings.destination_from_process())).run()


def _request(options: argparse.Namespace, destination: Destination) -> Request:
    """Checks the options.

    Raises:
        UsageError: They do not fit together.
    """
    span = Span(options.start, options.end).widened()
    path = warehouse.tables_path(options, destination)
    datasets = warehouse.iris_datasets(options)
    if span.start >= span.end:
        raise UsageError("--to must be later than --from")
    if options.via == "api" and options.missing:
        raise UsageError(
            "--missing compares with the archive: leave out --missing or --via api"
        )
    if options.via == "archive" and span.end > datetime.now(UTC):
        raise UsageError(
            "--to is in the future, and messages may arrive until then: use a past time"
        )
    return Request(
        span=span,
        datasets=_api_datasets(datasets) if options.via == "api" else datasets,
        via=options.via,
        url=options.api if options.via == "api" else options.archive,
        destination=destination,
        missing_in=path if options.missing else None,
        is_dry_run=options.dry_run,
        is_again=options.again,
        journal_folder=options.journal,
        concurrency=options.concurrency,
        rate=options.rate,
        patience_seconds=options.patience,
    )


def _api_datasets(named: list[str]) -> list[str]:
    """The datasets to fetch from the API.

    Raises:
        UsageError: The API does not have one of those that the user has named.
    """
    known = insights_api.endpoints()
    if unknown := [dataset for dataset in named if dataset not in known]:
        raise UsageError(
            f"--iris-dataset: the API does not have {', '.join(unknown)} in the form "
            "of IRIS: use --via archive"
        )
    if not named:
        say(
            f"the API has {len(known)} datasets in the form of IRIS; for the others "
            "use --via archive"
        )
    return named or list(known)


def _url(text: str) -> str:
    if not URL_PATTERN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address (https://...)")
    return text.rstrip("/")
