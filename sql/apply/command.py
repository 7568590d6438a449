"""`python -m sql apply`: brings a BigQuery dataset up to date with the registry.

Missing tables are created and missing columns added. A column is widened if the
registry has a type that holds all of its values. A primary key is removed, because the
tables have several rows for a key. Nothing else is changed, and no data is dropped.
Views are made from the columns that the user's historic tables really have, and
replaced when these columns or the definition of the view have changed.

Elexon's times are UTC. If a historic table has British local times, its rows in summer
contradict settlementDate and settlementPeriod, and the command reports it. What
`--local-times` and `--utc-times` say is kept in labels of the views: later runs follow
it without the options.
"""

import argparse
import sys

from command.usage import UsageError
from pipeline.registry import load_registry
from sql.apply.outcome import Outcome
from sql.apply.tables import apply_tables
from sql.apply.views import apply_views
from sql.connection import add_path_options, client_of
from sql.histories import Choice
from sql.tables import all_tables
from sql.views.local_times import Said


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    parser.add_argument(
        "--location",
        default="EU",
        help="the location of a new dataset (default: %(default)s)",
    )
    for said, what in ((Said.LOCAL, "British local time"), (Said.UTC, "UTC")):
        parser.add_argument(
            f"--{said}-times",
            action="append",
            default=[],
            type=_times_of,
            metavar="TABLE[.COLUMN]",
            help=f"read the times of a historic table as {what} (repeatable)",
        )


def run(options: argparse.Namespace) -> int:
    """Updates tables and views, and reports what was done; 1 on a conflict."""
    choices = _choices(options)
    client, registry = client_of(options), load_registry()
    wanted = list(all_tables(registry))
    made = apply_tables(client, options.dataset, wanted, options.location)
    _report("tables", made)
    seen = apply_views(client, options.dataset, registry, choices=choices)
    _report("views", seen)
    return 1 if made.conflicts or seen.conflicts else 0


def _times_of(text: str) -> tuple[str, str | None]:
    """The table, and the column if there is one."""
    table, dot, column = text.partition(".")
    if not table or (dot and not column) or "." in column:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not TABLE or TABLE.COLUMN, such as bmrs_fuelhh.startTime"
        )
    return table, column or None


def _choices(options: argparse.Namespace) -> list[Choice]:
    """What the options say, a whole table before its columns.

    Raises:
        UsageError: They say both of one table or column.
    """
    both = set(options.local_times) & set(options.utc_times)
    if both:
        name = ".".join(filter(None, min(both, key=str)))
        raise UsageError(
            f"--local-times and --utc-times both name {name}: leave one out"
        )
    choices = [
        Choice(table, column, said)
        for said, named in (
            (Said.LOCAL, options.local_times),
            (Said.UTC, options.utc_times),
        )
        for table, column in named
    ]
    return sorted(choices, key=lambda choice: choice.column is not None)


def _report(what: str, outcome: Outcome) -> None:
    for name, columns in outcome.extended.items():
        print(f"{name}: added {', '.join(columns)}")
    for name, columns in outcome.widened.items():
        print(f"{name}: {', '.join(columns)} widened to FLOAT64")
    if outcome.histories:
        print(f"history: {', '.join(outcome.histories)}")
    for note in outcome.notes:
        print(f"note: {note}")
    counts = (
        f"{len(names)} {verb}"
        for verb, names in (
            ("created", outcome.created),
            ("extended", outcome.extended),
            ("widened", outcome.widened),
            ("without their primary key now", outcome.unkeyed),
            ("replaced", outcome.replaced),
            ("unchanged", outcome.unchanged),
        )
        if names
    )
    print(f"{what}: {', '.join(counts) or 'none'}", flush=True)
    for conflict in outcome.conflicts:
        print(f"not changed: {conflict}", file=sys.stderr)
