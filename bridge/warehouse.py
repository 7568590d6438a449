"""Warehouse: the BigQuery tables, for commands that query them."""

import argparse
import os
import re

from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import bigquery

from bridge.settings import Destination
from command import silence
from command.tables_path import (
    DATASET,
    TablesPath,
    dataset_name,
    project_id,
    require_answer,
)
from command.usage import UsageError

# Elexon writes the names of its datasets in capitals, all but one of 89.
IRIS_DATASET = re.compile(r"[A-Z][A-Z0-9_]*|mibm_mid", re.ASCII)


def add_options(
    parser: argparse._ActionsContainer, iris: argparse._ActionsContainer
) -> None:
    """Adds the options for the tables and for the IRIS datasets.

    Args:
        parser: Where to add `--project` and `--dataset`.
        iris: Where to add `--iris-dataset`.
    """
    iris.add_argument(
        "--iris-dataset",
        action="append",
        default=[],
        metavar="NAME",
        help="only this IRIS dataset, such as FREQ; repeatable (default: all)",
    )
    parser.add_argument(
        "--project",
        type=project_id,
        help="the Google Cloud project of the tables (default: that of PUBSUB_TOPIC)",
    )
    # Repeatable because it may still have the old meaning, see `iris_datasets`.
    parser.add_argument(
        "--dataset",
        type=dataset_name,
        action="append",
        default=[],
        help=f"the BigQuery dataset of the tables (default: {DATASET})",
    )
    parser.add_argument("--tables", type=dataset_name, help=argparse.SUPPRESS)


def iris_datasets(options: argparse.Namespace) -> list[str]:
    """The IRIS datasets that the user has named, each once; empty for all.

    Until release 0.1, `--dataset` named an IRIS dataset and `--tables` the BigQuery
    dataset: with `--tables`, `--dataset` still has that meaning.
    """
    old = options.dataset if options.tables else []
    return list(dict.fromkeys([*options.iris_dataset, *old]))


def tables_path(options: argparse.Namespace, destination: Destination) -> TablesPath:
    """Where the tables are.

    Raises:
        UsageError: `--dataset` does not name one BigQuery dataset.
    """
    project = options.project or destination.project
    if options.tables:
        return TablesPath(project, options.tables)
    named = list(dict.fromkeys(options.dataset)) or [DATASET]
    for name in filter(IRIS_DATASET.fullmatch, named):
        raise UsageError(
            f"--dataset is the BigQuery dataset: use --iris-dataset {name} for "
            f"messages of {name} only (or --tables {name} if a BigQuery dataset has "
            "this name)"
        )
    if len(named) > 1:
        raise UsageError(
            f"--dataset names more than one BigQuery dataset ({', '.join(named)}): "
            "name one"
        )
    return TablesPath(project, named[0])


def connect(path: TablesPath) -> bigquery.Client:
    """A client of BigQuery, or of the local one at `BIGQUERY_EMULATOR_HOST`.

    Raises:
        UsageError: There are no credentials, or the local BigQuery does not answer.
    """
    if host := os.environ.get("BIGQUERY_EMULATOR_HOST"):
        require_answer(host)
        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call] # google-auth
        local = bigquery.Client(project=path.project, credentials=anonymous)
        return silence.attended(local, host)
    try:
        return silence.attended(bigquery.Client(project=path.project), None)
    except DefaultCredentialsError:
        raise UsageError(
            "no Google credentials: run `gcloud auth application-default login`, or "
            "set GOOGLE_APPLICATION_CREDENTIALS (BIGQUERY_EMULATOR_HOST for a local "
            "BigQuery)"
        ) from None
