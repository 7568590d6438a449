"""The views: history and IRIS under one name, the latest versions, resolved positions.

A view's columns are the dataset's and the metadata columns, in the order of its table,
whatever the user's history looks like, so that a query never breaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import count
from textwrap import indent

from pipeline.registry import METADATA_COLUMNS, Column, Dataset, Registry
from sql.tables import DEAD_LETTERS, REPLAYS, UNMAPPED
from sql.templates import fill, literal, quoted
from sql.views import historic
from sql.views.conversions import with_extra

# Whether a view is up to date is told by its label, since BigQuery gives the text of a
# query back in a form of its own.
LABEL = "definition"
HELD = "iris_held"
# What `iris_held` reads, besides the tables of the datasets.
HELD_SOURCES = (DEAD_LETTERS.name, UNMAPPED.name, REPLAYS.name)
_HELD_COLUMNS = (
    Column("kind", "STRING", description="DEAD_LETTER or UNMAPPED."),
    Column("held_id", "STRING", description="The letter of the newest attempt."),
    Column("root_id", "STRING", description="The letter that failed first."),
    Column("held_utc", "TIMESTAMP", description="When the first one failed."),
    Column("stage", "STRING", description="The step that failed last."),
    Column("reason", "STRING", description="The last reason code, or UNMAPPED."),
    Column("error", "STRING", description="What was wrong last."),
    Column("dataset", "STRING", description="The IRIS dataset."),
    Column("message_id", "STRING", description="The IRIS message."),
    Column(
        "record_index",
        "INT64",
        description="Which record of it; null for the whole message.",
    ),
    Column("record_id", "STRING", description="The record's identity, if it has one."),
    Column("attempt", "INT64", description="1, and one more for each replay."),
    Column("replays", "INT64", description="How often it was replayed."),
    Column("replayed_utc", "TIMESTAMP", description="When it was last replayed."),
    Column(
        "state",
        "STRING",
        description="WAITING: never replayed. REPLAYED: sent, and nothing has come of "
        "it yet. ROW: it is a row. OPENED: the whole message was opened by a replay, "
        "and its records went each its own way. FAILED_AGAIN: the replay failed, too. "
        "UNKNOWN_DATASET: the registry did not know the dataset at the last "
        "`sql apply`.",
    ),
    Column(
        "payload",
        "BYTES",
        description="The bytes of the newest attempt; null where too large for a row.",
    ),
    Column("attributes", "STRING", description="JSON text of its Pub/Sub attributes."),
)

# Datasets whose records override each other in time: the position that results.
RESOLVED = ("MELS", "MILS")
_RESOLVED_COLUMNS = (
    *("nationalGridBmUnit", "bmUnit", "settlementDate", "settlementPeriod"),
    *("timeFrom", "timeTo", "levelFrom", "levelTo"),
    *("notificationTime", "notificationSequence"),
)


@dataclass(frozen=True, slots=True)
class View:
    """What a view is to be.

    Attributes:
        name: Its name, without project and dataset.
        columns: Its columns, in order.
        query: The SELECT that it stands for.
        description: What a row is.
    """

    name: str
    columns: tuple[Column, ...]
    query: str
    description: str

    @property
    def fingerprint(self) -> str:
        """The same for the same view: its label tells whether it is up to date."""
        return _fingerprint(self.columns, self.query, self.description)


@dataclass(frozen=True, slots=True)
class Function:
    """What a table function is to be.

    Attributes:
        name: Its name, without project and dataset.
        arguments: Its arguments with their types.
        query: The SELECT that it stands for.
        description: What a row is.
    """

    name: str
    arguments: str
    query: str
    description: str

    @property
    def documentation(self) -> str:
        """The description as it stands in BigQuery; functions have no labels."""
        mark = _fingerprint(self.arguments, self.query, self.description)
        return f"{self.description} Definition {mark}."


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def create_statement(view: View, place: str) -> str:
    """The DDL that makes a view, or makes it anew.

    Args:
        view: What it is to be.
        place: `project.dataset`.
    """
    columns = ",\n".join(
        f"  {quoted(column.name)} OPTIONS (description = "
        f"{literal(column.documentation)})"
        for column in view.columns
    )
    return (
        f"CREATE OR REPLACE VIEW {quoted(f'{place}.{view.name}')} (\n{columns}\n)\n"
        f"OPTIONS (\n  description = {literal(view.description)},\n"
        f'  labels = [("{LABEL}", "{view.fingerprint}")]\n'
        f")\nAS\n{view.query.strip()};\n"
    )


def create_function_statement(function: Function, place: str) -> str:
    """The DDL that makes a table function, or makes it anew.

    Args:
        function: What it is to be.
        place: `project.dataset`.
    """
    return (
        f"CREATE OR REPLACE TABLE FUNCTION {quoted(f'{place}.{function.name}')} (\n"
        f"  {function.arguments}\n)\n"
        f"OPTIONS (description = {literal(function.documentation)})\n"
        f"AS (\n{indent(function.query.strip(), '  ')}\n);\n"
    )


def all_views(
    registry: Registry,
    place: str,
    histories: Mapping[str, Sequence[historic.Mapping]],
) -> Iterator[View]:
    """Every view of the product, each one behind those that it reads.

    Args:
        registry: The datasets.
        place: `project.dataset`.
        histories: The mapped historic tables, by dataset.
    """
    for dataset in registry.values():
        yield unified_view(dataset, place, histories.get(dataset.name, ()))
        yield latest_view(dataset, place)
        if dataset.name in RESOLVED:
            yield resolved_view(dataset, place)


def held_view(registry: Registry, place: str) -> View:
    """`iris_held`: what is held back, and what came of it."""
    return View(
        HELD,
        _HELD_COLUMNS,
        held_query(registry, place, list(registry.values())),
        "What could not become a row and what came of it: one row for each dead letter "
        "or unmapped message, whose replays are one with it. A query reads record_id "
        "and message_id of every _iris table, some 100 bytes a row.",
    )


def held_query(registry: Registry, place: str, datasets: Sequence[Dataset]) -> str:
    """The SELECT of `iris_held`.

    Args:
        registry: The datasets that are known.
        place: `project.dataset`.
        datasets: Those of them whose tables are looked into for rows; where nothing of
            a dataset is held, its table can be spared.
    """
    subjects = [
        (subject, dataset.name)
        for dataset in registry.values()
        for subject in (dataset.name, *dataset.aliases)
    ]
    return fill("views/held.sql", place=place, datasets=datasets, subjects=subjects)


def unified_view(
    dataset: Dataset, place: str, histories: Sequence[historic.Mapping]
) -> View:
    """`bmrs_<dataset>_unified`: history and IRIS, each record once, every version."""
    columns = dataset.columns + METADATA_COLUMNS
    given = [grouping(column) for column in _given(dataset)]
    compared = _compared(dataset, histories)
    agreed = [tuple(_agreeing(dataset, [history])) for history in histories]
    history_side = 2 if dataset.api_absent else 1
    sides = dict(zip(dict.fromkeys(agreed), count(history_side)))
    apart = sides if len(sides) > 1 else {}
    windows = {
        "copies": _agreeing(dataset, histories) if histories else given,
        **{f"agreed{side}": list(agreeing) for agreeing, side in apart.items()},
    }
    if dataset.api_absent:
        windows["given"] = given
    query = fill(
        "views/unified.sql",
        iris=f"{place}.{dataset.table}",
        columns=[column.name for column in columns],
        iris_columns={
            column.name: with_extra(column) if column.since else quoted(column.name)
            for column in columns
        },
        partition=dataset.partition_column,
        clusters=[grouping(dataset.column(n)) for n in dataset.cluster_columns],
        api_absent=dataset.api_absent,
        windows=windows,
        history_side=history_side,
        agreed=list(apart.values()),
        histories=[
            {
                "table": f"{place}.{history.table.name}",
                "side": sides[agreeing],
                "expressions": history.expressions,
                "identity": _identity(dataset, history, compared),
            }
            for history, agreeing in zip(histories, agreed, strict=True)
        ],
    )
    sources = [dataset.table, *(history.table.name for history in histories)]
    return View(
        f"{dataset.stem}_unified",
        columns,
        query,
        f"{dataset.title}: each record once, from {' and '.join(sources)}.",
    )


def _compared(dataset: Dataset, histories: Sequence[historic.Mapping]) -> list[Column]:
    """What history and IRIS must share to be copies, the partition column first."""
    shared = {
        column.name
        for column in dataset.columns
        if all(column.name in history.compared for history in histories)
    }
    # One unit has one Elexon name, which some loads left out.
    if "nationalGridBmUnit" in shared:
        shared -= {"bmUnit"}
    return _partition_first(dataset, shared)


def _agreeing(dataset: Dataset, histories: Sequence[historic.Mapping]) -> list[str]:
    """What is compared, as SQL."""
    expressions = [grouping(column) for column in _compared(dataset, histories)]
    if all({"nationalGridBmUnit", "bmUnit"} <= h.compared for h in histories):
        # A unit that has no other name is known by this one.
        expressions.append("IF(`nationalGridBmUnit` IS NULL, `bmUnit`, NULL)")
    return expressions


def _given(dataset: Dataset) -> list[Column]:
    """What the Insights API gives of a record, the partition column first."""
    names = {column.name for column in dataset.columns}
    return _partition_first(dataset, names - set(dataset.api_absent))


def _partition_first(dataset: Dataset, names: Set[str]) -> list[Column]:
    first = dataset.partition_column
    rest = (column for column in dataset.columns if column.name in names - {first})
    return [dataset.column(first), *rest]


def _identity(
    dataset: Dataset, history: historic.Mapping, compared: Sequence[Column]
) -> str:
    """What tells rows of a historic table apart that agree in what is compared."""
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


def grouping(column: Column) -> str:
    """A column as PARTITION BY takes it: BigQuery refuses floats, arrays, records."""
    name = quoted(column.name)
    if column.type == "RECORD" or column.mode == "REPEATED":
        return f"TO_JSON_STRING({name})"
    return f"CAST({name} AS STRING)" if column.type == "FLOAT64" else name


def latest_view(dataset: Dataset, place: str) -> View:
    """`bmrs_<dataset>_latest`: one row a latest key."""
    columns = dataset.columns + METADATA_COLUMNS
    query = fill(
        "views/latest.sql",
        unified=f"{place}.{dataset.stem}_unified",
        columns=[column.name for column in columns],
        key=[grouping(dataset.column(name)) for name in dataset.latest_partition],
        versions=list(_versions(dataset)),
        prunable=dataset.partition_column in dataset.latest_partition,
    )
    return View(
        f"{dataset.stem}_latest",
        columns,
        query,
        f"{dataset.title}: the latest version of each {', '.join(dataset.latest_key)}",
    )


def _versions(dataset: Dataset) -> Iterator[str]:
    for name in dataset.version_order:
        if dataset.column(name).type == "STRING":
            # Serial numbers are text: 10 comes after 9.
            yield f"LENGTH({quoted(name)})"
        yield quoted(name)


def resolved_view(dataset: Dataset, place: str) -> View:
    """`bmrs_<dataset>_resolved`: the position that raw declarations add up to."""
    return View(
        f"{dataset.stem}_resolved",
        tuple(dataset.column(name) for name in _RESOLVED_COLUMNS),
        fill("views/resolved.sql", source=f"{place}.{dataset.stem}_unified"),
        f"{dataset.title}: for each BM unit and instant the declaration that holds.",
    )


def all_functions(registry: Registry, place: str) -> Iterator[Function]:
    """Every table function of the product."""
    for dataset in registry.values():
        if dataset.name in RESOLVED:
            yield resolved_between(dataset, place)


def resolved_between(dataset: Dataset, place: str) -> Function:
    """`bmrs_<dataset>_resolved_between`: the same for a time, at a time's cost."""
    source = f"{place}.{dataset.stem}_unified"
    return Function(
        f"{dataset.stem}_resolved_between",
        "from_utc TIMESTAMP, to_utc TIMESTAMP, reach_days INT64",
        fill("views/resolved.sql", source=source, between=True),
        f"{dataset.title} from from_utc to to_utc, from declarations that started at "
        "most reach_days before (NULL: at any time).",
    )
