"""`python -m sql compact TABLE`: Removes identical rows, one day at a time.

Without --execute it only counts. Rows are identical if their data is equal in every
column, apart from the columns that say how a row was loaded; in `_iris` tables, if they
have the same `record_id` (and, where a message is the publication of a set, are of one
message). The row that was ingested first stays, and so does every
version. Each day is one statement: whenever the run ends, a day is done or unchanged,
and the next run continues with the rest. Two runs at the same time do no harm: BigQuery
makes the changes of a day one after the other, or refuses the second. BigQuery keeps
the earlier state of a table for 7 days (`FOR SYSTEM_TIME AS OF`).
"""

import argparse
import re
import shlex
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from threading import Event

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from command import signals
from command.quantity import positive
from command.tables_path import DATASET
from command.text import size_text
from command.usage import INTERRUPTED, UsageError
from pipeline.registry import load_registry
from sql.compact.compaction import (
    Compaction,
    Done,
    RowsLostError,
    remove_copies,
    run_steps,
    with_counts,
    with_estimate,
)
from sql.compact.day_progress import DayProgress
from sql.compact.report import days_with_copies, loss, outcome, summary
from sql.compact.table_layout import Days, Layout, layout_of
from sql.connection import add_path_options, client_of, path_of

GIGABYTE = 10**9
MAX_GB = 100.0
# Rows of the last hours may be in the streaming buffer, which DML cannot reach.
FRESH_DAYS = 2
_TABLE = re.compile(r"[A-Za-z0-9_]{1,1024}\Z")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (__doc__ or "").partition(": ")[2]
    add_path_options(parser)
    parser.add_argument(
        "tables", nargs="+", type=_table, metavar="TABLE", help="such as bmrs_fuelinst"
    )
    parser.add_argument(
        "--execute",
        action="store_true",
        help="remove the copies; else only count",
    )
    parser.add_argument(
        "--from", dest="first", type=_day, metavar="DATE", help="the first day"
    )
    parser.add_argument(
        "--to",
        dest="last",
        type=_day,
        metavar="DATE",
        help="the last day (default: the last in the table; the day before yesterday "
        "in tables that the pipeline writes to)",
    )
    parser.add_argument(
        "--max-gb",
        type=positive,
        default=MAX_GB,
        metavar="GB",
        help="refuse a run that may be billed for more (default: %(default)g)",
    )
    parser.add_argument(
        "--day-column",
        metavar="NAME",
        help="the column with the day of a row",
    )
    parser.add_argument(
        "--ignore-column",
        action="append",
        default=[],
        metavar="NAME",
        help="a column in which identical rows may differ, besides those that are "
        "known to say how a row was loaded (repeatable)",
    )


def run(options: argparse.Namespace) -> int:
    """Counts the copies and, with --execute, removes them; 1 if days were skipped."""
    client = client_of(options)
    layouts = [_layout(client, options, name) for name in dict.fromkeys(options.tables)]
    wanted = [
        with_estimate(client, Compaction(layout, _days(options, layout)))
        for layout in layouts
    ]
    _refuse_above(options.max_gb, wanted, "counting alone")
    plans = [with_counts(client, compaction) for compaction in wanted]
    for plan in plans:
        _say(() if options.execute else days_with_copies(plan))
        _say(summary(plan))
    if not any(plan.steps for plan in plans):
        _say(["nothing to do"])
        return 0
    if not options.execute:
        _say(_how(options, plans))
        return 0
    _refuse_above(options.max_gb, plans, "this run")
    return _execute(client, [plan for plan in plans if plan.steps])


def _layout(client: bigquery.Client, options: argparse.Namespace, name: str) -> Layout:
    try:
        table = client.get_table(f"{path_of(options)}.{name}")
    except NotFound:
        raise UsageError(
            f"there is no table {path_of(options)}.{name}: correct its name, --project "
            "or --dataset"
        ) from None
    ignored = options.ignore_column
    return layout_of(table, load_registry(), options.day_column, ignored)


