"""Starts local-bigquery 0.4.0, made fast for a dataset of some ninety tables.

Runs in `.venv-bigquery`, whose lock file pins exactly this version of local-bigquery.
Some of its functions are replaced, for speed or to correct them:

- `objects` finds a table in the list of all tables, for which DuckDB reads the
  statistics of each: 70 ms with 92 tables, several times in every request. `columns`
  looks up one name in the catalog.
- `columns` and `_hidden` find columns in the list of all columns of all tables and
  views: 60 ms each with 280 of them, for every name in every statement. Looking up one
  in the catalog takes 1 ms, and `columns` remembers what DuckDB binds.
- `execute` asks for the temporary tables of every statement's connection, for which
  DuckDB reads the statistics of all tables: half of a query's time with 30 tables. Only
  a session can have temporary tables.
- `_write` lets DuckDB bind a query three times and looks for the table of a result that
  is new: the catalog compares all names. A result is bound once, and once more when it
  is stored: a simple query takes half as long.
- `exists` finds a dataset in the list of all schemas, at each query.
- `_result_schema` reads a table or view that was just created, to return its columns.
  No client reads them.
- The evaluator of DDL options runs a query for every column description.
- `_deduplicate` goes through all insertIds of the last minute at each insert, and fails
  with a KeyError if two inserts do this at once.
- `_insert` remembers the insertIds of rows that it could not store, so that the second
  attempt is dropped and the row is lost. And it reports a row (or, if it is the only
  one, the whole request) as invalid after a conflict with another transaction, and if
  the disk is full: `machine` says what is then said.
- `_reading` reports the same of a file that is loaded.
- `_connect` lets DuckDB use every processor for every statement. Most statements take a
  few milliseconds, and waking the other processors costs more than that: with half of
  them, creating the tables and views takes a third less time. And DuckDB keeps in
  memory what it has read of files, also of those that are gone.
- At each start DuckDB reads its extensions from end to end, to check their signatures:
  half a second. The lock file has their hashes, and they were checked when they were
  installed.
- The `store` of jobs is a DuckDB table, and a job is saved three times: 15 ms each, a
  third of the time of a small load. `saved_jobs` takes a tenth of a millisecond.
- `_handle` and `materialise` store the rows of a load job without a trace of it: after
  a kill, nobody knows whether it has stored them.
- `_alter` silently leaves out new fields of an existing RECORD, which BigQuery adds.
- Its gRPC server accepts requests up to 4 MB, BigQuery up to 10 MB.
- It imports pyarrow at its start, and looks for pandas all the time: see `imports`.

`reach` keeps statements and jobs inside the server's folder, and pages of other sites
get nothing (`command.callers`). `creations` creates tables and views together, where a
script does nothing else. Differences in SQL are corrected in `googlesql`, errors in
`messages`. `upkeep` keeps its files few.

With 92 tables, on two shared cores: insertAll from 180 to 35 ms, a query from 980 to
300 ms, creating the tables from 30 to 10 s.
"""

import contextlib
import functools
import gc
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from local.bigquery import imports  # isort: skip - before what it delays

import duckdb
import grpc
from local_bigquery import (
    app,
)
from local_bigquery.catalog import (
    datasets,
    tabledata,
    tables,
)
from local_bigquery.cli import (
    main,
)
from local_bigquery.engine import (
    database,
    results,
    types,
)
from local_bigquery.grpc import (
    server as grpc_server,
)
from local_bigquery.jobs import (
    query,
    runner,
    store,
)
from local_bigquery.sql.rules import (
    partitions,
)
from sqlglot import exp
from uvicorn.config import (
    LOGGING_CONFIG,
)

from command.callers import Gate, names_of
from local.bigquery import (
    creations,
    machine,
    messages,
    metrics,
    reach,
    saved_jobs,
    upkeep,
)
from local.bigquery.columns import (
    RESULTS_CATALOG,
    as_of_now,
    catalog_of,
    columns,
    nullable_columns,
    table_or_view,
)
from local.bigquery.googlesql import install

