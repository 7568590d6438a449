"""`python -m sql apply`: brings a BigQuery dataset up to date with the registry.

Missing tables are created and missing columns added. A column is widened if the
registry has a type that holds all of its values. A primary key is removed, because the
tables have several rows for a key. Nothing else is changed, and no data is dropped.
Views are made from the columns that the user's historic tables really have, and
replaced when these columns or the definition of the view have changed.
"""

import argparse
import sys

from pipeline.registry import load_registry
from sql.apply.outcome import Outcome
from sql.apply.tables import apply_tables
from sql.apply.views import apply_views
from sql.connection import add_path_options, client_of
from sql.tables import all_tables


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    parser.add_argument(
        "--location",
        default="EU",
        help="the location of a new dataset (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Updates tables and views, and reports what was done; 1 on a conflict."""
    client, registry = client_of(options), load_registry()
    wanted = list(all_tables(registry))
    made = apply_tables(client, options.dataset, wanted, options.location)
    _report("tables", made)
    seen = apply_views(client, options.dataset, registry)
    _report("views", seen)
    return 1 if made.conflicts or seen.conflicts else 0


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
