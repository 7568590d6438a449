"""`python -m sql drift`: what IRIS sends that the registry does not know.

Fields are in the column `extra` of the tables, datasets in `iris_unmapped`. The command
proposes a column for each field and a file for each dataset; `--accept` writes them
into the registry of this checkout and brings the tables up to date.
"""

import argparse
import os
import sys
from pathlib import Path

from google.cloud import bigquery

from pipeline.registry import FOLDER, load_registry, read_registry
from sql.apply.outcome import Outcome
from sql.connection import add_path_options, client_of, path_of
from sql.drift.acceptance import (
    Selection,
    TablesBehindError,
    check_folder,
    selection_of,
    update_tables,
    write_registry,
)
from sql.drift.report import as_json, as_table
from sql.drift.unknown_datasets import unknown_datasets
from sql.drift.unknown_fields import unknown_fields


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_path_options(parser)
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="for a person or for a machine (default: %(default)s)",
    )
    parser.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="FIELD",
        help="add REMIT.newField, newField, REMIT.outageProfile.note or a whole "
        "DATASET to the registry of this checkout and to BigQuery; repeatable",
    )


def run(options: argparse.Namespace) -> int:
    """Shows what is unknown, or accepts what the user names."""
    client = client_of(options)
    folder = Path(str(FOLDER))
    if options.accept:
        return accept(client, options, folder)
    registry, path = load_registry(), path_of(options)
    fields = unknown_fields(client, path, registry)
    new = unknown_datasets(client, path, registry)
    if options.format == "json":
        sys.stdout.write(as_json(fields, new, path))
    else:
        sys.stdout.write(as_table(fields, new, path))
    return 0


def accept(client: bigquery.Client, options: argparse.Namespace, folder: Path) -> int:
    """Adds what `options.accept` names to a registry, and then to the tables.

    Args:
        client: The client.
        options: The options of the command.
        folder: The registry's files.

    Raises:
        UsageError: A name says nothing, or the folder cannot be written.
    """
    check_folder(folder)
    # Not the registry of the process: the files may have changed since it was read.
    registry, path = read_registry(folder), path_of(options)
    selection = selection_of(
        options.accept,
        registry,
        unknown_fields(client, path, registry),
        unknown_datasets(client, path, registry),
    )
    for name in write_registry(selection, folder):
        sys.stdout.write(f"{os.path.relpath(folder / name)} written\n")
    load_registry.cache_clear()
    apply = f"python -m sql apply --project {options.project} "
    apply += f"--dataset {options.dataset}"
    try:
        outcome = update_tables(client, path, selection, folder)
    except TablesBehindError as error:
        sys.stderr.write(
            f"the registry is written, BigQuery is not ({error}): run `{apply}`\n"
        )
        return 1
    _report(selection, outcome)
    return 1 if outcome.conflicts else 0


def _report(selection: Selection, outcome: Outcome) -> None:
    for name in outcome.created:
        sys.stdout.write(f"{name}: created\n")
    for name in outcome.replaced:
        sys.stdout.write(f"{name}: made anew\n")
    for table, columns in outcome.extended.items():
        sys.stdout.write(f"{table}: added {', '.join(columns)}\n")
    for table, columns in outcome.widened.items():
        sys.stdout.write(f"{table}: {', '.join(columns)} widened to FLOAT64\n")
    for table in outcome.unchanged:
        sys.stdout.write(f"{table}: has all columns already\n")
    for conflict in outcome.conflicts:
        sys.stderr.write(f"left as it is: {conflict}\n")
    steps = [
        "look at what was written (`git status`), describe it, run `python -m sql "
        "docs` for docs/data.md, commit both",
        "restart or update the pipeline",
    ]
    if nested := [each.field for each in selection.fields if len(each.names) > 1]:
        steps.append(
            f"values of {', '.join(nested)} that have come already stay in extra"
        )
    if selection.new:
        names = ", ".join(new.name for new in selection.new)
        steps.append(
            f"then the messages of {names} in iris_unmapped become rows: "
            "`python -m bridge replay --reason UNMAPPED`"
        )
    sys.stdout.write("next:\n" + "".join(f"- {step}\n" for step in steps))
