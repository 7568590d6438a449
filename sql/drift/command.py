"""`python -m sql drift`: what IRIS sends that the registry does not know.

Fields are in the column `extra` of the tables, datasets in `iris_unmapped`. The command
proposes a column for each field and a file for each dataset. `--accept` writes them
into the registry of this checkout and brings the tables up to date.
"""

import argparse
import os
import sys
from collections.abc import Iterator
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
    add_path_options(parser)
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="a table for people or JSON for programs (default: %(default)s)",
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
        print(as_json(fields, new, path), end="")
    else:
        print(as_table(fields, new, path), end="")
    return 0


def accept(client: bigquery.Client, options: argparse.Namespace, folder: Path) -> int:
    """Adds what `options.accept` names to a registry, and then to the tables.

    Args:
        options: The options of the command.
        folder: The registry's files.

    Raises:
        UsageError: A name is not one of them, or the folder cannot be written.
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
        print(f"{os.path.relpath(folder / name)} written")
    load_registry.cache_clear()
    apply = f"python -m sql apply --project {options.project} "
    apply += f"--dataset {options.dataset}"
    try:
        outcome = update_tables(client, path, selection, folder)
    except TablesBehindError as error:
        print(
            "python -m sql drift: the registry is written, but the tables are not up "
            f"to date ({error}): run `{apply}`",
            file=sys.stderr,
        )
        return 1
    _report(selection, outcome)
    return 1 if outcome.conflicts else 0


def _report(selection: Selection, outcome: Outcome) -> None:
    for name in outcome.created:
        print(f"{name}: created")
    for name in outcome.replaced:
        print(f"{name}: replaced")
    for table, columns in outcome.extended.items():
        print(f"{table}: added {', '.join(columns)}")
    for table, columns in outcome.widened.items():
        print(f"{table}: {', '.join(columns)} widened to FLOAT64")
    for table in outcome.unchanged:
        print(f"{table}: has all columns already", flush=True)
    for conflict in outcome.conflicts:
        print(f"not changed: {conflict}", file=sys.stderr)
    print("next:", *(f"- {step}" for step in _steps(selection)), sep="\n")


def _steps(selection: Selection) -> Iterator[str]:
    """What the user should do next."""
    yield (
        "review what was written (`git diff`), complete the descriptions, run `python "
        "-m sql docs` and `python -m sql render --examples`, and commit"
    )
    yield "restart or update the pipeline"
    if nested := [each.field for each in selection.fields if len(each.names) > 1]:
        yield f"earlier values of {', '.join(nested)} stay in extra"
    if selection.new:
        names = ", ".join(new.name for new in selection.new)
        yield (
            f"then make rows of the messages of {names} in iris_unmapped: "
            "`python -m bridge replay --reason UNMAPPED`"
        )
