"""Warehouse: where the BigQuery tables are, for commands that ask them."""

import argparse
import os
import re
import socket
from urllib.parse import urlsplit

from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import bigquery

from bridge.settings import Destination, SettingsError

DEFAULT_TABLES = "uk_energy_prod"
# https://cloud.google.com/resource-manager/docs/creating-managing-projects, with the
# domain that old ones have; https://cloud.google.com/bigquery/docs/datasets#dataset-naming
PROJECT_PATTERN = re.compile(r"[a-z][a-z0-9.:-]{0,98}[a-z0-9]", re.ASCII)
TABLES_PATTERN = re.compile(r"[A-Za-z0-9_]{1,1024}", re.ASCII)
ANSWER_SECONDS = 5.0


def add_place_options(parser: argparse._ActionsContainer) -> None:
    """Adds `--project` and `--tables`."""
    parser.add_argument(
        "--project", type=_project, help="of the tables (default: the topic's)"
    )
    parser.add_argument(
        "--tables",
        type=_tables,
        default=DEFAULT_TABLES,
        metavar="DATASET",
        help="BigQuery dataset of the tables (default: %(default)s)",
    )


def place_of(options: argparse.Namespace, destination: Destination) -> str:
    """`project.dataset` of the tables, both plain names."""
    return f"{options.project or destination.project}.{options.tables}"


def connect(place: str) -> bigquery.Client:
    """A client of BigQuery, or of the local one at `BIGQUERY_EMULATOR_HOST`.

    Args:
        place: `project.dataset`.

    Raises:
        SettingsError: There are no credentials, or nothing answers there; the client
            itself would try for ten minutes.
    """
    project = place.rpartition(".")[0]
    host = os.environ.get("BIGQUERY_EMULATOR_HOST")
    if not host:
        try:
            return bigquery.Client(project=project)
        except DefaultCredentialsError:
            raise SettingsError(
                "no Google credentials: gcloud auth application-default login, or set "
                "GOOGLE_APPLICATION_CREDENTIALS (BIGQUERY_EMULATOR_HOST for a local "
                "BigQuery)"
            ) from None
    address = urlsplit(host if "//" in host else f"//{host}")
    try:
        server = (address.hostname or "", address.port or 80)
        socket.create_connection(server, ANSWER_SECONDS).close()
    except (OSError, ValueError):
        raise SettingsError(
            f"nothing answers at {host} (BIGQUERY_EMULATOR_HOST)"
        ) from None
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call] # google-auth
    return bigquery.Client(project=project, credentials=anonymous)


def _project(text: str) -> str:
    if not PROJECT_PATTERN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no project id")
    return text


def _tables(text: str) -> str:
    if not TABLES_PATTERN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no BigQuery dataset name")
    return text
