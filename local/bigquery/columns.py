"""The columns of tables and views of the local BigQuery, remembered while they hold.

Runs in the server, in `.venv-bigquery`. Every name in every statement is looked up.
Binding `SELECT * FROM name` answers for all kinds of them, but costs DuckDB 25 ms for a
view, which it parses with all views below it. For a name that does not exist yet, as in
each CREATE, DuckDB compares all names in order to suggest a similar one. So:

- what does not exist is not looked for;
- the columns of a table hold until they are altered, and those of a view until
  something that existed is changed or dropped. Nothing depends on what is new;
- even to look that up takes 2 ms, and the rules that translate one statement look up
  the same name up to six times. Whether anything in a project has been created, altered
  or dropped is one number, which is asked for once a translation.
"""

import contextlib
import functools
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import duckdb
from local_bigquery.catalog import (
    names,
    tables,
)
from local_bigquery.engine import (
    database,
    types,
)
from local_bigquery.errors import (
    not_found,
)

from local.bigquery import creations

# The results of queries are plain DuckDB tables of this catalog; all else is DuckLake,
# whose catalog tables are https://ducklake.select/docs/stable/specification/tables.
RESULTS_CATALOG = "emulator"
# Each change of a column is a new row, with the snapshot of its begin.
TABLE_SQL = """
SELECT t.table_id, count(*), max(c.begin_snapshot)
FROM {catalog}.ducklake_table t
JOIN {catalog}.ducklake_schema s USING (schema_id)
JOIN {catalog}.ducklake_column c USING (table_id)
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL AND c.end_snapshot IS NULL
  AND s.schema_name = $1 AND t.table_name = $2
GROUP BY 1
"""
VIEW_SQL = """
SELECT v.view_id
FROM {catalog}.ducklake_view v
JOIN {catalog}.ducklake_schema s USING (schema_id)
WHERE v.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND s.schema_name = $1 AND v.view_name = $2
"""
# The last snapshot that changed what existed. Expired snapshots are not in it.
CHANGED_SQL = """
SELECT greatest(
  (SELECT max(end_snapshot) FROM {catalog}.ducklake_table),
  (SELECT max(end_snapshot) FROM {catalog}.ducklake_view),
  (SELECT max(end_snapshot) FROM {catalog}.ducklake_macro),
  (SELECT max(end_snapshot) FROM {catalog}.ducklake_column),
  (SELECT max(c.begin_snapshot) FROM {catalog}.ducklake_column c
   JOIN {catalog}.ducklake_table t USING (table_id)
   WHERE c.begin_snapshot > t.begin_snapshot))
"""
# It grows when anything is created, altered or dropped, and not with rows.
SCHEMA_SQL = "SELECT max(schema_version) FROM {catalog}.ducklake_snapshot"
FIND_SQL = """
SELECT 'TABLE', t.table_id
FROM {catalog}.ducklake_table t
JOIN {catalog}.ducklake_schema s USING (schema_id)
WHERE t.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND s.schema_name = $1 AND t.table_name = $2
UNION ALL
SELECT 'VIEW', v.view_id
FROM {catalog}.ducklake_view v
JOIN {catalog}.ducklake_schema s USING (schema_id)
WHERE v.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND s.schema_name = $1 AND v.view_name = $2
"""
COUNT_SQL = """
SELECT record_count FROM {catalog}.ducklake_table_stats WHERE table_id = $1
"""
NULLABLE_SQL = """
SELECT c.column_name, c.nulls_allowed
FROM {catalog}.ducklake_column c
JOIN {catalog}.ducklake_table t USING (table_id)
JOIN {catalog}.ducklake_schema s USING (schema_id)
WHERE c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND s.end_snapshot IS NULL
  AND c.parent_column IS NULL AND s.schema_name = $1 AND t.table_name = $2
"""
MAX_REMEMBERED = 2_000

_changed: dict[str, int] = {}
_guard = threading.Lock()
# By project, as the translation of a statement has found them.
_schemas: ContextVar[dict[str, int] | None] = ContextVar("schemas", default=None)


@contextlib.contextmanager
def as_of_now() -> Iterator[None]:
    """All look-ups within see what exists when the first of them asks."""
    token = _schemas.set({})
    try:
        yield
    finally:
        _schemas.reset(token)


def _schema(project_id: str) -> int:
    """The number of the last change in a project."""
    known = _schemas.get()
    if known is not None and project_id in known:
        return known[project_id]
    [(found,)] = database.fetch(SCHEMA_SQL.format(catalog=catalog_of(project_id)))
    if known is not None:
        known[project_id] = found
    return int(found)


