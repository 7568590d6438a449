"""`python -m sql apply`: brings a BigQuery dataset to what it is to be.

Tables are made, columns added, and a column is widened where the registry asks for a
type that holds all of its values; nothing is dropped or changed otherwise. Views are
made from what the user's historic tables really have, and made anew when that, or
what they are to be, has changed.
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
    """Adds the options of the command."""
    add_path_options(parser)
    parser.add_argument(
        "--location",
        default="EU",
        help="where a new dataset lives (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Brings tables and views about, and says what was done; 1 on a conflict."""
    client, registry = client_of(options), load_registry()
    wanted = list(all_tables(registry))
    made = apply_tables(client, options.dataset, wanted, options.location)
    _report("tables", made)
    seen = apply_views(client, options.dataset, registry)
    _report("views", seen)
    return 1 if made.conflicts or seen.conflicts else 0


def _report(what: str, outcome: Outcome) -> None:
    for name, columns in outcome.extended.items():
        sys.stdout.write(f"{name}: added {', '.join(columns)}\n")
    for name, columns in outcome.widened.items():
        sys.stdout.write(f"{name}: {', '.join(columns)} widened to FLOAT64\n")
    if outcome.histories:
        sys.stdout.write(f"history: {', '.join(outcome.histories)}\n")
    for note in outcome.notes:
        sys.stdout.write(f"note: {note}\n")
    counts = (
        f"{len(names)} {verb}"
        for verb, names in (
            ("created", outcome.created),
            ("extended", outcome.extended),
            ("widened", outcome.widened),
            ("replaced", outcome.replaced),
            ("unchanged", outcome.unchanged),
        )
        if names
    )
    sys.stdout.write(f"{what}: {', '.join(counts) or 'none'}\n")
    sys.stdout.flush()
    for conflict in outcome.conflicts:
        sys.stderr.write(f"left as it is: {conflict}\n")
