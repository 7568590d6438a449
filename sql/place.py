"""Where the tables live: a project and a BigQuery dataset, as the user names them."""

import argparse
import os
import re
import socket
from urllib.parse import urlsplit

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from command.usage import UsageError
from pipeline.bigquery.inserts import connect

PROJECT = "gb-iris"
DATASET = "uk_energy_prod"
ANSWER_SECONDS = 5.0
_PROJECT = re.compile(r"[a-z][a-z0-9.:-]{0,98}[a-z0-9]\Z")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}\Z")


def add_place_options(
    parser: argparse.ArgumentParser, *, project_required: bool = True
) -> None:
    """Adds `--project` and `--dataset`."""
    parser.add_argument(
        "--project",
        required=project_required,
        type=_project,
        default=PROJECT,
        help="the Google Cloud project"
        + ("" if project_required else " (default: %(default)s)"),
    )
    parser.add_argument(
        "--dataset",
        type=_dataset,
        default=DATASET,
        help="the BigQuery dataset (default: %(default)s)",
    )


def place_of(options: argparse.Namespace) -> str:
    """`project.dataset`, both of them checked to be plain names."""
    return f"{options.project}.{options.dataset}"


def client_of(options: argparse.Namespace) -> bigquery.Client:
    """The client of the user's project.

    Raises:
        UsageError: A local server was named, and nothing answers there. The client
            itself would try for ten minutes.
    """
    if host := os.environ.get("BIGQUERY_EMULATOR_HOST"):
        try:
            address = urlsplit(host if "//" in host else f"//{host}")
            place = (address.hostname or "", address.port or 80)
            socket.create_connection(place, ANSWER_SECONDS).close()
        except (OSError, ValueError):
            raise UsageError(
                f"nothing answers at {host} (BIGQUERY_EMULATOR_HOST): start it with "
                "`make up`, or unset the variable"
            ) from None
    return connect(options.project)


def existing_tables(client: bigquery.Client, place: str) -> set[str]:
    """The names of all tables and views.

    Raises:
        UsageError: There is no such BigQuery dataset.
    """
    try:
        return {item.table_id for item in client.list_tables(place)}
    except NotFound:
        raise UsageError(
            f"there is no BigQuery dataset {place}: `python -m sql apply` makes it"
        ) from None


def _project(text: str) -> str:
    if not _PROJECT.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no project id")
    return text


def _dataset(text: str) -> str:
    if not _DATASET.match(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no BigQuery dataset name")
    return text
