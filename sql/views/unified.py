"""The unified view: history and IRIS under one name, each record once, every version.

Its columns are the dataset's and the metadata columns, in the order of its table,
whatever the user's history looks like, so that a query never breaks.
"""

from collections.abc import Sequence, Set
from itertools import count
from typing import Any

from command.tables_path import TablesPath
from pipeline.registry import METADATA_COLUMNS, Column, Dataset
from sql.templates import fill, quoted
from sql.views import historic
from sql.views.conversions import grouping, with_extra
from sql.views.local_times import label_of
from sql.views.sides import bid_or_offer
from sql.views.view import View

# The second reading of a column's time has the column's name and this.
OTHER = "_other"


def unified_view(
    dataset: Dataset, path: TablesPath, histories: Sequence[historic.Mapping]
) -> View:
    """`bmrs_<dataset>_unified`: history and IRIS, each record once, every version."""
    sources = [dataset.table, *(history.table.name for history in histories)]
    labels = {
        label_of(history.table.name, column): str(said)
        for history in histories
        for column, said in history.said.items()
    }
    return View(
        f"{dataset.stem}_unified",
        dataset.columns + METADATA_COLUMNS,
        unified_query(dataset, path, histories),
        f"{dataset.title}: each record once, from {' and '.join(sources)}.",
        tuple(sorted(labels.items())),
    )


def sources(
    dataset: Dataset,
    path: TablesPath | None,
    histories: Sequence[historic.Mapping],
) -> dict[str, Any]:
    """What the templates of views are filled with to read the tables of a dataset.

    Args:
        dataset: The dataset.
        path: Where its tables are; None if common table expressions have their names.
        histories: Its mapped historic tables.
    """
    columns = dataset.columns + METADATA_COLUMNS
    prefix = f"{path}." if path else ""
    return {
        "iris": f"{prefix}{dataset.table}",
        "columns": [column.name for column in columns],
        "iris_columns": {
            column.name: with_extra(column) if column.since else quoted(column.name)
            for column in columns
        },
        "histories": [
            {
                "table": f"{prefix}{history.table.name}",
                "expressions": history.expressions,
            }
            for history in histories
        ],
    }


def unified_query(
    dataset: Dataset,
    path: TablesPath | None,
    histories: Sequence[historic.Mapping],
) -> str:
    """The SELECT of the view, over tables or rows of them; see `sources`."""
    compared = _compared(dataset, histories)
    sides = _sides(dataset, histories)
    read = sources(dataset, path, histories)
    for each, history, side in zip(read["histories"], histories, sides, strict=True):
        each |= {
            "side": side,
            "others": history.others,
            "identity": _identity(dataset, history, compared),
        }
    return fill(
        "views/unified.sql",
        **read,
        partition=dataset.partition_column,
        clusters=[grouping(dataset.column(n)) for n in dataset.cluster_columns],
        api_absent=dataset.api_absent,
        others=_others(dataset, histories),
        ambiguous=_ambiguous(histories, sides),
        windows=_windows(dataset, histories, sides),
        history_side=_history_side(dataset),
        agreed=_differing(sides),
    )


def _history_side(dataset: Dataset) -> int:
    """The first side of history; IRIS is 0, the API where it lacks columns is 1."""
    return 2 if dataset.api_absent else 1


def _sides(dataset: Dataset, histories: Sequence[historic.Mapping]) -> list[int]:
    """The side of each historic table: those that share the same columns are one."""
    shared = [
        (*_agreeing(dataset, [history]), *sorted(history.others))
        for history in histories
    ]
    numbers = dict(zip(dict.fromkeys(shared), count(_history_side(dataset))))
    return [numbers[each] for each in shared]


def _differing(sides: Sequence[int]) -> list[int]:
    """The sides of history, if there are several."""
    found = sorted(set(sides))
    return found if len(found) > 1 else []


def _others(dataset: Dataset, histories: Sequence[historic.Mapping]) -> list[str]:
    """The columns whose time has two readings in a historic table."""
    names = {name for history in histories for name in history.others}
    return [column.name for column in dataset.columns if column.name in names]


def _ambiguous(
    histories: Sequence[historic.Mapping], sides: Sequence[int]
) -> dict[int, historic.Mapping]:
    """The sides of history whose times have two readings, with one of its tables."""
    found = zip(sides, histories, strict=True)
    return {side: history for side, history in found if history.others}


def _windows(
    dataset: Dataset, histories: Sequence[historic.Mapping], sides: Sequence[int]
) -> dict[str, list[str]]:
    """The windows of the query: what each is partitioned by, as SQL."""
    given = [grouping(column) for column in _api_columns(dataset)]
    windows = {"copies": _agreeing(dataset, histories) if histories else given}
    for side in _differing(sides):
        history = histories[sides.index(side)]
        windows[f"agreed{side}"] = _agreeing(dataset, [history])
    for side, history in _ambiguous(histories, sides).items():
        windows[f"other{side}"] = _agreeing(dataset, [history], set(history.others))
    if dataset.api_absent:
        windows["given"] = given
    return windows


def _compared(dataset: Dataset, histories: Sequence[historic.Mapping]) -> list[Column]:
    """The columns that make rows copies if equal, the partition column first."""
    shared = {
        column.name
        for column in dataset.columns
        if all(column.name in history.compared for history in histories)
    }
    # A unit has one Elexon name, which some loads left out.
    if "nationalGridBmUnit" in shared:
        shared -= {"bmUnit"}
    return _partition_first(dataset, shared)


def _agreeing(
    dataset: Dataset,
    histories: Sequence[historic.Mapping],
    others: Set[str] = frozenset(),
) -> list[str]:
    """The compared columns, as SQL; of `others` the second reading."""
    expressions = [
        quoted(column.name + OTHER) if column.name in others else grouping(column)
        for column in _compared(dataset, histories)
    ]
    if all({"nationalGridBmUnit", "bmUnit"} <= h.compared for h in histories):
        # Some units have no other name.
        expressions.append("IF(`nationalGridBmUnit` IS NULL, `bmUnit`, NULL)")
    # A table may lack the values that distinguish a bid from an offer.
    side = bid_or_offer(dataset)
    return [*expressions, side] if side else expressions


def _api_columns(dataset: Dataset) -> list[Column]:
    """The columns that the Insights API fills, the partition column first."""
    names = {column.name for column in dataset.columns}
    return _partition_first(dataset, names - set(dataset.api_absent))


def _partition_first(dataset: Dataset, names: Set[str]) -> list[Column]:
    first = dataset.partition_column
    rest = (column for column in dataset.columns if column.name in names - {first})
    return [dataset.column(first), *rest]


def _identity(
    dataset: Dataset, history: historic.Mapping, compared: Sequence[Column]
) -> str:
    """What distinguishes rows of a historic table whose compared columns are equal."""
    left = [
        column
        for column in dataset.columns
        if column.name in history.compared and column not in compared
    ]
    extra = history.expressions["extra"]
    parts = [] if extra == historic.NO_TEXT else [extra]
    parts += [history.expressions[column.name] for column in left]
    if not parts:
        return historic.NO_TEXT
    if len(parts) == 1 and all(column.kind == "STRING" for column in left):
        return parts[0]  # text already
    fields = ", ".join(f"{part} AS part{n}" for n, part in enumerate(parts))
    return f"TO_JSON_STRING(STRUCT({fields}))"