def table_or_view(
    project_id: str, dataset_id: str, table_id: str
) -> list[tuple[str, str, int]]:
    """One as (name, TABLE or VIEW, rows), if it exists."""
    found = _found(_schema(project_id), project_id, dataset_id, table_id)
    if found is None:
        return []
    kind, number = found
    sql = COUNT_SQL.format(catalog=catalog_of(project_id))
    counts = database.fetch(sql, [number]) if kind == "TABLE" else []
    return [(table_id, kind, sum(count or 0 for (count,) in counts))]


@functools.lru_cache(MAX_REMEMBERED)
def _found(
    _: int, project_id: str, dataset_id: str, table_id: str
) -> tuple[str, int] | None:
    sql = FIND_SQL.format(catalog=catalog_of(project_id))
    return next(iter(database.fetch(sql, [dataset_id, table_id])), None)


def columns(project_id: str, dataset_id: str, table_id: str) -> list[Any]:
    """The columns of a table or view, as fields of a BigQuery schema.

    Raises:
        BigQueryError: There is no such table or view.
    """
    path = (project_id, dataset_id, table_id)
    if creations.kind_of(path):
        return _fields(creations.columns_of(path), {})
    if project_id == RESULTS_CATALOG or dataset_id == tables.RESULTS:
        return _bound(*path)
    if project_id not in database._attached:
        raise not_found("Table", names.label(*path))
    # A view may read tables and views of any project.
    schemas = tuple(map(_schema, sorted(database._attached)))
    return list(_as_of(schemas, *path))


@functools.lru_cache(MAX_REMEMBERED)
def _as_of(_: tuple[int, ...], *path: str) -> list[Any]:
    version = _version(*path)
    if version is None:
        raise not_found("Table", names.label(*path))
    return _remembered(version, *path)


def _version(project_id: str, dataset_id: str, table_id: str) -> object:
    """What changes when its columns may have changed; None for what does not exist."""
    catalog, name = catalog_of(project_id), [dataset_id, table_id]
    if table := database.fetch(TABLE_SQL.format(catalog=catalog), name):
        return table[0]
    if view := database.fetch(VIEW_SQL.format(catalog=catalog), name):
        changes = (note_changes(project) for project in sorted(database._attached))
        return (*view[0], *changes)
    return None


def note_changes(project_id: str) -> int:
    """A number that grows with each change of what existed in a project.

    It must be asked for before snapshots expire, and with them the traces of changes.
    """
    sql = CHANGED_SQL.format(catalog=catalog_of(project_id))
    [(found,)] = database.fetch(sql)
    with _guard:
        known = max(found or 0, _changed.get(project_id, 0))
        _changed[project_id] = known
    return known


@functools.lru_cache(MAX_REMEMBERED)
def _remembered(_: object, *path: str) -> list[Any]:
    return _bound(*path)


def _bound(project_id: str, dataset_id: str, table_id: str) -> list[Any]:
    path = tables.physical(project_id, dataset_id, table_id)
    with database.cursor() as cursor:
        try:
            relation = cursor.sql(f"SELECT * FROM {database.quote(*path)} LIMIT 0")  # noqa: S608 - quoted
        except duckdb.CatalogException:
            label = names.label(project_id, dataset_id, table_id)
            raise not_found("Table", label) from None
        found = dict(zip(relation.columns, relation.types, strict=True))
    return _fields(found, nullable_columns(*path), dataset_id == tables.RESULTS)


def _fields(
    found: dict[str, Any], nullable: dict[str, bool], is_result: bool = False
) -> list[Any]:
    return [
        types.field(column, kind, not nullable.get(column, True))
        for column, kind in found.items()
        if column != tables.INGESTION_TIME or is_result
    ]


def nullable_columns(
    project_id: str, dataset_id: str, table_id: str
) -> dict[str, bool]:
    """Whether each column of a table may be NULL; nothing for views and results."""
    path = (project_id, dataset_id, table_id)
    if kind := creations.kind_of(path):
        return dict.fromkeys(
            creations.columns_of(path) if kind == "TABLE" else (), True
        )
    if project_id == RESULTS_CATALOG or project_id not in database._attached:
        return {}
    return _nullable_as_of(_schema(project_id), *path)


@functools.lru_cache(MAX_REMEMBERED)
def _nullable_as_of(
    _: int, project_id: str, dataset_id: str, table_id: str
) -> dict[str, bool]:
    sql = NULLABLE_SQL.format(catalog=catalog_of(project_id))
    return dict(database.fetch(sql, [dataset_id, table_id]))


def catalog_of(project_id: str) -> Any:
    """The catalog of DuckLake's own tables."""
    return database.quote(f"__ducklake_metadata_{project_id}")
