"""Local reader: the Storage Read API of a local BigQuery, which may be stopped.

Google's client waits for a server that ended: a call for ten minutes, a stream forever.
"""

from collections.abc import Iterator
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.reader import ReadRowsStream
from google.cloud.bigquery_storage_v1.services.big_query_read import (
    BigQueryReadClient as Service,
)
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)


class LocalReader(BigQueryReadClient):
    """Reads once, and fails when the server ends.

    Args:
        address: `HOST:PORT` of its gRPC.
    """

    def __init__(self, address: str) -> None:
        channel = grpc.insecure_channel(address)
        super().__init__(transport=BigQueryReadGrpcTransport(channel=channel))

    def create_read_session(self, *arguments: Any, **options: Any) -> Any:
        return super().create_read_session(*arguments, **{**options, "retry": None})

    def read_rows(self, name: str, offset: int = 0, **_: Any) -> ReadRowsStream:
        return _Stream(self, name, offset, {})


class _Stream(ReadRowsStream):
    """The messages of one call."""

    def __iter__(self) -> Iterator[Any]:
        call = Service.read_rows(self._client, read_stream=self._name, retry=None)
        return iter(call)
