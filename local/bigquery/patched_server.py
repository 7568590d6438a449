"""Starts local-bigquery 0.4.0, made fast for a dataset of some ninety tables.

Runs in `.venv-bigquery`, whose lock file pins exactly this version of local-bigquery.
Some of its functions are replaced, for speed or to correct them:

- `objects` finds a table in the list of all tables, for which DuckDB reads the
  statistics of each: 70 ms with 92 tables, several times in every request. Looking up
  one name in the catalog takes 1 ms.
- `columns` and `_hidden` find columns in the list of all columns of all tables and
  views: 60 ms each with 280 of them, for every name in every statement. Looking up one
  in the catalog takes 1 ms. For a view, DuckDB parses it and all views that it reads:
  25 ms. So its columns are cached until a table or view is created or changed.
- `execute` asks for the temporary tables of every statement's connection, for which
  DuckDB reads the statistics of all tables: half of a query's time with 30 tables. Only
  a session can have temporary tables.
- `_result_schema` reads a table or view that was just created, to return its columns.
  No client reads them.
- The evaluator of DDL options runs a query for every column description.
- `_deduplicate` goes through all insertIds of the last minute at each insert, and fails
  with a KeyError if two inserts do this at once.
- `_insert` remembers the insertIds of rows that it could not store, so that the second
  attempt is dropped and the row is lost. And it reports a row (or, if it is the only
  one, the whole request) as invalid after a conflict with another transaction.
- `_connect` lets DuckDB use every processor for every statement. Most statements take a
  few milliseconds, and waking the other processors costs more than that: with half of
  them, creating the tables and views takes a third less time.
- The `store` of jobs is a DuckDB table, and a job is saved three times: 15 ms each, a
  third of the time of a small load. SQLite saves a job in a tenth of a millisecond, and
  the jobs survive a kill.
- DuckDB tries to import pandas some thirty times in every insert, and Python searches
  all its folders each time: 8 ms. It is not installed here; the import now fails at
  once.
- `_alter` silently leaves out new fields of an existing RECORD, which BigQuery adds.
- Its gRPC server accepts requests up to 4 MB, BigQuery up to 10 MB.

Differences in SQL are corrected in `dialect`.

With 92 tables, on two shared cores: insertAll from 180 to 35 ms, a query from 980 to
300 ms, creating the tables from 30 to 10 s.
"""

import functools
import json
import os
import sqlite3
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import duckdb  # type: ignore[import-not-found]  # in .venv-bigquery
import grpc
from local_bigquery.catalog import (  # type: ignore[import-not-found]  # in .venv-bigquery
    names,
    tabledata,
    tables,
)
from local_bigquery.cli import (  # type: ignore[import-not-found]  # in .venv-bigquery
    main,
)
from local_bigquery.engine import (  # type: ignore[import-not-found]  # in .venv-bigquery
    database,
    types,
)
from local_bigquery.errors import (  # type: ignore[import-not-found]  # in .venv-bigquery
    not_found,
)
from local_bigquery.jobs import (  # type: ignore[import-not-found]  # in .venv-bigquery
    query,
    store,
)
from local_bigquery.models import (  # type: ignore[import-not-found]  # in .venv-bigquery
    Job,
)
from local_bigquery.settings import (  # type: ignore[import-not-found]  # in .venv-bigquery
    settings,
)
from local_bigquery.sql.rules import (  # type: ignore[import-not-found]  # in .venv-bigquery
    partitions,
)
from sqlglot import exp  # type: ignore[import-not-found]  # in .venv-bigquery
from uvicorn.config import (  # type: ignore[import-not-found]  # in .venv-bigquery
    LOGGING_CONFIG,
)

from local.bigquery import dialect

