"""What BigQuery refuses and DuckDB runs: what runs here must run there."""

from collections.abc import Callable
from typing import Any

from local_bigquery.catalog import datasets, routines
from local_bigquery.engine import database
from local_bigquery.errors import BigQueryError
from sqlglot import exp

from local.bigquery.googlesql import corrections
from local.bigquery.googlesql.functions import (
    FUNCTIONS,
    LIKE_FUNCTIONS,
    TABLE_FUNCTIONS,
    TYPES,
)
from local.bigquery.googlesql.syntax import CALLED, WRITTEN

CREATED = {"FUNCTION", "MODEL", "PROCEDURE", "SCHEMA", "TABLE", "VIEW"}
# Clauses that a query without FROM cannot have.
NEED_FROM = {"where": "WHERE", "group": "GROUP BY", "having": "HAVING"}
NOT_IN_GOOGLESQL: dict[type, str] = {
    exp.ILike: "ILIKE is not supported: use LOWER(..) LIKE",
    exp.SimilarTo: "SIMILAR TO is not supported: use REGEXP_CONTAINS",
    exp.Glob: "GLOB is not supported: use LIKE",
    exp.Lateral: "LATERAL is not supported: use UNNEST or a subquery",
    exp.Fetch: "FETCH is not supported: use LIMIT",
    exp.Filter: "FILTER is not supported: use COUNTIF, or IF inside the aggregate",
    exp.Comprehension: "a list with FOR is not supported: use ARRAY(SELECT ..)",
    exp.Slice: "[a:b] is not supported: use ARRAY_SLICE or SUBSTR",
    exp.Map: "MAP is not a type: use ARRAY<STRUCT<..>>",
    exp.Returning: "RETURNING is not supported",
    exp.OnConflict: "ON CONFLICT is not supported: use MERGE",
}
# DuckDB's extension for places is not installed: it takes 78 MB of disk and 23 MB of
# memory, and no record of Elexon names a place on the map.
GEOGRAPHY = "the local BigQuery has no GEOGRAPHY: {name} at [{place}] works in BigQuery"
GEOGRAPHIC = ("ST_", "S2_")
OWN_SCHEMAS = {"bq", "main", "system", "temp", "pg_catalog"}
# The temporary functions of any session: DuckDB says if this one has none.
_temporary: set[str] = set()


def refused(tree: Any, context: Any) -> Any:
    """Refuses a statement; a first rule, while it is as the user wrote it."""
    if isinstance(tree, exp.Command):
        words = f"{tree.this} {tree.text('expression')}".split()[:2]
        raise _error(f"the local BigQuery has no statement {' '.join(words)}")
    if isinstance(tree, exp.Create):
        _check_created(tree)
    for node in tree.walk():
        if reason := NOT_IN_GOOGLESQL.get(type(node)):
            raise _error(reason)
        if called := node.meta.get(CALLED):
            _check_call(node, called, context)
        if written := node.meta.get(WRITTEN):
            _check_type(node, *written)
        if check := CHECKS.get(type(node)):
            check(node, context)
    return tree


def _error(message: str) -> BigQueryError:
    return BigQueryError("invalidQuery", message)


def _check_created(tree: Any) -> None:
    kind = (tree.args.get("kind") or "").upper()
    if kind not in CREATED:
        raise _error(f"CREATE {kind} is not supported")
    if kind == "FUNCTION" and tree.find(exp.TemporaryProperty):
        _temporary.add(tree.this.this.name.casefold())


def _check_call(node: Any, called: tuple[str, str], context: Any) -> None:
    name, place = called
    upper = name.upper()
    corrections.missing(upper, place)
    if upper in FUNCTIONS and upper.startswith(GEOGRAPHIC):
        raise _error(GEOGRAPHY.format(name=name, place=place))
    if upper in FUNCTIONS or upper in LIKE_FUNCTIONS:
        _check_arguments(node, upper, place)
        return
    if isinstance(node.parent, exp.Table):  # a function of tables
        return
    if name.casefold() in _temporary or name.casefold() in context.functions:
        return
    if _is_routine(context, [*name.split(".")]):
        return
    raise _error(f"Function not found: {name} at [{place}]")


