"""History: the user's tables from before IRIS, and how they become a dataset's columns.

Three generations of such tables are known. `sql apply` reads the real schema from
BigQuery; `sql render` uses the one that the registry declares.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field

from google.cloud import bigquery

from pipeline.registry import METADATA_COLUMNS, Column, Dataset
from sql.schemas import column_of
from sql.templates import literal, quoted
from sql.views import local_times
from sql.views.conversions import converted, keeps_order, null, unread
from sql.views.local_times import Reading, Said, TimeColumn

NO_TEXT = null(METADATA_COLUMNS[-1])
# When a historic row was loaded: the names that the loaders used.
_INGESTED = ("_ingested_utc", "ingested_utc")
# What loaders note about a load. Not every name with an underscore is such a note:
# `_direction` in bmrs_boav and bmrs_ebocf distinguishes bids from offers.
_LOAD_COLUMN = re.compile(
    r"(_dataset|_window_\w+|_ingested\w*|_source\w*|_hash\w*|_fetched\w*|_load\w*"
    r"|ingested_utc|source)\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A historic table as it is, or as the registry declares it.

    Attributes:
        name: Its name, without project and dataset.
        columns: Its columns.
        partition_column: The column by which it is partitioned, if there is one.
    """

    name: str
    columns: tuple[Column, ...]
    partition_column: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a historic table becomes the columns of its dataset.

    Attributes:
        table: The table.
        expressions: The SQL for each column of the dataset and each metadata column.
        compared: The columns that show whether one of its rows is also an IRIS record.
        others: The second reading of times that may have two, by column: a row that
            agrees with one of IRIS in that one is a copy, too.
        said: What the user says of its time columns.
        notes: What a user should know: columns that are missing, unknown or of another
            type.
    """

    table: FoundTable
    expressions: dict[str, str]
    compared: frozenset[str]
    notes: tuple[str, ...]
    others: Map[str, str] = field(default_factory=dict)
    said: Map[str, Said] = field(default_factory=dict)


def is_load_column(name: str) -> bool:
    """Whether a column of a historic table says only how a row was loaded."""
    return bool(_LOAD_COLUMN.match(name))


def found_table(table: bigquery.Table) -> FoundTable:
    """A table that BigQuery has."""
    partitioning = table.time_partitioning
    return FoundTable(
        table.table_id,
        tuple(column_of(field) for field in table.schema),
        partitioning.field if partitioning else None,
    )


def declared_tables(dataset: Dataset) -> Iterator[FoundTable]:
    """The historic tables that the registry declares, with their columns."""
    for historic in dataset.historic:
        columns = [
            Column(column.name, kind, column.mode, fields=column.fields)
            if (kind := historic.type_of(column)) == column.type
            else Column(column.name, kind)
            for column in dataset.columns
            if column.name not in historic.absent
        ]
        columns.append(Column(_INGESTED[0], "STRING"))
        yield FoundTable(historic.table, tuple(columns), dataset.partition_column)


def declared_mappings(dataset: Dataset) -> list[Mapping]:
    """How the tables that the registry declares become the dataset's columns."""
    return [mapping(dataset, table) for table in declared_tables(dataset)]


def names_of(dataset: Dataset) -> list[str]:
    """The names that a historic table of the dataset may have."""
    declared = [historic.table for historic in dataset.historic]
    return list(dict.fromkeys([*declared, dataset.stem]))


def mapping(
    dataset: Dataset,
    table: FoundTable,
    readings: Map[str, Reading] | None = None,
    said: Map[str, Said] | None = None,
) -> Mapping:
    """Maps a table to the columns of its dataset.

    Args:
        dataset: The dataset.
        table: Its historic table.
        readings: The time columns that are not simply UTC, by the dataset's names.
        said: What the user says of time columns.
    """
    readings = readings or {}
    sources = _sources(dataset, table)
    expressions: dict[str, str] = {}
    compared: dict[str, str] = {}
    doubts: dict[str, str] = {}
    for wanted in dataset.columns:
        there = sources.get(wanted.name)
        expression = converted(quoted(there.name), there, wanted) if there else None
        expressions[wanted.name] = expression or null(wanted)
        if there is None or expression is None:
            continue
        # One old column may fill two columns. For the second its value is only likely,
        # so only the first shows whether two rows are the same record.
        compared.setdefault(there.name, wanted.name)
        if doubt := unread(quoted(there.name), there, wanted):
            doubts[there.name] = doubt
    others: dict[str, str] = {}
    columns = local_times.time_columns(dataset, sources, expressions)
    for name, read in local_times.read_times(columns, readings):
        expressions[name] = read.shown
        if read.other:
            others[name] = read.other
    expressions["dataset"] = literal(dataset.name)
    shown = [
        column
        for column in table.columns
        if column.name not in compared and not is_load_column(column.name)
    ]
    expressions |= _metadata(table) | {"extra": _extra(shown, doubts)}
    notes = [
        *_notes(dataset, table, sources, shown),
        *_doubt_notes(table, doubts),
        *_day_notes(dataset, table, sources, readings),
    ]
    return Mapping(
        table,
        expressions,
        frozenset(compared.values()) - {"dataset"},
        tuple(notes),
        {name: other for name, other in others.items() if name in compared.values()},
        said or {},
    )


