"""Streaming inserts: rows to BigQuery tables, and BigQuery's answer for each.

A row that BigQuery refuses is returned with the service's own reason; the other rows of
its request are stored. A request that fails for another cause (no connection, 5xx, a
quota, a missing permission) is tried again, as long as the caller says: it has other
tables to write, or its back-pressure keeps the rest in Pub/Sub, where nothing is lost.
"""

import functools
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from pipeline.bigquery.client import insert_all
from pipeline.bigquery.patience import (
    FIRST_PAUSE_SECONDS,
    NOT_FOUND_ATTEMPTS,
    TableWaitsError,
    until_answered,
)
from pipeline.core.batches import RowBatch
from pipeline.core.coercion import TypedRecord
from pipeline.core.row_ids import row_id
from pipeline.core.structs import json_of
from pipeline.core.values import EXACT_FLOAT

# BigQuery recommends 500 rows a request and accepts 10 MB.
MAX_ROWS = 500
MAX_BYTES = 5_000_000
REQUEST_TIMEOUT_SECONDS = 60
# Tables are independent; a slow one must not delay the others. Four requests at a time
# keep the local BigQuery busy (measured: 8.7 s against 15.7 s one after another).
PARALLEL_TABLES = 4

# Reasons that are not about the row itself (BigQuery's error table), and how often a
# row is tried before such a reason is final.
_PASSING = frozenset(
    {"stopped", "backendError", "internalError", "timeout", "rateLimitExceeded"}
)
ROW_ATTEMPTS = 4
# Tables that were missing at their last request. The next request asks once: a backlog
# has thousands of requests, and the wait of each would delay all other tables.
_missing: set[str] = set()


class Row(Protocol):
    """A row with the id by which BigQuery recognises a second attempt."""

    @property
    def insert_id(self) -> str:
        """The id."""

    @property
    def values(self) -> dict[str, Any]:
        """The values by column; one that is absent is NULL."""

    def as_json(self) -> bytes:
        """The row as a request of `insertAll` has it."""

    def size(self) -> int:
        """The approximate size of that, in bytes."""


# Rows by the name of their table.
Tables = Mapping[str, Sequence[Row]]


class Insert(NamedTuple):
    """A row of values."""

    insert_id: str
    values: dict[str, Any]

    def as_json(self) -> bytes:
        row = {"json": _as_json(self.values), "insertId": self.insert_id}
        return json.dumps(row, separators=(",", ":")).encode()

    def size(self) -> int:
        values = self.values.values()
        texts = sum(len(value) for value in values if type(value) is str)
        return 40 * len(values) + texts


class RecordInsert(NamedTuple):
    """The row of a record, which is written without a dictionary of its values."""

    batch: RowBatch
    record: TypedRecord

    @property
    def insert_id(self) -> str:
        return row_id(self.record.record_id, self.batch.origin)

    @property
    def values(self) -> dict[str, Any]:
        return self.batch.values_of(self.record)

    def as_json(self) -> bytes:
        record = self.record
        if record.source is not None:  # it may have more than the struct can say
            return Insert(self.insert_id, self.values).as_json()
        # Ids are hexadecimal.
        return b'{"json":%b"record_id":"%b"%b},"insertId":"%b"}' % (
            json_of(record.values),
            record.record_id.encode(),
            self.batch.metadata_json,
            self.insert_id.encode(),
        )

    def size(self) -> int:
        return len(self.as_json())


class Rejected(NamedTuple):
    """A row that is not stored, by its position, and the reason.

    Attributes:
        position: Its position among the rows of the call.
        error: What BigQuery said.
        waits: Whether that is about the table, not the row: the row can be sent again.
    """

    position: int
    error: str
    waits: bool = False


@functools.cache
def table_threads() -> ThreadPoolExecutor:
    """The threads that insert into several tables at a time."""
    return ThreadPoolExecutor(PARALLEL_TABLES, thread_name_prefix="insert")


# A process that is forked has none of the threads.
os.register_at_fork(after_in_child=table_threads.cache_clear)


