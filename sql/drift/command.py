"""`python -m sql drift`: what IRIS sends that the registry does not know.

Fields are in the column `extra` of the tables, datasets in `iris_unmapped`. The command
proposes a column for each field and a file for each dataset; `--accept` writes them
into the registry of this checkout and brings the tables up to date.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from google.cloud import bigquery

from pipeline.registry import FOLDER, load_registry, read_registry
from sql.apply.outcome import Outcome
from sql.connection import add_place_options, client_of, place_of
from sql.drift.acceptance import (
    TablesBehindError,
    Wishes,
    bring_about,
    check_folder,
    wishes_of,
    write_registry,
)
from sql.drift.report import as_json, as_table
from sql.drift.unknown_datasets import new_datasets
from sql.drift.unknown_fields import unknown_fields


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_place_options(parser)
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
    registry, place = load_registry(), place_of(options)
    fields = unknown_fields(client, place, registry)
    new = new_datasets(client, place, registry)
    if options.format == "json":
        sys.stdout.write(as_json(fields, new, place))
    else:
        sys.stdout.write(as_table(fields, new, place))
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
    registry, place = read_registry(folder), place_of(options)
    wishes = wishes_of(
        options.accept,
        registry,
        unknown_fields(client, place, registry),
        new_datasets(client, place, registry),
    )
    for name in write_registry(wishes, folder):
        sys.stdout.write(f"{os.path.relpath(folder / name)} written\n")
    load_registry.cache_clear()
    apply = f"python -m sql apply --project {options.project} "
    apply += f"--dataset {options.dataset}"
    try:
        outcome = bring_about(client, place, wishes, folder)
    except TablesBehindError as error:
        sys.stderr.write(
            f"the registry is written, BigQuery is not ({error}): run `{apply}`\n"
        )
        return 1
    _report(wishes, outcome)
    return 1 if outcome.conflicts else 0


def _report(wishes: Wishes, outcome: Outcome) -> None:
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
    if nested := [each.field for each in wishes.fields if len(each.names) > 1]:
        steps.append(
            f"values of {', '.join(nested)} that have come already stay in extra"
        )
    if wishes.new:
        names = ", ".join(new.name for new in wishes.new)
        steps.append(
            f"then the messages of {names} in iris_unmapped become rows: "
            "`python -m bridge replay --reason UNMAPPED`"
        )
    sys.stdout.write("next:\n" + "".join(f"- {step}\n" for step in steps))
