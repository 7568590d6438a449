"""A script that only creates tables and views, run as one transaction.

Runs in the server, in `.venv-bigquery`. After each commit that creates something,
DuckLake reads its whole catalog again: 40 ms with 94 tables, and 65 ms with 280 tables
and views, for every one that is created. In one transaction it is half a millisecond.
And a merge of a table's files keeps the catalog in memory as it was when the table was
created: 4 MB a table (findings/ducklake_schema_versions.sh), unless they share one.

For BigQuery each statement stands for itself. So what exists must not be touched, and
if anything fails, the transaction is rolled back and the statements run one by one.
"""

import contextlib
import logging
import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import duckdb
from local_bigquery.catalog import (
    names,
    tables,
)
from local_bigquery.engine import (
    database,
)
from local_bigquery.errors import BigQueryError
from local_bigquery.jobs import (
    query,
)

# As `sql apply` writes it; in any other form a statement runs alone.
CREATE = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?P<kind>TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"`(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<name>\w+)`\s*\("
)
WITH_ROWS = re.compile(r"\bAS\s*(?:SELECT|WITH|FROM|\()", re.IGNORECASE)
Path = tuple[str, str, str]
log = logging.getLogger(__name__)


class Creations:
    """What a transaction has created so far.

    Attributes:
        cursor: Its cursor, which alone sees it.
        kinds: TABLE or VIEW, by path.
    """

    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor
        self.kinds: dict[Path, str] = {}
        self._columns: dict[Path, dict[str, Any]] = {}

    def columns(self, path: Path) -> dict[str, Any]:
        """DuckDB's types of the columns of a table or view, by name."""
        if path not in self._columns:
            name = database.quote(*path)
            found = self.cursor.sql(f"SELECT * FROM {name} LIMIT 0")  # noqa: S608 - quoted
            self._columns[path] = dict(zip(found.columns, found.types, strict=True))
        return self._columns[path]


_current: ContextVar[Creations | None] = ContextVar("creations", default=None)
run_alone = query._execute
apply_options = query.catalog_ddl.apply


def kind_of(path: Path) -> str | None:
    """TABLE or VIEW, if this job's transaction has created it."""
    creations = _current.get()
    return creations.kinds.get(path) if creations else None


def columns_of(path: Path) -> dict[str, Any]:
    """The columns of what this job's transaction has created."""
    creations = _current.get()
    return creations.columns(path) if creations else {}


def _paths(statements: Sequence[Any]) -> dict[Path, str]:
    """What the statements create; nothing if they are not creations alone."""
    found: dict[Path, str] = {}
    for statement in statements:
        match = CREATE.match(statement.text) if statement.kind == "SQL" else None
        if match is None:
            return {}
        path = (match["project"], match["dataset"], match["name"])
        is_copy = match["kind"] == "TABLE" and WITH_ROWS.search(statement.text)
        if is_copy or path in found:
            return {}
        found[path] = match["kind"]
    return found


def _are_new(paths: dict[Path, str]) -> bool:
    [*projects] = {project for project, _, _ in paths}
    return (
        len(projects) == 1
        and projects[0] in database._attached
        and not any(tables.exists(*path) for path in paths)
    )


def _execute(  # as local-bigquery calls it
    cursor: Any,
    project_id: str,
    job_id: str | None,
    config: Any,
    dry_run: bool,
    isolated: bool,
    context: Any,
    statements: list[Any],
) -> Any:
    """Runs the statements of a job."""
    rest = (project_id, job_id, config, dry_run, isolated, context, statements)
    paths = {} if dry_run or isolated or len(statements) < 2 else _paths(statements)
    if paths and _are_new(paths):
        try:
            with _transaction(cursor):
                return run_alone(cursor, *rest)
        except duckdb.InterruptException:  # the job was cancelled
            raise
        except (duckdb.Error, BigQueryError):
            log.info("one by one: %s", next(iter(paths)))
    return run_alone(cursor, *rest)


@contextlib.contextmanager
def _transaction(cursor: Any) -> Iterator[None]:
    creations = Creations(cursor)
    token = _current.set(creations)
    cursor.execute("BEGIN")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # a commit that failed has ended it
            cursor.execute("ROLLBACK")
        for path in creations.kinds:
            tables.forget(*path)
        raise
    finally:
        _current.reset(token)


def _apply(tree: Any, project_id: str, dataset_id: str, evaluate: Any) -> None:
    """Keeps the options of what was created, and notes it."""
    creations = _current.get()
    if creations is not None:
        target = names.target(tree)
        path = names.reference(target, project_id, dataset_id)
        creations.kinds[path] = tree.args["kind"].upper()
    apply_options(tree, project_id, dataset_id, evaluate)


def install() -> None:
    """Replaces how local-bigquery runs the statements of a job."""
    query._execute = _execute
    query.catalog_ddl.apply = _apply