def _check_arguments(node: Any, name: str, place: str) -> None:
    no_value = isinstance(node, exp.If) and node.args.get("false") is None
    nothing = isinstance(node, exp.Count) and not (node.this or node.expressions)
    if no_value or nothing:
        raise _error(f"No matching signature for function {name} at [{place}]")


def _is_routine(context: Any, path: list[str]) -> bool:
    """Whether a function of the user has this name."""
    *before, name = path
    project, dataset = ([None, None, *before])[-2:]
    project, dataset = project or context.project_id, dataset or context.dataset_id
    return dataset is not None and routines.load(project, dataset, name) is not None


def _check_type(node: Any, name: str, place: str) -> None:
    if not isinstance(node, exp.DataType):
        return
    if name.upper() == "GEOGRAPHY":
        raise _error(GEOGRAPHY.format(name=name, place=place))
    if name.upper() not in TYPES:
        raise _error(f"Type not found: {name} at [{place}]")


def _check_dotted(node: Any, context: Any) -> None:
    """`dataset.function(..)`: DuckDB has schemas of its own."""
    function = node.expression
    if not isinstance(function, exp.Func) or not isinstance(
        node.this, (exp.Identifier, exp.Dot, exp.Column)
    ):
        return
    first = node.this.find(exp.Identifier)
    # local-bigquery reads its own names again when it runs a MERGE.
    again = (
        first is not None and first.name == "bq" and function.name.upper() in FUNCTIONS
    )
    if first is not None and first.name.casefold() in OWN_SCHEMAS and not again:
        raise _error(f"Function not found: {node.sql(dialect='bigquery')}")


def _check_table(node: Any, context: Any) -> None:
    if isinstance(node.this, exp.Func):
        called = node.this.meta.get(CALLED)
        name = called[0] if called else node.this.name or node.this.sql_name()
        # One quoted name may hold the whole path.
        *path, last = ".".join(filter(None, [node.catalog, node.db, name])).split(".")
        if path:
            project = path[-2] if len(path) > 1 else context.project_id
            known = datasets.exists(project, path[-1])
        else:
            known = last.upper() in TABLE_FUNCTIONS or _is_routine(context, [last])
        if not known:
            place = f" at [{called[1]}]" if called else ""
            raise _error(f"Table-valued function not found: {name}{place}")
    elif node.catalog and node.catalog not in database.projects():
        label = f"{node.catalog}:{node.db}.{node.name}"
        raise BigQueryError(
            "accessDenied",
            f"Access Denied: Table {label}: User does not have permission to query "
            f"table {label}, or perhaps it does not exist.",
        )


def _check_select(node: Any, _: object) -> None:
    for clause, name in NEED_FROM.items():
        if node.args.get(clause) and not node.args.get("from_"):
            raise _error(f"Query without FROM clause cannot have a {name} clause")
    if node.args.get("sample"):
        raise _error("USING SAMPLE is not supported: use TABLESAMPLE SYSTEM")
    if (distinct := node.args.get("distinct")) and distinct.args.get("on"):
        raise _error("DISTINCT ON is not supported: use QUALIFY ROW_NUMBER() OVER (..)")
    if node.args.get("offset") and not node.args.get("limit"):
        raise _error("Syntax error: OFFSET needs a LIMIT before it")


def _check_join(node: Any, _: object) -> None:
    method, kind = node.method.upper(), node.kind.upper()
    side = node.side.upper()
    for word in (method, kind, side):
        if word in ("NATURAL", "ASOF", "POSITIONAL", "SEMI", "ANTI"):
            raise _error(f"{word} JOIN is not supported: use ON, USING, IN or EXISTS")


def _check_collate(node: Any, _: object) -> None:
    if not isinstance(node.expression, exp.Literal):
        raise _error("COLLATE needs a name in quotes: 'und:ci'")


def _check_insert(node: Any, _: object) -> None:
    for key in ("alternative", "by_name", "overwrite"):
        if node.args.get(key):
            raise _error("INSERT supports only INSERT [INTO] table (columns) rows")


CHECKS: dict[type, Callable[[Any, Any], None]] = {
    exp.Dot: _check_dotted,
    exp.Table: _check_table,
    exp.Select: _check_select,
    exp.Collate: _check_collate,
    exp.Join: _check_join,
    exp.Insert: _check_insert,
}
