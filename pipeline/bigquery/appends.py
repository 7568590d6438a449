"""Appends: rows to BigQuery tables through the Storage Write API.

A default stream stores rows at least once: a request that is repeated because its
answer was lost stores them again. A stream of our own counts the rows that it has
stored, so that a repeated request stores nothing twice
(https://cloud.google.com/bigquery/docs/write-api#overview).
"""

import functools
import math
import threading
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

import grpc
from google.api_core.exceptions import (
    AlreadyExists,
    GoogleAPICallError,
    NotFound,
    OutOfRange,
    ServiceUnavailable,
    from_grpc_status,
)
from google.cloud.bigquery_storage_v1.types import (
    AppendRowsRequest,
    AppendRowsResponse,
    ProtoRows,
    ProtoSchema,
    WriteStream,
)

from command.tables_path import TablesPath
from pipeline.bigquery.client import connect_writer
from pipeline.bigquery.inserts import REQUEST_TIMEOUT_SECONDS, Rejected, Row
from pipeline.bigquery.patience import TableWaitsError, until_answered
from pipeline.bigquery.proto_rows import descriptor_of, serializer_of
from pipeline.registry import Dataset

# BigQuery accepts 10 MB a request; the descriptor and the frames need some of it.
MAX_BYTES = 8_000_000
# gRPC's status by number; answers have only the number.
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


class Table(NamedTuple):
    """A table of a dataset of the registry.

    Attributes:
        tables: The project and BigQuery dataset that hold it.
        dataset: The dataset of its rows.
    """

    tables: TablesPath
    dataset: Dataset

    @property
    def path(self) -> str:
        """Its name in the API."""
        project, dataset = self.tables
        return f"projects/{project}/datasets/{dataset}/tables/{self.dataset.table}"


class _Row(NamedTuple):
    position: int
    message: bytes


def append(
    table: Table,
    rows: Sequence[Row],
    *,
    exactly_once: bool,
    limit_seconds: float = math.inf,
) -> list[Rejected]:
    """Appends rows to a table, and returns those that are not stored.

    Args:
        table: The table.
        rows: Any number of rows, of any size.
        exactly_once: Whether a request that is repeated stores its rows only once. If a
            process dies, the next one appends its rows again in both cases.
        limit_seconds: How long a request is repeated before the table waits.
    """
    serialize = serializer_of(table.dataset)
    messages, rejected = [], []
    for position, row in enumerate(rows):
        try:
            messages.append(_Row(position, serialize(row.values)))
        except ValueError as error:
            rejected.append(Rejected(position, f"invalid at {error}"))
    stream = own_stream(table) if exactly_once else _DefaultStream(table)
    parts = _parts(messages)
    for number, part in enumerate(parts):
        try:
            rejected += _append_part(stream, part, limit_seconds)
        except TableWaitsError as error:
            left = [row.position for part in parts[number:] for row in part]
            rejected += [Rejected(one, str(error), waits=True) for one in left]
            break
    return sorted(rejected)


def _parts(rows: Sequence[_Row]) -> list[list[_Row]]:
    """Splits rows into requests that BigQuery accepts."""
    parts: list[list[_Row]] = []
    size = MAX_BYTES
    for row in rows:
        if size + len(row.message) > MAX_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(row)
        size += len(row.message)
    return parts


def _append_part(
    stream: "_DefaultStream", rows: list[_Row], limit_seconds: float
) -> list[Rejected]:
    """Appends the rows of one request; BigQuery stores all of them or none."""
    rejected: list[Rejected] = []
    while rows:
        try:
            answer = stream.append([row.message for row in rows], limit_seconds)
        except GoogleAPICallError as error:
            is_missing = error.code == HTTPStatus.NOT_FOUND
            return rejected + [
                Rejected(row.position, str(error), waits=is_missing) for row in rows
            ]
        if not answer.row_errors:
            break
        faults = {fault.index: fault.message for fault in answer.row_errors}
        rejected += [Rejected(rows[i].position, text) for i, text in faults.items()]
        rows = [row for index, row in enumerate(rows) if index not in faults]
    return rejected


class _DefaultStream:
    """The default stream of a table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.name = f"{table.path}/streams/_default"

    def append(self, messages: list[bytes], limit_seconds: float) -> AppendRowsResponse:
        """Sends one request until BigQuery accepts or refuses the rows.

        Raises:
            GoogleAPICallError: BigQuery refuses all of them, and will again.
            TableWaitsError: It has not answered within the limit.
        """
        waiting = f"{self.table.path}: {len(messages)} rows"
        return until_answered(
            lambda: self._ask(messages), waiting, limit_seconds=limit_seconds
        )

    def _ask(self, messages: list[bytes]) -> AppendRowsResponse:
        return self._send(AppendRowsRequest(write_stream=self.name), messages)

    def _send(
        self, request: AppendRowsRequest, messages: list[bytes]
    ) -> AppendRowsResponse:
        descriptor = descriptor_of(self.table.dataset)
        request.proto_rows = AppendRowsRequest.ProtoData(
            writer_schema=ProtoSchema(proto_descriptor=descriptor),
            rows=ProtoRows(serialized_rows=messages),
        )
        # Each request is a call of its own: the service ends a call that was idle for
        # some minutes, and rows that were sent in that moment may be stored or not.
        answers = connect_writer().append_rows(
            iter([request]),
            retry=None,
            timeout=REQUEST_TIMEOUT_SECONDS,
            # The client adds this only to calls that do not stream.
            metadata=[("x-goog-request-params", f"write_stream={self.name}")],
        )
        answer: AppendRowsResponse | None = next(iter(answers), None)
        if answer is None:  # a call can end without an error and without an answer
            raise ServiceUnavailable("no answer")
        if answer.error.code and not answer.row_errors:
            raise from_grpc_status(_STATUS[answer.error.code], answer.error.message)
        return answer


class _OwnStream(_DefaultStream):
    """A stream of this process, which counts the rows that it has stored."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self.lock = threading.Lock()
        self.stored: int | None = None  # None: there is no stream yet

    def append(self, messages: list[bytes], limit_seconds: float) -> AppendRowsResponse:
        """Like that of the base class, but the rows are stored only once."""
        with self.lock:  # bundles of other threads append to the same table
            try:
                return super().append(messages, limit_seconds)
            except BaseException:
                # The rows may be stored. Then BigQuery would treat another request at
                # the same offset as a repetition, and the rows of that would be lost.
                self.stored = None
                raise

    def _ask(self, messages: list[bytes]) -> AppendRowsResponse:
        if self.stored is None:
            stream = WriteStream(type_=WriteStream.Type.COMMITTED)
            created = connect_writer().create_write_stream(
                parent=self.table.path,
                write_stream=stream,
                retry=None,
                timeout=REQUEST_TIMEOUT_SECONDS,
            )
            self.name, self.stored = created.name, 0
        request = AppendRowsRequest(write_stream=self.name, offset=self.stored)
        try:
            answer = self._send(request, messages)
        except AlreadyExists:  # stored; the answer to the request before was lost
            answer = AppendRowsResponse()
        except (NotFound, OutOfRange) as error:
            self.stored = None
            raise ServiceUnavailable(f"the stream is lost: {error}") from error
        if not answer.row_errors:
            self.stored += len(messages)
        return answer


@functools.cache
def own_stream(table: Table) -> _OwnStream:
    """The stream of this process into a table; kept until the process ends."""
    return _OwnStream(table)
