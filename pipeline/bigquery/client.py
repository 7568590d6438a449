"""Clients of BigQuery, one a process: the service's, or the local BigQuery's."""

import functools
import os
from typing import Any

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcTransport,
)

from command import network, silence
from command.usage import UsageError


@functools.cache
def connect(project: str) -> bigquery.Client:
    """The client of inserts, jobs and tables; a local server needs no credentials."""
    if host := os.environ.get("BIGQUERY_EMULATOR_HOST"):
        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call] # google-auth
        client = bigquery.Client(project=project, credentials=anonymous)
    else:
        client = bigquery.Client(project=project)
    return silence.attended(client, host)


def insert_all(
    client: bigquery.Client, table: str, body: bytes, timeout_seconds: float
) -> list[dict[str, Any]]:
    """Sends a request of `tabledata.insertAll` that is written already.

    `Client.insert_rows_json` takes rows as dictionaries alone, and writes their JSON
    once more. This is what it does behind that, with the same session and errors
    (https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll).

    Args:
        client: The client.
        table: `project.dataset.table`.
        body: JSON.
        timeout_seconds: How long to wait for the answer.

    Returns:
        The rows that are not stored: `index`, and `errors` with reason and message.
    """
    path = bigquery.TableReference.from_string(table).path
    # The client's own methods all end here; no public one takes bytes.
    answer = client._connection.api_request(
        "POST",
        f"{path}/insertAll",
        data=body,
        content_type="application/json",
        headers={"X-Server-Timeout": str(timeout_seconds)},
        timeout=timeout_seconds,
    )
    return [
        {"index": int(refused["index"]), "errors": refused["errors"]}
        for refused in answer.get("insertErrors", ())
    ]


@functools.cache
def connect_writer() -> BigQueryWriteClient:
    """The client of the Storage Write API."""
    channel = storage_channel(BigQueryWriteGrpcTransport, local_grpc_host())
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


def storage_channel(transport: Any, local: str | None) -> grpc.Channel:
    """A channel to one of the Storage APIs.

    Args:
        transport: The class of the API's transport.
        local: `host:port` of the local BigQuery's gRPC; None for the service.
    """
    options = network.grpc_options()
    if local:
        return grpc.insecure_channel(local, options=options)
    return transport.create_channel(options=options)


def local_grpc_host() -> str | None:
    """`host:port` of the local BigQuery's gRPC; None for the service itself.

    Raises:
        UsageError: `BIGQUERY_EMULATOR_HOST` is set, but not the port of its gRPC.
    """
    server = os.environ.get("BIGQUERY_EMULATOR_HOST")
    if not server:
        return None
    port = os.environ.get("BIGQUERY_GRPC_PORT")
    if not port:
        raise UsageError(
            "--write_method STORAGE_WRITE_API: BIGQUERY_EMULATOR_HOST is set, but "
            "BIGQUERY_GRPC_PORT is not: set it to the gRPC port of the local BigQuery"
        )
    return f"{network.at(server).host}:{port}"
