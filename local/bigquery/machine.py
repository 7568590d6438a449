"""Machine: errors of the server's own disk, memory and locks.

Runs in the server, in `.venv-bigquery`. local-bigquery reports them as errors of the
rows or of the statement (`invalid`), which the pipeline treats as final: a full disk
would make dead letters of good rows. BigQuery says `backendError` of its own faults,
with status 503: clients repeat the request, and rows wait.
"""

import logging
import os
import re
import sqlite3

from local_bigquery import errors
from local_bigquery.grpc import server as grpc_server

REASON = "backendError"
# As DuckDB names its errors, and what SQLite and DuckLake say inside of others.
DISK = re.compile(
    r"^(?:IO|FATAL|Connection) Error|Could not (?:write|read|sync|flush|truncate) "
    r"|No space left|disk I/O error|disk is full|database is locked"
)
# For rows, which are sent again. A statement that needs too much memory, or meets
# another one, is refused, as by BigQuery.
MEMORY_OR_CONFLICT = re.compile(r"^(?:Out of Memory|TransactionContext) Error")
# A mistake in the request: the file that it names is not there.
NO_FILE = re.compile(r"No files found|No such file|does not exist")
# DuckDB refuses everything after such an error, of all its files or of one, until it is
# opened again.
BROKEN = re.compile(r"^FATAL Error|has been invalidated because")
TYPES = (sqlite3.Error, OSError, MemoryError)

log = logging.getLogger(__name__)


def is_fault(text: str, *, of_rows: bool = False) -> bool:
    """Whether the text of an error is about the machine.

    Args:
        text: What DuckDB says.
        of_rows: Whether it is about rows that are stored, not about a statement.
    """
    if NO_FILE.search(text):
        return False
    found = DISK.search(text) or (of_rows and MEMORY_OR_CONFLICT.search(text))
    return bool(found)


def fault_of(
    error: BaseException, *, of_rows: bool = False
) -> errors.BigQueryError | None:
    """A fault of the machine as BigQuery reports its own; None for other errors.

    After one from which DuckDB does not recover, the server ends: the stack starts it
    again.
    """
    text = str(error)
    if BROKEN.search(text):
        log.critical("ends, as DuckDB cannot go on: %s", text)
        os._exit(1)
    is_one = is_fault(text, of_rows=of_rows) or (
        isinstance(error, TYPES) and not isinstance(error, FileNotFoundError)
    )
    is_known = isinstance(error, errors.BigQueryError)
    return of_text(text) if is_one and not is_known else None


def of_text(text: str) -> errors.BigQueryError:
    """The error for what DuckDB or the system says."""
    return errors.BigQueryError(
        REASON, f"disk, memory or locks of the server: {_short(text)}"
    )


def _short(text: str) -> str:
    lines = [line for line in text.splitlines() if line]
    return errors.DUCKDB_PREFIX.sub("", lines[-1]) if lines else "no memory"


def install() -> None:
    """Makes the status of such an error known to the server."""
    errors.STATUSES[REASON] = (503, "UNAVAILABLE")
    grpc_server.CODES[REASON] = grpc_server.grpc.StatusCode.UNAVAILABLE