def _days(options: argparse.Namespace, layout: Layout) -> Days | None:
    """The days to compact; rows without a date only if the user names no day."""
    first, last = options.first, options.last
    unnamed = first is None and last is None
    if unnamed and not layout.is_fed:
        return None
    if last is None and layout.is_fed:
        last = datetime.now(UTC).date() - timedelta(days=FRESH_DAYS)
    first, last = first or date.min, last or date.max
    if first > last:
        raise UsageError(f"--from {first} is after the last day, {last} (--to)")
    return Days(first.isoformat(), last.isoformat(), undated=unnamed)


def _refuse_above(max_gb: float, plans: Sequence[Compaction], what: str) -> None:
    billed = sum(plan.billed_bytes for plan in plans)
    if billed > max_gb * GIGABYTE:
        raise UsageError(f"{what} {_above(max_gb, billed)}; nothing was changed")


def _above(max_gb: float, billed: int) -> str:
    needed = -(-billed // GIGABYTE)
    return (
        f"may be billed for {size_text(billed)}, above --max-gb {max_gb:g}: choose "
        "fewer days with --from and --to, partition the table, or allow "
        f"--max-gb {needed}"
    )


def _how(options: argparse.Namespace, plans: Sequence[Compaction]) -> Iterator[str]:
    """The cost of the real run, and the command that starts it."""
    billed = sum(plan.billed_bytes for plan in plans)
    processed = size_text(sum(plan.bytes for plan in plans))
    yield (
        f"nothing was changed. Removing them processes {processed} by BigQuery's "
        f"estimate, billed for {size_text(billed)} at most (at least 10 MiB a query)"
    )
    if billed > options.max_gb * GIGABYTE:
        yield f"it {_above(options.max_gb, billed)}"
    yield f"to remove them: {_command(options)}"


def _command(options: argparse.Namespace) -> str:
    words = ["python", "-m", "sql", "compact", *options.tables]
    words += ["--project", options.project]
    for flag, value, usual in (
        ("--dataset", options.dataset, DATASET),
        ("--from", options.first, None),
        ("--to", options.last, None),
        ("--max-gb", f"{options.max_gb:g}", f"{MAX_GB:g}"),
        ("--day-column", options.day_column, None),
        *(("--ignore-column", name, None) for name in options.ignore_column),
    ):
        if value != usual:
            words += [flag, str(value)]
    return shlex.join([*words, "--execute"])


def _execute(client: bigquery.Client, plans: Sequence[Compaction]) -> int:
    """Removes the copies; Ctrl-C ends it after the current day."""
    started, code = datetime.now(UTC), 0
    with _interruption() as interrupted:
        for plan in plans:
            done, layout = Done(), plan.layout
            progress = DayProgress(layout.name, len(plan.steps))
            remove = partial(remove_copies, client, layout)
            try:
                run_steps(plan.steps, remove, done, progress.report, interrupted.is_set)
            except RowsLostError as error:
                text = loss(plan, error, started)
                print(f"python -m sql compact: {text}", file=sys.stderr)
                return 1
            finally:
                _say(outcome(plan, done))
            code = 1 if done.skipped else code
    return INTERRUPTED if interrupted.is_set() else code


@contextmanager
def _interruption() -> Iterator[Event]:
    """An event that the first Ctrl-C sets; a second one ends at once."""
    interrupted = Event()

    def note(_number: signal.Signals) -> None:
        interrupted.set()
        print("\nstopping after this day; Ctrl-C again stops now", file=sys.stderr)

    with signals.stopping(note, _interrupt, (signal.SIGINT,)):
        yield interrupted


def _interrupt(_number: signal.Signals) -> None:
    raise KeyboardInterrupt


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _table(text: str) -> str:
    if not _TABLE.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a table name")
    return text


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date YYYY-MM-DD") from None
