"""An alias of a SELECT list is no name in that list or its WHERE; in DuckDB it is.

Source: GoogleSQL's page on query syntax (visibility of aliases).
"""

from collections.abc import Iterator
from typing import Any

import duckdb
from local_bigquery.catalog import tables
from local_bigquery.errors import BigQueryError, position
from sqlglot import exp

# What lies in a clause and has names of its own.
SCOPES = (exp.Query, exp.Lambda)
# The columns of sources that were looked up, by the identity of their nodes.
Known = dict[int, set[str] | None]
CLAUSES = ("where", "joins", "expressions")


def invisible(tree: Any, _: object) -> Any:
    """Refuses a name that is only an alias; the tables' names are complete."""
    known: Known = {}
    for select in tree.find_all(exp.Select):
        listed = (item for item in select.expressions if isinstance(item, exp.Alias))
        aliases = {item.alias.casefold() for item in listed}
        for column in _used(select) if aliases else ():
            name = column.name.casefold()
            if name in aliases and _is_unknown(name, select, known):
                at = f" at [{position(column.this)}]" if column.this.meta else ""
                raise BigQueryError(
                    "invalidQuery", f"Unrecognized name: {column.name}{at}"
                )
    return tree


def _used(select: Any) -> Iterator[Any]:
    """Names without a table in the clauses that do not see aliases."""
    for clause in CLAUSES:
        values = select.args.get(clause) or []
        for value in values if isinstance(values, list) else [values]:
            for column in value.find_all(exp.Column):
                within = column.find_ancestor(*SCOPES)
                if within is select and not column.table:
                    yield column


def _is_unknown(name: str, select: Any, known: Known) -> bool:
    """Whether no source has the column, also of the queries around this one."""
    scope = select
    while scope is not None:
        for source in _sources(scope):
            names = _names(source, known)
            if names is None or name in names:
                return False
        scope = scope.find_ancestor(exp.Select, exp.Update, exp.Merge, exp.Create)
        if scope is not None and not isinstance(scope, exp.Select):
            return isinstance(scope, exp.Create)
    return True


def _sources(select: Any) -> Iterator[Any]:
    if first := select.args.get("from_"):
        yield first.this
    for join in select.args.get("joins") or ():
        yield join.this


def _names(source: Any, known: Known) -> set[str] | None:
    """The columns of a source in lower case; None if they are not known."""
    if id(source) not in known:
        known[id(source)] = _found(source, known)
    return known[id(source)]


def _found(source: Any, known: Known) -> set[str] | None:
    if source.args.get("pivots"):
        return None
    if isinstance(source, exp.Subquery):
        return _output(source.this, known)
    if isinstance(source, exp.Unnest):
        return _of_array(source)
    if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
        return None
    if not source.db:
        return _of_cte(source, known)
    try:
        fields = tables.columns(source.catalog, source.db, source.name)
    except (BigQueryError, duckdb.Error):
        return None
    return {"_partitiontime", "_partitiondate", "_table_suffix"} | {
        field.name.casefold() for field in fields
    }


def _of_array(unnest: Any) -> set[str] | None:
    """The names of an array of scalars; those of a STRUCT's fields are not known."""
    alias = unnest.args.get("alias")
    scalars = all(
        isinstance(value, exp.Array)
        and value.expressions
        and all(isinstance(item, exp.Literal) for item in value.expressions)
        for value in unnest.expressions
    )
    if alias is None or not scalars:
        return None
    return {name.name.casefold() for name in (alias.this, *alias.columns) if name}


def _of_cte(source: Any, known: Known) -> set[str] | None:
    scope = source.find_ancestor(exp.Query)
    while scope is not None:
        for cte in (scope.args.get("with_") or exp.With()).expressions:
            if cte.alias.casefold() == source.name.casefold():
                return None if _is_inside(source, cte) else _output(cte.this, known)
        scope = scope.find_ancestor(exp.Query)
    return None


def _is_inside(node: Any, cte: Any) -> bool:
    """Whether a WITH RECURSIVE reads itself."""
    while node is not None:
        if node is cte:
            return True
        node = node.parent
    return False


def _output(query: Any, known: Known) -> set[str] | None:
    """The names of the columns of a query."""
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    if not isinstance(query, exp.Select) or query.args.get("kind"):
        return None
    found: set[str] = set()
    for item in query.expressions:
        if item.is_star:
            for source in _sources(query):
                names = _names(source, known)
                if names is None:
                    return None
                found |= names
        found.add(item.alias_or_name.casefold())
    return found
