"""Keeps the files of a local BigQuery few and small while it runs.

Runs in the server, in `.venv-bigquery`. Each insert, load or statement adds a Parquet
file, whose bytes mostly describe its columns: 200 files and 3.4 MB a minute at five
messages a second. DuckLake merges files only when it is told to, and local-bigquery
keeps every query's job and result. So every few seconds:

- small files of a table are merged, and of what they became, larger ones: a row is
  written again at most once for each entry of `LEVELS`;
- files that a merge or a statement has replaced are removed after a time, in which
  queries that had begun can end;
- results are removed after ten minutes (BigQuery: after a day), and jobs after a day;
- what is in memory until a checkpoint goes into the database files;
- memory that is free goes back to the machine.

What DuckDB keeps of blocks that it has freed stays (findings/duckdb_freed_blocks.sh):
at most 10 MB for each of its eight queues, which fill at different speeds.
"""

import contextlib
import datetime as dt
import gc
import itertools
import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator

import duckdb
from local_bigquery.catalog import (
    tables,
)
from local_bigquery.engine import (
    database,
)
from local_bigquery.errors import BigQueryError
from local_bigquery.settings import settings

from command.memory import give_back
from local.bigquery import machine, saved_jobs
from local.bigquery.columns import note_changes

ROUND_SECONDS = 10.0
# Files smaller than this many bytes are merged when a table has this many of them.
LEVELS = ((256 * 1024, 8), (4 * 1024 * 1024, 8), (64 * 1024 * 1024, 8))
# A checkpoint writes what the log has, 1 MB, by whole blocks.
ROOM_BYTES = 16_000_000
# A query reads the files that the table had when it began.
GRACE = dt.timedelta(minutes=2)
# Results are looked for once in this many rounds: that reads a list of all tables.
ROUNDS_PER_LOOK = 6
# A run asks every two seconds.
RESULTS_KEPT = dt.timedelta(minutes=10)
JOBS_KEPT = dt.timedelta(days=1)

CROWDED_SQL = """
SELECT s.schema_name, t.table_name
FROM {catalog}.ducklake_data_file f
JOIN {catalog}.ducklake_table t USING (table_id)
JOIN {catalog}.ducklake_schema s USING (schema_id)
WHERE f.end_snapshot IS NULL AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND f.file_size_bytes < $1
GROUP BY 1, 2
HAVING count(*) >= $2
"""
MERGE_SQL = """
CALL ducklake_merge_adjacent_files($1, $2, schema => $3, max_file_size => $4)
"""
EXPIRE_SQL = "CALL ducklake_expire_snapshots($1, older_than => $2)"
REMOVE_SQL = "CALL ducklake_cleanup_old_files($1, older_than => $2)"
RESULTS_SQL = """
SELECT table_name FROM duckdb_tables()
WHERE database_name = 'emulator' AND schema_name = '_results'
"""
FORGET_SQL = """
DELETE FROM emulator.tables
WHERE dataset_id = '_results' AND list_contains($1, project_id || ':' || table_id)
"""

log = logging.getLogger(__name__)


def start() -> None:
    """Starts the upkeep, in a thread that ends with the process.

    A kill in any moment loses nothing: each step is one transaction of DuckLake.
    """
    thread = threading.Thread(target=_keep, name="upkeep", daemon=True)
    thread.start()


def _keep() -> None:
    pause = threading.Event()
    for number in itertools.count(1):
        pause.wait(ROUND_SECONDS)
        now = dt.datetime.now(dt.UTC)
        for project in sorted(database._attached):
            with _logged(f"files of {project}"):
                merge_files(project)
                remove_replaced(project, now - GRACE)
            with _logged(f"the catalog of {project}"):
                write_down(f"__ducklake_metadata_{project}")
        if number % ROUNDS_PER_LOOK == 0:
            with _logged("results"):
                remove_results(now)
        with _logged("results in memory"):
            write_down("emulator")
        return_memory()


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """The next round tries again: a statement may have changed or dropped the same.

    An error after which DuckDB answers nothing ends the server, as in a request.
    """
    try:
        yield
    except (duckdb.Error, BigQueryError, sqlite3.Error, OSError) as error:
        machine.fault_of(error)
        log.warning("%s are tidied up later: %s", what, error)


def merge_files(project: str) -> None:
    """Merges the small files of tables that have many."""
    catalog = database.quote(f"__ducklake_metadata_{project}")
    for max_bytes, least_files in LEVELS:
        crowded = database.fetch(
            CROWDED_SQL.format(catalog=catalog), [max_bytes, least_files]
        )
        for schema, table in crowded:
            # A statement that changes rows would be in conflict with the merge.
            with database.writing(project, schema, table):
                database.execute(MERGE_SQL, [project, table, schema, max_bytes])


def remove_replaced(project: str, before: dt.datetime) -> None:
    """Removes files that were replaced before a time."""
    note_changes(project)
    database.execute(EXPIRE_SQL, [project, before])
    database.execute(REMOVE_SQL, [project, before])


def write_down(catalog: str) -> None:
    """Writes into its file what a database has in memory since its last checkpoint.

    Until then a result of a few rows takes 120 KB, and afterwards 35
    (findings/duckdb_one_row_tables.sh): a run that asks every two seconds would have 36
    MB of them. DuckDB itself waits for a log of 1 MB, which is some 2,000 results.
    While something else writes, or the disk is full, a later round does it: a database
    whose checkpoint could not be written answers nothing until it is attached again
    (findings/duckdb_failed_checkpoint.sh).
    """
    if _has_room():
        with contextlib.suppress(duckdb.TransactionException):
            database.execute(f"CHECKPOINT {database.quote(catalog)}")


def _has_room() -> bool:
    """Whether the disk, and the limits of this process, have room for a checkpoint."""
    path = settings.data_dir / "room"
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):  # macOS has none
                os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
        return shutil.disk_usage(settings.data_dir).free > ROOM_BYTES
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def return_memory() -> None:
    """Gives memory that is not in use back to the machine.

    Trees of SQL are cycles: Python's collector, which is set to run rarely, leaves 20
    MB of them, and glibc keeps 20 to 30 MB of what was freed.
    """
    gc.collect()
    give_back()


def remove_results(now: dt.datetime) -> None:
    """Removes results and jobs that are too old."""
    there = {name for (name,) in database.fetch(RESULTS_SQL)}
    recent = saved_jobs.ended_since(now - RESULTS_KEPT)
    kept = {f"{project}:{job}" for project, job in recent}
    if old := sorted(there - kept):
        _drop_results(old)
    saved_jobs.delete_older_than(now - JOBS_KEPT)


def _drop_results(names: list[str]) -> None:
    """Drops results in one transaction: one at a time they cost more than queries."""
    with database.cursor() as cursor:
        cursor.begin()
        for name in names:
            table = database.quote("emulator", tables.RESULTS, name)
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute(FORGET_SQL, [names])
        cursor.commit()
