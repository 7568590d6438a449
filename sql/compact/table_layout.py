"""The layout of a table that may hold copies: its day, and which columns are data.

It is read from the table itself: several programs made historic tables, which differ in
names and types.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from google.cloud import bigquery

from command.usage import UsageError
from pipeline.core.row_ids import row_key_sql
from pipeline.registry import METADATA_COLUMNS, Registry
from sql.views.historic import is_load_column

DAY_KINDS = frozenset({"DATE", "DATETIME", "TIMESTAMP", "STRING"})
# `extra` holds fields of the record: it is data.
_PIPELINE_COLUMNS = {column.name for column in METADATA_COLUMNS} - {"extra"}
_INGESTED_COLUMNS = frozenset({"ingested_utc", "_ingested_utc"})


@dataclass(frozen=True, slots=True)
class Days:
    """Some days of a table.

    Attributes:
        first: The first day, `YYYY-MM-DD`; None for no row with a day.
        last: The last day, included.
        undated: Whether rows without a day belong to them.
    """

    first: str | None
    last: str | None
    undated: bool = False

    @classmethod
    def one(cls, day: str | None) -> Self:
        """One day alone; None means the rows without a day."""
        return cls(day, day, undated=day is None)


@dataclass(frozen=True, slots=True)
class Layout:
    """The facts of a table that finding and removing copies needs.

    Attributes:
        table: `project.dataset.table`.
        columns: All columns.
        data_columns: Those in which identical rows are equal.
        day_column: The column with the day of a row; one of the data columns.
        day_kind: Its type, of `DAY_KINDS`.
        partitioned: Whether a day can be read without the rest of the table.
        record_id: The column that is equal for identical records, if there is one.
        ingested_column: The column with the time when a row was loaded, if any.
        unknown_columns: Data columns that may say only how a row was loaded.
        row_key: The SQL of what is equal for identical rows, if it is not the
            `record_id` alone: records of two messages may be two rows.
    """

    table: str
    columns: tuple[str, ...]
    data_columns: tuple[str, ...]
    day_column: str
    day_kind: str
    partitioned: bool
    record_id: str | None
    ingested_column: str | None
    unknown_columns: tuple[str, ...]
    row_key: str | None = None

    @property
    def name(self) -> str:
        """Its name, without project and dataset."""
        return self.table.rsplit(".", 1)[-1]

    @property
    def is_fed(self) -> bool:
        """Whether the pipeline writes to it."""
        return self.name.endswith("_iris") or self.name.startswith("iris_")


def layout_of(
    table: bigquery.Table,
    registry: Registry,
    day_column: str | None = None,
    ignored: Collection[str] = (),
) -> Layout:
    """Reads the layout of a table.

    Args:
        table: The table, as the service describes it.
        registry: Has the event time of each dataset.
        day_column: The day column that the user names, if any.
        ignored: More columns in which copies may differ, as the user names them.

    Raises:
        UsageError: Copies cannot be removed from this table; the text says why.
    """
    _refuse_unfit(table)
    kinds = {field.name: field.field_type for field in table.schema}
    folded = {name.lower(): name for name in kinds}
    # A dead letter has that of its record, which may fail again: not a copy.
    record_id = None if "dead_letter_id" in folded else folded.get("record_id")
    load = _load_columns(kinds, ignored, with_record_id=record_id is not None)
    data = tuple(name for name in kinds if name not in load)
    day = _day_column(table, registry, day_column, data)
    return Layout(
        table=f"{table.project}.{table.dataset_id}.{table.table_id}",
        columns=tuple(kinds),
        data_columns=data,
        day_column=day,
        day_kind=kinds[day],
        partitioned=day == _partition_column(table),
        record_id=record_id,
        ingested_column=next(
            (name for name in kinds if name.lower() in _INGESTED_COLUMNS), None
        ),
        unknown_columns=tuple(name for name in data if name.startswith("_")),
        row_key=_row_key(table.table_id, registry) if record_id else None,
    )


def _row_key(table: str, registry: Registry) -> str | None:
    for dataset in registry.values():
        if dataset.table == table and dataset.is_set_of_message:
            return row_key_sql(dataset)
    return None


def _refuse_unfit(table: bigquery.Table) -> None:
    if table.table_type != "TABLE":
        kind = str(table.table_type).lower().replace("_", " ")
        raise UsageError(f"{table.table_id} is a {kind}: name a table")
    if table.time_partitioning and not table.time_partitioning.field:
        # Rows that are written again would move to today's partition.
        raise UsageError(
            f"{table.table_id} is partitioned by the time of loading, which would "
            "change for rows that are written again: copy it into a table partitioned "
            "by a column"
        )


def _load_columns(
    names: Collection[str], ignored: Collection[str], *, with_record_id: bool
) -> set[str]:
    """The columns that say only how a row was loaded."""
    folded = {name.lower() for name in ignored}
    if unknown := folded - {name.lower() for name in names}:
        raise UsageError(
            f"there is no column {', '.join(sorted(unknown))}: correct --ignore-column"
        )
    if with_record_id:
        folded |= _PIPELINE_COLUMNS
    return {name for name in names if is_load_column(name) or name.lower() in folded}


def _partition_column(table: bigquery.Table) -> str | None:
    partitioning = table.time_partitioning
    return partitioning.field if partitioning else None


def _day_column(
    table: bigquery.Table,
    registry: Registry,
    named: str | None,
    data: Collection[str],
) -> str:
    """The first of the data columns that can hold the day of a row.

    Another column cannot: copies would differ in it, and be of several days.
    """
    days: dict[str, str] = {
        field.name.lower(): field.name
        for field in table.schema
        if field.name in data
        and field.field_type in DAY_KINDS
        and field.mode != "REPEATED"
    }
    stem = table.table_id.removesuffix("_iris")
    events = [d.event_time for d in registry.values() if d.stem == stem]
    wanted = [named] if named else [_partition_column(table), "settlementDate", *events]
    for name in wanted:
        if name and name.lower() in days:
            return days[name.lower()]
    problem = f"{named} does not hold" if named else "no known column holds"
    raise UsageError(
        f"{table.table_id}: {problem} the day of a row; name a column with "
        f"--day-column: {', '.join(days.values()) or 'there is none'}"
    )