# The results of queries are plain DuckDB tables of this catalog; all else is DuckLake,
# whose catalog tables are https://ducklake.select/docs/stable/specification/tables.
RESULTS_CATALOG = "emulator"
FIND_SQL = """
SELECT t.table_name, 'TABLE', coalesce(n.record_count, 0)
FROM {catalog}.ducklake_table t
JOIN {catalog}.ducklake_schema s USING (schema_id)
LEFT JOIN {catalog}.ducklake_table_stats n USING (table_id)
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND s.schema_name = $1 AND t.table_name = $2
UNION ALL
SELECT v.view_name, 'VIEW', 0
FROM {catalog}.ducklake_view v
JOIN {catalog}.ducklake_schema s USING (schema_id)
WHERE v.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND s.schema_name = $1 AND v.view_name = $2
"""
# What `execute` asks, and a statement that finds nothing.
TEMPORARY_SQL = "SELECT table_name FROM duckdb_tables() WHERE temporary"
NOTHING_SQL = "SELECT '' WHERE FALSE"
COLUMNS_SQL = """
SELECT c.column_name, c.nulls_allowed
FROM {catalog}.ducklake_column c
JOIN {catalog}.ducklake_table t USING (table_id)
JOIN {catalog}.ducklake_schema s USING (schema_id)
WHERE c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND c.parent_column IS NULL AND s.schema_name = $1 AND t.table_name = $2
"""
# One number for all tables and views of a catalog; new rows do not change it.
VERSION_SQL = "SELECT max(schema_version) FROM {catalog}.ducklake_snapshot"
MAX_CACHED_SCHEMAS = 1_000
# How often, and after which pause, a row is tried again that was in conflict with the
# commit of a statement, which takes some milliseconds. The locks of local-bigquery
# separate writing statements. They do not cover DDL, or a transaction of several
# statements: a row would have to wait for its end.
CONFLICT_ATTEMPTS, CONFLICT_PAUSE_SECONDS = 20, 0.05
JOBS_FILE = "jobs.sqlite"
# A power cut may lose the last moments; a kill loses nothing.
JOBS_SQL = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS jobs (
  project_id TEXT, job_id TEXT, parent_job_id TEXT, state TEXT,
  creation_time INTEGER, resource TEXT,
  PRIMARY KEY (project_id, job_id)
);
"""
LIST_JOBS_SQL = """
SELECT state, resource FROM jobs
WHERE project_id = ? AND parent_job_id IS ?
  AND creation_time >= coalesce(?, creation_time)
  AND creation_time <= coalesce(?, creation_time)
