"""The connection: which tables the user means, and the client that reads them."""

import argparse
import functools
import os

from google.api_core.exceptions import NotFound
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)

from command import network
from command.tables_path import (
    LOCAL_TABLES,
    TablesPath,
    add_dataset_option,
    project_id,
    require_answer,
)
from command.usage import UsageError
from pipeline.bigquery.client import connect, storage_channel

# Reading the schema of a table is one short request each.
PARALLEL_REQUESTS = 8


def add_path_options(
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


def path_of(options: argparse.Namespace) -> TablesPath:
    """The tables that the options name."""
    return TablesPath(options.project, options.dataset)


def client_of(options: argparse.Namespace) -> bigquery.Client:
    """The client of the user's project.

    Raises:
        UsageError: `BIGQUERY_EMULATOR_HOST` names a server that does not answer.
    """
    if host := os.environ.get("BIGQUERY_EMULATOR_HOST"):
        require_answer(host)
    return connect(options.project)


@functools.cache
def connect_reader() -> BigQueryReadClient | None:
    """The client of the Storage Read API; None if its local port is not known."""
    host = os.environ.get("BIGQUERY_EMULATOR_HOST")
    port = os.environ.get("BIGQUERY_GRPC_PORT")
    if host and not port:
        return None
    local = f"{network.at(host).host}:{port}" if host else None
    channel = storage_channel(BigQueryReadGrpcTransport, local)
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


def existing_tables(client: bigquery.Client, path: TablesPath) -> set[str]:
    """The names of all tables and views.

    Raises:
        UsageError: The BigQuery dataset does not exist.
    """
    try:
        return {item.table_id for item in client.list_tables(str(path))}
    except NotFound:
        raise UsageError(
            f"there is no BigQuery dataset {path}: create it with `python -m sql apply "
            f"--project {path.project} --dataset {path.dataset}`"
        ) from None