DATASET_SQL = """
SELECT 1 FROM {catalog}.ducklake_schema
WHERE end_snapshot IS NULL AND schema_name = $1
"""
# What `execute` asks, and a statement that finds nothing.
TEMPORARY_SQL = "SELECT table_name FROM duckdb_tables() WHERE temporary"
NOTHING_SQL = "SELECT '' WHERE FALSE"
# Settings of a query that say how a table is written.
OF_A_DESTINATION = (
    *("clustering", "rangePartitioning", "timePartitioning", "schemaUpdateOptions"),
    *("createDisposition", "writeDisposition"),
)
# How often, and after which pause, a row is tried again that was in conflict with the
# commit of a statement, which takes some milliseconds. The locks of local-bigquery
# separate writing statements. They do not cover DDL, or a transaction of several
# statements: a row would have to wait for its end.
CONFLICT_ATTEMPTS, CONFLICT_PAUSE_SECONDS = 20, 0.05
# Trees of SQL are many objects. Python would look through them at each 2,000 new ones:
# a tenth of the time of a function of tables.
COLLECT_AFTER = (50_000, 20, 100)
DUCKDB_SETTINGS = {
    # No signatures are checked, so nothing may be downloaded, either.
    "allow_unsigned_extensions": True,
    "autoinstall_known_extensions": False,
    # What was written since the last checkpoint is in memory, at least one block for
    # each column of a table: those of DuckLake's catalog and of results are many and
    # short. With 256 KB and a checkpoint at 16 MB they took 40 MB more in five minutes
    # of a demo; a result of a million rows is stored as fast with these.
    "default_block_size": 16_384,
    "checkpoint_threshold": "1MB",
}
connect_duckdb = duckdb.connect
open_connection = database._connect
list_objects = database.objects
run_statements = query.execute
translate_statement = query.translate
make_evaluator = query._evaluator
read_result_schema = query._result_schema
alter_columns = tables._alter
insert_rows = tabledata._insert
handle_job = runner._handle
store_rows = results.materialise
start_grpc = grpc_server.start
write_rows = query._write
find_dataset = datasets.exists


