"""`python -m sql check`: quality checks of the tables.

Each check is a module of `sql/check/`, with its SQL beside it. `tables` always runs,
because the others leave out tables that do not exist.
"""

import argparse
import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from google.api_core.exceptions import GoogleAPICallError
from rich.console import Console

from command.text import first_line
from pipeline.registry import load_registry
from sql.check import (
    balancing,
    completeness,
    dead_letters,
    drift,
    duplicates,
    freshness,
    history_times,
    ledger,
    tables,
    unmapped,
)
from sql.check.context import Context, Result, Status
from sql.check.report import as_json, overall, print_report
from sql.connection import add_path_options, client_of, existing_tables, path_of

CHECKS: dict[str, Callable[[Context], Iterable[Result]]] = {
    module.NAME: module.check
    for module in (
        tables,
        freshness,
        completeness,
        duplicates,
        dead_letters,
        unmapped,
        ledger,
        drift,
        history_times,
        balancing,
    )
}
# A request for more than a year in one statement is a mistake.
MAX_DAYS = 366
# Before any message of IRIS.
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# The days before and after a time must be in the calendar.
YEARS = range(BEGINNING.year, dt.MAXYEAR)


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    parser.add_argument(
        "--only",
        action="append",
        choices=list(CHECKS),
        metavar="CHECK",
        help=f"run only this check (repeatable): {', '.join(CHECKS)}",
    )
    parser.add_argument(
        "--days",
        type=_days,
        default=1,
        metavar="N",
        help="settlement days to check (default: %(default)s, the last complete one)",
    )
    parser.add_argument(
        "--at",
        type=_instant,
        default=dt.datetime.now(dt.UTC),
        metavar="TIME",
        help="check as of this time, such as 2026-05-06T09:00:00Z (default: now)",
    )
    parser.add_argument(
        "--since-days",
        type=_days,
        metavar="N",
        help="ignore dead letters and unmapped messages that are older than N days",
    )
    parser.add_argument(
        "--strict", action="store_true", help="treat a warning as a failure"
    )
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="a table for people or JSON for programs (default: %(default)s)",
    )
    parser.add_argument("--verbose", action="store_true", help="also show what is ok")


def run(options: argparse.Namespace) -> int:
    """Runs the checks and prints the report; 1 if one fails."""
    chosen = [name for name in CHECKS if name in (options.only or CHECKS)]
    results = run_checks(_context(options), ["tables", *chosen])
    if options.strict:
        results = [_strict(result) for result in results]
    if options.format == "json":
        document = as_json(results, options.at)
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        print_report(results, verbose=options.verbose)
    return 1 if overall(results) == Status.FAIL else 0


def run_checks(context: Context, names: Sequence[str]) -> list[Result]:
    """The results of some checks, each of which runs once."""
    results: list[Result] = []
    with Console(stderr=True).status("") as progress:
        for name in dict.fromkeys(names):
            progress.update(name)
            results += _run_check(name, context)
    return results


def _run_check(name: str, context: Context) -> list[Result]:
    try:
        return list(CHECKS[name](context))
    except GoogleAPICallError as error:
        # For example a view whose table is gone. The other checks still run.
        detail = f"BigQuery refused: {first_line(error)}; run `python -m sql apply`"
        return [Result(name, None, Status.FAIL, None, "", detail)]


def _context(options: argparse.Namespace) -> Context:
    client, path = client_of(options), path_of(options)
    since = BEGINNING
    if options.since_days:
        since = options.at - dt.timedelta(days=options.since_days)
    return Context(
        client,
        path,
        load_registry(),
        frozenset(existing_tables(client, path)),
        options.at,
        options.days,
        since,
    )


def _strict(result: Result) -> Result:
    if result.status == Status.WARN:
        return replace(result, status=Status.FAIL)
    return result


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_DAYS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from 1 to {MAX_DAYS}"
        )
    return int(text)


def _instant(text: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or instant.year not in YEARS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time with its zone, such as 2026-05-06T09:00:00Z"
        )
    return instant.astimezone(dt.UTC)
