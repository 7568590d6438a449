"""Clients of BigQuery, one a process: the service's, or the local BigQuery's."""

import functools
import os
from urllib.parse import urlsplit

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import (
    BigQueryWriteGrpcTransport,
)

from command.usage import UsageError


@functools.cache
def connect(project: str) -> bigquery.Client:
    """The client of inserts, jobs and tables; a local server needs no credentials."""
    if os.environ.get("BIGQUERY_EMULATOR_HOST"):
        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call] # google-auth
        return bigquery.Client(project=project, credentials=anonymous)
    return bigquery.Client(project=project)


@functools.cache
def connect_writer() -> BigQueryWriteClient:
    """The client of the Storage Write API."""
    host = local_grpc_host()
    if not host:
        return BigQueryWriteClient()
    channel = grpc.insecure_channel(host)
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


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
    return f"{urlsplit(server).hostname}:{port}"
