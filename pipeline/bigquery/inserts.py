"""Streaming inserts: rows to BigQuery tables, and BigQuery's answer for each.

A row that BigQuery refuses comes back with the service's own reason and takes no other
row with it. Everything that says nothing about the rows (no connection, 5xx, a quota, a
missing permission) is tried again for as long as it takes: the runner's back-pressure
then holds the rest in Pub/Sub, where nothing is lost.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, NamedTuple

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from pipeline.bigquery.patience import (
    FIRST_PAUSE_SECONDS,
    NOT_FOUND_ATTEMPTS,
    until_answered,
)
from pipeline.core.values import EXACT_FLOAT

# BigQuery recommends 500 rows a request and takes 10 MB; half of that leaves room for
# the JSON around the values.
MAX_ROWS = 500
MAX_BYTES = 5_000_000
REQUEST_TIMEOUT_SECONDS = 60
# Tables are independent; a slow one must not hold the others. Four requests at a time
# keep the local BigQuery busy (measured: 8.7 s against 15.7 s one after another).
PARALLEL_TABLES = 4

# Reasons for a row that say nothing of the row (BigQuery's error table), and how often
# such a row is tried before its reason stands.
_PASSING = frozenset(
    {"stopped", "backendError", "internalError", "timeout", "rateLimitExceeded"}
)
ROW_ATTEMPTS = 4
# Tables that were missing when they were last asked. The next request asks once: a
# backlog has thousands of them, and the wait for each would hold up all other tables.
_missing: set[str] = set()


class Insert(NamedTuple):
    """A row with the id by which BigQuery recognises a second attempt."""

    insert_id: str
    values: dict[str, Any]


class Rejected(NamedTuple):
    """A row that BigQuery refused, by its position, and why."""

    position: int
    error: str


@functools.cache
def table_threads() -> ThreadPoolExecutor:
    """The threads that insert into several tables at a time."""
    return ThreadPoolExecutor(PARALLEL_TABLES, thread_name_prefix="insert")


def insert(
    client: bigquery.Client, table: str, rows: Sequence[Insert]
) -> list[Rejected]:
    """Inserts rows into a table, and returns those that BigQuery refused.

    Args:
        client: The client.
        table: `project.dataset.table`.
        rows: Any number of rows, of any size.
    """
    rejected = []
    for start, part in _parts(rows):
        rejected += [
            Rejected(start + index, error)
            for index, error in _insert_part(client, table, part)
        ]
    return rejected


def _parts(rows: Sequence[Insert]) -> Iterator[tuple[int, Sequence[Insert]]]:
    """Cuts rows into requests that BigQuery takes."""
    start = size = 0
    for index, row in enumerate(rows):
        row_bytes = size_of(row)
        if index > start and (
            index - start >= MAX_ROWS or size + row_bytes > MAX_BYTES
        ):
            yield start, rows[start:index]
            start, size = index, 0
        size += row_bytes
    if start < len(rows):
        yield start, rows[start:]


def size_of(row: Insert) -> int:
    """About how many bytes a row takes in a request."""
    values = row.values.values()
    return 40 * len(values) + sum(len(value) for value in values if type(value) is str)


def _insert_part(
    client: bigquery.Client, table: str, rows: Sequence[Insert], attempt: int = 1
) -> list[Rejected]:
    try:
        answers = _ask(client, table, rows)
    except GoogleAPICallError as error:
        if is_missing := error.code == HTTPStatus.NOT_FOUND:
            _missing.add(table)
        if len(rows) == 1 or is_missing:
            return [Rejected(index, str(error)) for index in range(len(rows))]
        # The service refused the request as a whole: halves find the row at fault.
        middle = len(rows) // 2
        second = _insert_part(client, table, rows[middle:])
        return _insert_part(client, table, rows[:middle]) + [
            Rejected(middle + index, text) for index, text in second
        ]
    _missing.discard(table)
    refused = {answer["index"]: answer["errors"] for answer in answers}
    # Not their fault: good rows beside a bad one, or a hiccup of the service.
    stopped = [i for i, errors in refused.items() if _is_passing(errors)]
    rejected = [
        Rejected(index, _text(errors))
        for index, errors in refused.items()
        if index not in stopped
    ]
    if stopped and attempt < ROW_ATTEMPTS:
        time.sleep(FIRST_PAUSE_SECONDS if len(stopped) == len(rows) else 0)
        left = [rows[index] for index in stopped]
        again = _insert_part(client, table, left, attempt + 1)
        rejected += [Rejected(stopped[index], text) for index, text in again]
    elif stopped:
        rejected += [Rejected(index, _text(refused[index])) for index in stopped]
    return rejected


def _ask(
    client: bigquery.Client, table: str, rows: Sequence[Insert]
) -> list[dict[str, Any]]:
    """One request, repeated until BigQuery has said something about the rows."""
    return until_answered(
        lambda: list(
            client.insert_rows_json(
                table,
                [_as_json(row.values) for row in rows],
                row_ids=[row.insert_id for row in rows],
                skip_invalid_rows=True,
                retry=None,
                timeout=REQUEST_TIMEOUT_SECONDS,
            )
        ),
        f"{table}: {len(rows)} rows",
        1 if table in _missing else NOT_FOUND_ATTEMPTS,
    )


def _as_json(value: Any) -> Any:
    """A value as BigQuery takes it from JSON without loss."""
    kind = type(value)
    if kind is int:
        # To BigQuery a number of JSON is a double, here as where it loads such files
        # (https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json).
        return value if -EXACT_FLOAT < value < EXACT_FLOAT else str(value)
    if kind is dict:
        # Texts, which most values are, are spared a call each.
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
    """BigQuery's words: `invalid at capacity: Cannot convert value to integer`."""
    return "; ".join(
        f"{error.get('reason', 'error')}"
        f"{' at ' + error['location'] if error.get('location') else ''}"
        f": {error.get('message', '')}"
        for error in errors
    )
