"""Where the tables live: a project and a BigQuery dataset, as the user names them."""

import argparse
import os

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from command.tables_path import (
    LOCAL_TABLES,
    TablesPath,
    add_dataset_option,
    project_id,
    require_answer,
)
from command.usage import UsageError
from pipeline.bigquery.client import connect


def add_place_options(
    parser: argparse.ArgumentParser, *, project_required: bool = True
) -> None:
    """Adds `--project` and `--dataset`."""
    parser.add_argument(
        "--project",
        required=project_required,
        type=project_id,
        default=LOCAL_TABLES.project,
        help="the Google Cloud project"
        + ("" if project_required else " (default: %(default)s)"),
    )
    add_dataset_option(parser)


def place_of(options: argparse.Namespace) -> str:
    """`project.dataset`, both of them checked to be plain names."""
    return str(TablesPath(options.project, options.dataset))


def client_of(options: argparse.Namespace) -> bigquery.Client:
    """The client of the user's project.

    Raises:
        UsageError: A local server was named, and nothing answers there.
    """
    if host := os.environ.get("BIGQUERY_EMULATOR_HOST"):
        require_answer(host)
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