ORDER BY creation_time DESC, job_id
"""

open_connection = database._connect
list_objects = database.objects
run_statements = query.execute
make_evaluator = query._evaluator
read_result_schema = query._result_schema
alter_columns = tables._alter
insert_rows = tabledata._insert


@functools.cache
def _connect() -> duckdb.DuckDBPyConnection:
    """The connection of all cursors, with half of the processors."""
    connection = open_connection()
    threads = max(1, (os.cpu_count() or 1) // 2)
    connection.execute(f"SET threads = {threads}")
    connection.execute(dialect.MACROS_SQL)
    return connection


def objects(
    project_id: str, dataset_id: str, table_id: str | None = None
) -> list[tuple[str, str, int]]:
    """Tables and views as (name, TABLE or VIEW, rows): one, or all of a dataset."""
    found: list[tuple[str, str, int]]
    if table_id is None:
        found = list_objects(project_id, dataset_id)
    elif project_id == RESULTS_CATALOG:
        found = _result(dataset_id, table_id)
    else:
        sql = FIND_SQL.format(catalog=_catalog(project_id))
        found = database.fetch(sql, [dataset_id, table_id])
    return found


def _result(dataset_id: str, table_id: str) -> list[tuple[str, str, int]]:
    name = database.quote(RESULTS_CATALOG, dataset_id, table_id)
    try:
        [(rows,)] = database.fetch(f"SELECT count(*) FROM {name}")  # noqa: S608 - quoted
    except duckdb.CatalogException:
        return []
    return [(table_id, "TABLE", rows)]


def columns(project_id: str, dataset_id: str, table_id: str) -> list[Any]:
    """The columns of a table or view, as fields of a BigQuery schema."""
    path = (project_id, dataset_id, table_id)
    if project_id == RESULTS_CATALOG or dataset_id == tables.RESULTS:
        return _columns(*path)
    return list(_columns_at(_schema_versions(), *path))


def _schema_versions() -> tuple[int, ...]:
    """Numbers that change when a table or view is created, changed or dropped."""
    catalogs = map(_catalog, sorted(database._attached))
    return tuple(database.fetch(VERSION_SQL.format(catalog=c))[0][0] for c in catalogs)


@functools.lru_cache(MAX_CACHED_SCHEMAS)
def _columns_at(_: tuple[int, ...], *path: str) -> list[Any]:
    return _columns(*path)


def _columns(project_id: str, dataset_id: str, table_id: str) -> list[Any]:
    path = tables.physical(project_id, dataset_id, table_id)
    with database.cursor() as cursor:
        try:
            relation = cursor.sql(f"SELECT * FROM {database.quote(*path)} LIMIT 0")  # noqa: S608 - quoted
        except duckdb.CatalogException:
            label = names.label(project_id, dataset_id, table_id)
            raise not_found("Table", label) from None
        nullable = _nullable(*path)
        return [
            types.field(column, kind, not nullable.get(column, True))
            for column, kind in zip(relation.columns, relation.types, strict=True)
            if column != tables.INGESTION_TIME or dataset_id == tables.RESULTS
        ]


def _hidden(table: exp.Table) -> bool:
    """Whether a table has the column of an ingestion time."""
    if not (table.catalog and table.db) or not isinstance(table.this, exp.Identifier):
        return False
    return tables.INGESTION_TIME in _nullable(table.catalog, table.db, table.name)


def _nullable(project_id: str, dataset_id: str, table_id: str) -> dict[str, bool]:
    """Whether each column of a table may be NULL; nothing for views and results."""
    if project_id == RESULTS_CATALOG:
        return {}
    sql = COLUMNS_SQL.format(catalog=_catalog(project_id))
    return dict(database.fetch(sql, [dataset_id, table_id]))


def _catalog(project_id: str) -> Any:
    return database.quote(f"__ducklake_metadata_{project_id}")


_seen: OrderedDict[tuple[str, str], float] = OrderedDict()  # the oldest first
_guard = threading.Lock()


class _NewRows(list[tuple[int, dict[str, Any]]]):
    """Rows (index, values) of an insert, and by index their keys in `_seen`."""

    keys: dict[int, tuple[str, str]]


def _deduplicate(
    table: str, rows: list[tuple[int, str | None, dict[str, Any]]]
) -> _NewRows:
    """Rows (index, insertId, values) whose insertId was not seen recently."""
    now = time.monotonic()
    new = _NewRows()
    new.keys = {index: (table, name) for index, name, _ in rows if name is not None}
    with _guard:
        while _seen and now - next(iter(_seen.values())) > tabledata.DEDUP_SECONDS:
            _seen.popitem(last=False)
        new += [
            (index, values)
            for index, _, values in rows
            if index not in new.keys or _is_new(new.keys[index], now)
        ]
    return new


def _is_new(key: tuple[str, str], now: float) -> bool:
    if key in _seen:
        return False
    _seen[key] = now
    return True


def _insert(table: str, schema: Any, rows: _NewRows) -> list[dict[str, Any]]:
    """Stores rows; returns the errors of those that it could not store."""
    left = [index for index, _ in rows]
    try:
        errors: list[dict[str, Any]] = _stored(table, schema, rows)
        left = [error["index"] for error in errors]
    finally:
        with _guard:
            for index in rows.keys.keys() & set(left):
                _seen.pop(rows.keys[index], None)
    for problem in (problem for error in errors for problem in error["errors"]):
        if problem["message"].startswith("TransactionContext Error"):
            problem["reason"] = "backendError"
    return errors


def _stored(table: str, schema: Any, rows: _NewRows) -> list[dict[str, Any]]:
    """Stores rows, again after a conflict: BigQuery has none with statements."""
    problem: dict[str, Any] = {"reason": "backendError"}
    for _ in range(CONFLICT_ATTEMPTS):
        try:
            return list(insert_rows(table, schema, rows))
        except duckdb.TransactionException as error:  # of a request of one row
            problem["message"] = str(error)
            time.sleep(CONFLICT_PAUSE_SECONDS)
    return [{"index": index, "errors": [problem]} for index, _ in rows]


def _alter(project_id: str, dataset_id: str, table_id: str, fields: list[Any]) -> None:
    """Adds columns to a table, and fields to its RECORDs."""
    alter_columns(project_id, dataset_id, table_id, fields)
    table = tables.name(project_id, dataset_id, table_id)
    existing = columns(project_id, dataset_id, table_id)
    for path, field in _missing_fields(existing, fields):
        kind = types.column(field, nested=True)
        database.execute(f"ALTER TABLE {table} ADD COLUMN {path}{kind}")


def _missing_fields(
    existing: list[Any], wanted: list[Any], path: str = ""
) -> Iterator[tuple[str, Any]]:
    """Fields that RECORDs do not have, each with the path of the RECORD in DuckDB."""
    by_name = {field.name.casefold(): field for field in existing}
    for field in wanted:
        known = by_name.get(field.name.casefold())
        if known is None:
            yield path, field
        elif known.fields:
            inner = f"{path}{database.quote(known.name)}."
            # DuckDB's name for the values of a list.
            inner += "element." if known.mode == "REPEATED" else ""
            yield from _missing_fields(known.fields, field.fields or [], inner)


class _NewCursor:
    """A cursor on which nothing has run, so that it has no temporary tables."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def sql(self, text: str, **options: Any) -> Any:
        asked = NOTHING_SQL if text == TEMPORARY_SQL else text
        return self._cursor.sql(asked, **options)