def insert(
    client: bigquery.Client,
    table: str,
    rows: Sequence[Row],
    limit_seconds: float = math.inf,
) -> list[Rejected]:
    """Inserts rows into a table, and returns those that are not stored.

    Args:
        table: `project.dataset.table`.
        rows: Any number of rows, of any size.
        limit_seconds: How long a request is repeated while BigQuery says nothing about
            its rows; then they and those behind them wait.
    """
    rejected: list[Rejected] = []
    for start, part in _parts([row.as_json() for row in rows]):
        try:
            answers = _insert_part(client, table, part, limit_seconds)
        except TableWaitsError as error:
            text, left = str(error), range(start, len(rows))
            return rejected + [Rejected(index, text, waits=True) for index in left]
        rejected += [one._replace(position=start + one.position) for one in answers]
    return rejected


def _parts(rows: Sequence[bytes]) -> Iterator[tuple[int, Sequence[bytes]]]:
    """Splits rows into requests that BigQuery accepts."""
    start = size = 0
    for index, row in enumerate(rows):
        if index > start and (index - start >= MAX_ROWS or size + len(row) > MAX_BYTES):
            yield start, rows[start:index]
            start, size = index, 0
        size += len(row)
    if start < len(rows):
        yield start, rows[start:]


def _insert_part(
    client: bigquery.Client,
    table: str,
    rows: Sequence[bytes],
    limit_seconds: float,
    attempt: int = 1,
) -> list[Rejected]:
    try:
        answers = _ask(client, table, rows, limit_seconds)
    except GoogleAPICallError as error:
        if is_missing := error.code == HTTPStatus.NOT_FOUND:
            _missing.add(table)
        if len(rows) == 1 or is_missing:
            return [
                Rejected(index, str(error), waits=is_missing)
                for index in range(len(rows))
            ]
        # The service refused the request as a whole: halves find the row at fault.
        middle = len(rows) // 2
        first = _insert_part(client, table, rows[:middle], limit_seconds)
        second = _insert_part(client, table, rows[middle:], limit_seconds)
        return first + [one._replace(position=middle + one.position) for one in second]
    _missing.discard(table)
    refused = {answer["index"]: answer["errors"] for answer in answers}
    # Good rows beside a bad one, or rows that met a fault of the service.
    stopped = [i for i, errors in refused.items() if _is_passing(errors)]
    rejected = [
        Rejected(index, _text(errors))
        for index, errors in refused.items()
        if index not in stopped
    ]
    if stopped and attempt < ROW_ATTEMPTS:
        time.sleep(FIRST_PAUSE_SECONDS if len(stopped) == len(rows) else 0)
        left = [rows[index] for index in stopped]
        again = _insert_part(client, table, left, limit_seconds, attempt + 1)
        rejected += [one._replace(position=stopped[one.position]) for one in again]
    elif stopped:
        rejected += [Rejected(index, _text(refused[index])) for index in stopped]
    return rejected


def _ask(
    client: bigquery.Client, table: str, rows: Sequence[bytes], limit_seconds: float
) -> list[dict[str, Any]]:
    """Sends one request until BigQuery accepts or refuses its rows."""
    body = b'{"skipInvalidRows":true,"rows":[%b]}' % b",".join(rows)
    return until_answered(
        lambda: insert_all(client, table, body, REQUEST_TIMEOUT_SECONDS),
        f"{table}: {len(rows)} rows",
        1 if table in _missing else NOT_FOUND_ATTEMPTS,
        limit_seconds,
    )


def _as_json(value: Any) -> Any:
    """A value that BigQuery reads from JSON without loss."""
    kind = type(value)
    if kind is int:
        # BigQuery reads a number of JSON as a double, here as in files that it loads
        # (https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json).
        return value if -EXACT_FLOAT < value < EXACT_FLOAT else str(value)
    if kind is dict:
        # Most values are texts, and need no call.
        return {
            name: inner if type(inner) is str else _as_json(inner)
            for name, inner in value.items()
        }
    if kind is list:
        return [_as_json(inner) for inner in value]
    return value


def _is_passing(errors: list[dict[str, Any]]) -> bool:
    return bool(errors) and all(error.get("reason") in _PASSING for error in errors)


def _text(errors: list[dict[str, Any]]) -> str:
    """BigQuery's reason: `invalid at capacity: Cannot convert value to integer`."""
    return "; ".join(
        f"{error.get('reason', 'error')}"
        f"{' at ' + error['location'] if error.get('location') else ''}"
        f": {error.get('message', '')}"
        for error in errors
    )