def time_columns(dataset: Dataset, table: FoundTable) -> list[TimeColumn]:
    """The times of a table that may have lost their zone."""
    sources = _sources(dataset, table)
    expressions = {
        wanted.name: converted(quoted(there.name), there, wanted) or null(wanted)
        for wanted in dataset.columns
        if (there := sources.get(wanted.name))
    }
    return local_times.time_columns(dataset, sources, expressions)


def read_columns(dataset: Dataset, table: FoundTable) -> list[Column]:
    """The table's columns that say something of its times."""
    sources = _sources(dataset, table)
    names = {column.name for column in time_columns(dataset, table)}
    names |= {"settlementDate", *dataset.period_times.values()}
    return [there for name, there in sources.items() if name in names]


def _sources(dataset: Dataset, table: FoundTable) -> dict[str, Column]:
    """The table's columns by the dataset's names for them, whatever their case."""
    found = {column.name.lower(): column for column in table.columns}
    former: dict[str, str] = {}
    for historic in dataset.historic:
        if historic.table == table.name:
            former.update(historic.formerly)
    sources: dict[str, Column] = {}
    for column in dataset.columns:
        for name in (column.name, former.get(column.name, "")):
            if name.lower() in found:
                sources.setdefault(column.name, found[name.lower()])
    return sources


def _notes(
    dataset: Dataset,
    table: FoundTable,
    sources: dict[str, Column],
    shown: Iterable[Column],
) -> Iterator[str]:
    absent = [
        column.name
        for column in dataset.columns
        if column.name not in sources and column.name != "dataset"
    ]
    if absent:
        yield f"{table.name} has no {', '.join(absent)}: NULL for its rows"
    wanted = {there.name: name for name, there in sources.items()}
    for column in shown:
        if name := wanted.get(column.name):
            to = dataset.column(name)
            yield (
                f"{table.name}.{column.name} is {column.type} {column.mode}, which "
                f"cannot be read as {to.type} {to.mode}: see extra"
            )
        elif column.name != "dataset":
            full_name = f"{table.name}.{column.name}"
            yield f"{full_name} is not a column of {dataset.name}: see extra"


def _doubt_notes(table: FoundTable, doubts: Iterable[str]) -> Iterator[str]:
    if names := ", ".join(doubts):
        yield f"{table.name}: values of {names} that do not fit are NULL: see extra"


def _day_notes(
    dataset: Dataset,
    table: FoundTable,
    sources: dict[str, Column],
    readings: Map[str, Reading],
) -> Iterator[str]:
    """What a user should know about queries for one day."""
    wanted = dataset.column(dataset.partition_column)
    there = sources.get(wanted.name)
    if there is None:
        yield (
            f"{table.name} has no column for {wanted.name}: a query for one day does "
            "not find its rows, and rows that IRIS has, too, are shown twice"
        )
    elif wanted.name in readings:
        yield (
            f"{table.name}.{wanted.name} is not read as UTC: a query for one day reads "
            "the whole table"
        )
    elif there.name != table.partition_column or not keeps_order(there, wanted):
        yield (
            f"{table.name} is not partitioned by {wanted.name}: a query for one day "
            "reads the whole table"
        )


def _metadata(table: FoundTable) -> dict[str, str]:
    """The metadata columns of a historic row."""
    expressions = {column.name: null(column) for column in METADATA_COLUMNS}
    expressions["source"] = literal("HISTORIC")
    ingested = METADATA_COLUMNS[0]
    for column in table.columns:
        if column.name in _INGESTED:
            read = converted(quoted(column.name), column, ingested)
            expressions[ingested.name] = read or null(ingested)
    return expressions


def _extra(shown: Iterable[Column], doubts: dict[str, str]) -> str:
    """JSON of what no column shows: unknown columns, and values that do not fit."""
    # The local BigQuery names a field only if it has an alias.
    fields = [f"{name} AS {name}" for name in (quoted(each.name) for each in shown)]
    extra = f"TO_JSON_STRING(STRUCT({', '.join(fields)}))" if fields else NO_TEXT
    if not doubts:
        return extra
    unfit = [
        f"IF({doubt}, {quoted(name)}, NULL) AS {quoted(name)}"
        for name, doubt in doubts.items()
    ]
    whole = f"TO_JSON_STRING(STRUCT({', '.join([*fields, *unfit])}))"
    return f"IF({' OR '.join(doubts.values())}, {whole}, {extra})"
