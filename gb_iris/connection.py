"""Connection: the tables that the caller means, and the clients that read them."""

import argparse
import functools
import os
import warnings
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, NamedTuple

import pyarrow as pa
from google.api_core.exceptions import Forbidden
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)

from command import network, silence
from command.tables_path import DATASET, TablesPath, dataset_name, project_id
from command.usage import UsageError
from gb_iris.local_reader import LocalReader
from gb_iris.local_server import Address, address
from gb_iris.statement import Statement

# Google's client tries for ten minutes; a local BigQuery that does not answer was
# stopped.
ONCE = {"retry": None}


class Connection(NamedTuple):
    """The tables, and what reads them.

    Attributes:
        path: Where the tables are.
        client: Runs the query.
        storage: Streams its rows by Arrow; None if only REST is there.
        retry: Options of calls: none for those of Google's client, which tries again.
    """

    path: TablesPath
    client: bigquery.Client
    storage: BigQueryReadClient | None
    retry: Mapping[str, Any]

    def rows(self, statement: Statement) -> pa.Table:
        """Runs a query; returns its rows."""
        config = bigquery.QueryJobConfig(query_parameters=statement.parameters)
        once = {**self.retry, "job_retry": None} if self.retry else {}
        job = self.client.query(statement.sql, job_config=config, **once)
        if self.storage:
            try:
                found = job.result(**self.retry)
                return found.to_arrow(bqstorage_client=self.storage)
            except Forbidden as error:
                warnings.warn(
                    "rows come slowly: the Storage Read API refuses "
                    f"({error.message}); grant yourself roles/bigquery.readSessionUser",
                    stacklevel=3,
                )
        return job.result(**self.retry).to_arrow(create_bqstorage_client=False)


def connect(
    project: str | None, dataset: str | None, data: PathLike[str] | str | None
) -> Connection:
    """Connects to a project, or to the tables of this machine.

    Raises:
        UsageError: The names are not names, or there are no local tables.
    """
    name = _checked("dataset", dataset_name, dataset) or DATASET
    project = _checked("project", project_id, project)
    if project and data is not None:
        raise UsageError("data is for the tables of this machine: leave out project")
    if project and not os.environ.get("BIGQUERY_EMULATOR_HOST"):
        return Connection(TablesPath(project, name), *_google_clients(project), {})
    here = address(data)
    path = TablesPath(project or here.project, name)
    return Connection(path, *_local_clients(here, path.project), ONCE)


def _checked(what: str, check: Callable[[str], str], name: str | None) -> str | None:
    """The name of a project or dataset.

    Raises:
        UsageError: It is not one.
    """
    try:
        return None if name is None else check(name)
    except (argparse.ArgumentTypeError, TypeError) as error:
        raise UsageError(f"{what}: {error}") from None


@functools.cache
def _local_clients(
    here: Address, project: str
) -> tuple[bigquery.Client, BigQueryReadClient | None]:
    network.go_past_proxy()
    client = bigquery.Client(
        project=project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth
        client_options={"api_endpoint": here.host},
    )
    silence.attended(client, here.host)
    return client, LocalReader(here.grpc) if here.grpc else None


@functools.cache
def _google_clients(project: str) -> tuple[bigquery.Client, BigQueryReadClient | None]:
    channel = BigQueryReadGrpcTransport.create_channel(options=network.grpc_options())
    transport = BigQueryReadGrpcTransport(channel=channel)
    client = silence.attended(bigquery.Client(project=project), None)
    return client, BigQueryReadClient(transport=transport)
