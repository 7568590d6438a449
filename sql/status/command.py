"""`python -m sql status`: how the feed is, as its tables say.

What only a process knows is not here: the bridge has /healthz, Pub/Sub's backlog and
the jobs are in Google's console, whose addresses are printed.
"""

import argparse
import datetime as dt

from rich.console import Console

from command.usage import FAILED
from sql.connection import add_path_options, client_of, path_of
from sql.status.item import Item, State, overall, print_items, print_json
from sql.status.tables import items_of

CONSOLE = "https://console.cloud.google.com"
PAGES = {
    "Pub/Sub": "cloudpubsub/subscription/list",
    "jobs": "run/jobs",
    "alerts": "monitoring/alerting",
}


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    add_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what does not depend on where the tables are."""
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="a table for people or JSON for programs (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Prints the status; 1 if something is wrong."""
    at = dt.datetime.now(dt.UTC)
    items = list(items_of(client_of(options), path_of(options), at))
    items += [
        Item(part, State.OFF, f"{CONSOLE}/{page}?project={options.project}")
        for part, page in PAGES.items()
    ]
    return report(items, at, options.format)


def report(items: list[Item], at: dt.datetime, form: str) -> int:
    """Prints items; returns the exit code."""
    if form == "json":
        print_json(items, at)
    else:
        print_items(items, Console())
    return FAILED if overall(items) is State.FAIL else 0
