"""The resolved view: the position that results from overlapping declarations.

What `refresh` has resolved is in a table. The view and the function read it, and
resolve only what has changed since.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from command.tables_path import TablesPath
from pipeline.registry import Dataset
from sql.tables import runs_table
from sql.templates import fill, quoted
from sql.views import historic
from sql.views.conversions import with_extra
from sql.views.unified import unified_query
from sql.views.view import Function, View

_RESOLVED_COLUMNS = (
    *("nationalGridBmUnit", "bmUnit", "settlementDate", "settlementPeriod"),
    *("timeFrom", "timeTo", "levelFrom", "levelTo"),
    *("notificationTime", "notificationSequence"),
)
# What the rule reads of a declaration.
_READ_COLUMNS = (*_RESOLVED_COLUMNS, "ingested_utc")


def resolved_view(
    dataset: Dataset, path: TablesPath, histories: Sequence[historic.Mapping] = ()
) -> View:
    """`bmrs_<dataset>_resolved`: the declaration in force at each instant."""
    return View(
        f"{dataset.stem}_resolved",
        tuple(dataset.column(name) for name in _RESOLVED_COLUMNS),
        fill("views/resolved_view.sql", **resolved_parts(dataset, path, histories)),
        f"{dataset.title}: for each BM unit and instant the declaration in force.",
    )


def resolved_between(
    dataset: Dataset, path: TablesPath, histories: Sequence[historic.Mapping] = ()
) -> Function:
    """`bmrs_<dataset>_resolved_between`: the same, and it reads only some days."""
    parts = resolved_parts(dataset, path, histories)
    return Function(
        f"{dataset.stem}_resolved_between",
        "from_utc TIMESTAMP, to_utc TIMESTAMP, reach_days INT64",
        fill("views/resolved_between.sql", **parts),
        f"{dataset.title} from from_utc to to_utc, from declarations that started at "
        "most reach_days before (NULL: at any time).",
    )


def resolved_parts(
    dataset: Dataset, path: TablesPath, histories: Sequence[historic.Mapping] = ()
) -> dict[str, Any]:
    """What the templates of the view, the function and `refresh` are filled with."""
    unified = unified_query(dataset, None, histories)
    columns = {column.name: column for column in dataset.columns}
    iris = {
        name: with_extra(columns[name])
        if name in columns and columns[name].since
        else quoted(name)
        for name in _READ_COLUMNS
    }
    sources = [_source(dataset.table, path, iris, fed=True)]
    for history in histories:
        read = {name: history.expressions[name] for name in _READ_COLUMNS}
        sources.append(_source(history.table.name, path, read, fed=False))
    # Whatever changes the rule or what it reads changes one of these.
    rule = fill("views/resolved.sql", source="unified")
    text = "\n".join([rule, unified, *(each["table"] for each in sources)])
    return {
        "runs": f"{path}.{runs_table(dataset).name}",
        "definition": hashlib.sha256(text.encode()).hexdigest()[:32],
        "sources": sources,
        "unified": unified,
    }


def _source(
    table: str, path: TablesPath, columns: dict[str, str], *, fed: bool
) -> dict[str, Any]:
    """A table of declarations; rows of it that are read again have its name."""
    return {
        "table": f"{path}.{table}",
        "again": quoted(table),
        "columns": columns,
        "fed": fed,
    }