def _connect_duckdb(config: dict[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
    return connect_duckdb(config={**(config or {}), **DUCKDB_SETTINGS})


@functools.cache
def _connect() -> duckdb.DuckDBPyConnection:
    """The connection of all cursors, with half of the processors."""
    connection = open_connection()
    threads = max(1, (os.cpu_count() or 1) // 2)
    connection.execute(f"SET threads = {threads}")
    # It keeps what it read of deleted files (findings/ducklake_merge_memory.sh).
    connection.execute("SET enable_external_file_cache = false")
    # Without, freed memory goes back only while statements run (jemalloc's decay).
    connection.execute("SET allocator_background_threads = true")
    # It would be drawn on standard output for a statement of two seconds.
    connection.execute("SET enable_progress_bar = false")
    install.prepare(connection)
    reach.confine(connection)
    return connection


def objects(
    project_id: str, dataset_id: str, table_id: str | None = None
) -> list[tuple[str, str, int]]:
    """Tables and views as (name, TABLE or VIEW, rows): one, or all of a dataset."""
    found: list[tuple[str, str, int]]
    if table_id is None:
        found = list_objects(project_id, dataset_id)
    elif kind := creations.kind_of((project_id, dataset_id, table_id)):
        found = [(table_id, kind, 0)]
    elif project_id == RESULTS_CATALOG:
        found = _result(dataset_id, table_id)
    elif project_id not in database._attached:
        found = []
    else:
        found = table_or_view(project_id, dataset_id, table_id)
    return found


def _result(dataset_id: str, table_id: str) -> list[tuple[str, str, int]]:
    name = database.quote(RESULTS_CATALOG, dataset_id, table_id)
    try:
        [(rows,)] = database.fetch(f"SELECT count(*) FROM {name}")  # noqa: S608 - quoted
    except duckdb.CatalogException:
        return []
    return [(table_id, "TABLE", rows)]


def _hidden(table: exp.Table) -> bool:
    """Whether a table has the column of an ingestion time."""
    if not (table.catalog and table.db) or not isinstance(table.this, exp.Identifier):
        return False
    return tables.INGESTION_TIME in nullable_columns(
        table.catalog, table.db, table.name
    )


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
    """Stores rows; returns the errors of those that it could not store.

    Raises:
        BigQueryError: Not the rows are at fault, but this machine; rows that are stored
            are dropped at the next attempt.
    """
    left = [index for index, _ in rows]
    try:
        errors: list[dict[str, Any]] = _stored(table, schema, rows)
        left = [error["index"] for error in errors]
    finally:
        metrics.METRICS.add("refused_rows", len(left))
        metrics.METRICS.add("inserted_rows", len(rows) - len(left))
        with _guard:
            for index in rows.keys.keys() & set(left):
                _seen.pop(rows.keys[index], None)
    for problem in (problem for error in errors for problem in error["errors"]):
        if machine.is_fault(problem["message"], of_rows=True):
            raise machine.of_text(problem["message"])
    return errors


def _stored(table: str, schema: Any, rows: _NewRows) -> list[dict[str, Any]]:
    """Stores rows, again after a conflict: BigQuery has none with statements.

    For one row local-bigquery raises its error.
    """
    problem: dict[str, Any] = {"reason": machine.REASON}
    for _ in range(CONFLICT_ATTEMPTS):
        try:
            return list(insert_rows(table, schema, rows))
        except duckdb.Error as error:
            problem["message"] = str(error)
            if not machine.is_fault(problem["message"], of_rows=True):
                raise
            time.sleep(CONFLICT_PAUSE_SECONDS)
    return [{"index": index, "errors": [problem]} for index, _ in rows]


@functools.cache
def _read_files() -> Callable[..., Any]:
    """How load jobs read files; from the first call on, it is done by `_reading`."""
    load: Any = imports.loads()
    read_files: Callable[..., Any] = load._reading
    load._reading = _reading
    return read_files


@contextlib.contextmanager
def _reading(locations: dict[str, str | None]) -> Iterator[None]:
    """Reads and stores the files of a load job."""
    with _read_files()(locations):
        try:
            yield
        except Exception as error:
            if fault := machine.fault_of(error, of_rows=True):
                raise fault from error
            raise


def _start(host: str, port: int) -> Any:
    """Starts the gRPC server, the first thing that serves, once the folder is known."""
    database.connection()
    saved_jobs.close_unfinished()
    app.add_middleware(Gate, names=names_of(host))
    return start_grpc(host, port)


_load_job: ContextVar[Any] = ContextVar("_load_job", default=None)


def _handle(job: Any, job_type: str, *options: Any) -> Any:
    """Runs a job that is not a query."""
    if job_type == "load":
        _read_files()
        metrics.METRICS.add("load_jobs")
    token = _load_job.set(job.jobReference if job_type == "load" else None)
    try:
        return handle_job(job, job_type, *options)
    finally:
        _load_job.reset(token)


def _materialise(
    cursor: Any,
    query: str,
    name: str,
    params: Any = None,
    append: bool = False,
    writer: Any = None,
) -> None:
    """Stores rows; those that a load job adds with its id, for `saved_jobs`."""
    job = _load_job.get()
    if job is None or not append or writer is not None:
        store_rows(cursor, query, name, params, append, writer)
        return
    cursor.begin()
    try:
        # Its project is that of the job, except in requests that no client sends.
        catalog = name.split(".")[0]
        message = f"CALL {catalog}.set_commit_message(?, '', extra_info => ?)"
        cursor.execute(message, ["load", job.jobId])
        store_rows(cursor, query, name, params, append, writer)
        cursor.commit()
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # it has ended it
            cursor.rollback()
        raise


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
    metrics.METRICS.add("statements")
    try:
        return run_statements(used, *options, session=session, **more)
    except BaseException:
        metrics.METRICS.add("statement_failures")
        raise


def _translate(tree: Any, context: Any) -> tuple[str, dict[str, Any]]:
    """A statement for DuckDB."""
    with as_of_now():
        translated: tuple[str, dict[str, Any]] = translate_statement(tree, context)
    return translated


def _write(
    cursor: Any, sql: str, bound: Any, destination: Any, config: Any, isolated: bool
) -> None:
    """Stores the rows of a query."""
    if _is_plain_result(destination, config) and not isolated:
        name = tables.name(*tables.reference(destination))
        results.materialise(cursor, sql, name, bound)
    else:
        write_rows(cursor, sql, bound, destination, config, isolated)


def _is_plain_result(destination: Any, config: Any) -> bool:
    """Whether it is the result of this job, which is its own and new."""
    return destination.datasetId == tables.RESULTS and not any(
        getattr(config, setting) for setting in OF_A_DESTINATION
    )


def dataset_exists(project_id: str, dataset_id: str) -> bool:
    if project_id not in database._attached:
        return bool(find_dataset(project_id, dataset_id))
    sql = DATASET_SQL.format(catalog=catalog_of(project_id))
    return bool(database.fetch(sql, [dataset_id]))


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


grpc.server = functools.partial(
    grpc.server, options=[("grpc.max_receive_message_length", -1)]
)
install.install()
messages.install()
machine.install()
reach.install()
metrics.install()
runner._handle = _handle
results.materialise = _materialise
grpc_server.start = _start
creations.install()
duckdb.connect = _connect_duckdb
database._connect = _connect
database.objects = objects
tables.columns = columns
tables._alter = _alter
partitions._hidden = _hidden
query.execute = _execute
query.translate = _translate
query._evaluator = _evaluator
query._write = _write
datasets.exists = dataset_exists
query._result_schema = _result_schema
store.save, store.load = saved_jobs.save, saved_jobs.load
store.list_, store.delete = saved_jobs.list_, saved_jobs.delete
tabledata.columns = columns
tabledata._deduplicate = _deduplicate
tabledata._insert = _insert
# A line for every request would fill the disk in a long run.
LOGGING_CONFIG["loggers"]["uvicorn.access"]["level"] = "WARNING"

if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    upkeep.start()
    main()