def _execute(cursor: Any, *options: Any, session: Any = None, **more: Any) -> Any:
    """Runs the statements of a query job."""
    used = cursor if session else _NewCursor(cursor)
    return run_statements(used, *options, session=session, **more)


def _result_schema(cursor: Any, tree: Any, *context: Any) -> Any:
    """The columns of a statement's rows; none for a statement that creates."""
    if isinstance(tree, exp.Create):
        return None
    return read_result_schema(cursor, tree, *context)


def _evaluator(cursor: object) -> Callable[[Any], object]:
    evaluate = make_evaluator(cursor)
    return lambda node: (
        node.this
        if isinstance(node, exp.Literal) and node.is_string
        else evaluate(node)
    )


_jobs_guard = threading.Lock()


@functools.cache
def _jobs() -> sqlite3.Connection:
    """The file of jobs, open; one thread at a time uses it."""
    # Without an isolation level each statement is a transaction.
    opened = sqlite3.connect(
        settings.data_dir / JOBS_FILE, isolation_level=None, check_same_thread=False
    )
    opened.executescript(JOBS_SQL)
    return opened


def _ask_jobs(sql: str, *values: object) -> list[Any]:
    with _jobs_guard:
        return _jobs().execute(sql, values).fetchall()


def save_job(job: Any) -> Any:
    name, statistics = job.jobReference, job.statistics
    _ask_jobs(
        "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)",
        name.projectId,
        name.jobId,
        statistics.parentJobId,
        job.status.state,
        int(statistics.creationTime),
        json.dumps(job.dump()),
    )
    return job


def load_job(project_id: str, job_id: str) -> Any:
    """A job as it was saved last; None for an unknown one."""
    sql = "SELECT resource FROM jobs WHERE project_id = ? AND job_id = ?"
    found = _ask_jobs(sql, project_id, job_id)
    return Job.model_validate_json(found[0][0]) if found else None


def list_jobs(
    project_id: str,
    states: list[str] | None = None,
    parent_job_id: str | None = None,
    min_creation_time: int | None = None,
    max_creation_time: int | None = None,
) -> list[Any]:
    """Jobs of a project, the newest first."""
    times = (min_creation_time, max_creation_time)
    found = _ask_jobs(LIST_JOBS_SQL, project_id, parent_job_id, *times)
    return [
        Job.model_validate_json(resource)
        for state, resource in found
        if states is None or state in states
    ]


def delete_job(project_id: str, job_id: str) -> None:
    """Deletes a job and those of its statements."""
    _ask_jobs(
        "DELETE FROM jobs WHERE project_id = ? AND (job_id = ? OR parent_job_id = ?)",
        project_id,
        job_id,
        job_id,
    )


grpc.server = functools.partial(
    grpc.server, options=[("grpc.max_receive_message_length", -1)]
)
# So that an import of it fails at once.
sys.modules["pandas"] = None  # type: ignore[assignment]  # the import system's own form
dialect.install()
database._connect = _connect
database.objects = objects
tables.columns = columns
tables._alter = _alter
partitions._hidden = _hidden
query.execute = _execute
query._evaluator = _evaluator
query._result_schema = _result_schema
store.save, store.load = save_job, load_job
store.list_, store.delete = list_jobs, delete_job
tabledata.columns = columns
tabledata._deduplicate = _deduplicate
tabledata._insert = _insert
# A line for every request would fill the disk in a long run.
LOGGING_CONFIG["loggers"]["uvicorn.access"]["level"] = "WARNING"

if __name__ == "__main__":
    main()
