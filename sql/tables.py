"""The tables: those of the registry's datasets, what is resolved, and five others."""

from collections.abc import Iterator
from dataclasses import dataclass

from command.tables_path import TablesPath
from pipeline.registry import (
    METADATA_COLUMNS,
    Column,
    Dataset,
    Registry,
)
from sql.templates import literal


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it should be.

    It has no primary key. BigQuery does not enforce one but trusts it, and may drop a
    join or a DISTINCT because of it; these tables have several rows for a key.

    Attributes:
        name: Its name, without project and dataset.
        columns: Its columns, in order.
        partition_column: The DATE or TIMESTAMP column whose day it is partitioned by;
            empty for a small table, which is not partitioned.
        cluster_columns: The columns it is clustered by.
        description: What a row is.
    """

    name: str
    columns: tuple[Column, ...]
    partition_column: str
    cluster_columns: tuple[str, ...]
    description: str

    @property
    def partition(self) -> str:
        """The PARTITION BY expression; empty if it is not partitioned."""
        if not self.partition_column:
            return ""
        kinds = {column.name: column.type for column in self.columns}
        if kinds[self.partition_column] == "DATE":
            return f"`{self.partition_column}`"
        return f"TIMESTAMP_TRUNC(`{self.partition_column}`, DAY)"


def _text(name: str, description: str, kind: str = "STRING") -> Column:
    return Column(name, kind, description=description)


_MESSAGE_COLUMNS = (
    _text("dataset", "The IRIS dataset, as its subject says."),
    _text("message_id", "The IRIS message."),
    _text("payload", "The body unchanged, or the one record's JSON.", "BYTES"),
    _text("attributes", "JSON text of the Pub/Sub attributes."),
)

DEAD_LETTERS = Table(
    "iris_dead_letters",
    (
        _text("dead_letter_id", "The same letter has the same id."),
        _text("failed_utc", "When it failed.", "TIMESTAMP"),
        _text("stage", "The step that failed: read, decode, coerce or write."),
        _text("reason", "The reason code."),
        _text("error", "What was wrong: the column and the value."),
        *_MESSAGE_COLUMNS[:2],
        _text("record_index", "Which record; null for the whole message.", "INT64"),
        _text("record_id", "Its identity, that of the row it becomes when replayed."),
        *_MESSAGE_COLUMNS[2:],
        _text("attempt", "1, and one more for each replay.", "INT64"),
        _text(
            "replayed_utc",
            "When it was last replayed, if BigQuery allowed the change; "
            "iris_held has the exact time.",
            "TIMESTAMP",
        ),
    ),
    "failed_utc",
    ("reason", "dataset"),
    "Messages and records that could not become rows, with the reason and their bytes.",
)

UNMAPPED = Table(
    "iris_unmapped",
    (
        _text("unmapped_id", "The same message has the same id."),
        _text("ingested_utc", "When the pipeline received it.", "TIMESTAMP"),
        *_MESSAGE_COLUMNS,
    ),
    "ingested_utc",
    ("dataset",),
    "Messages of datasets that the registry does not know.",
)

REPLAYS = Table(
    "iris_replays",
    (
        _text("replayed_utc", "When Pub/Sub accepted it.", "TIMESTAMP"),
        _text("held_id", "The dead letter or unmapped message that was published."),
        _text("root_id", "The dead letter or unmapped message of the first attempt."),
        _text("publish_id", "The message that was published."),
        _text("dataset", "The IRIS dataset."),
        _text("message_id", "The IRIS message."),
        _text("reason", "Why it was held back."),
        _text("attempt", "Which attempt the message is.", "INT64"),
    ),
    "replayed_utc",
    ("dataset",),
    "Each replay of a dead letter or an unmapped message.",
)


def _delay(name: str, what: str) -> tuple[Column, ...]:
    """The columns of a delay, of which means and maxima of any rows can be made."""
    mean = f"SUM({name}_seconds_sum) / SUM({name}_count)"
    return (
        _text(f"{name}_count", f"Number of delays {what}.", "INT64"),
        _text(f"{name}_seconds_sum", f"Their sum. The mean is {mean}.", "FLOAT64"),
        _text(f"{name}_seconds_max", "The largest of them.", "FLOAT64"),
    )


LEDGER = Table(
    "iris_ledger",
    (
        _text("minute_utc", "The minute in which it was counted.", "TIMESTAMP"),
        _text("dataset", "The IRIS dataset."),
        _text(
            "window_start",
            "The minute in which Pub/Sub received the messages; null for files and "
            "load jobs.",
            "TIMESTAMP",
        ),
        _text(
            "pane",
            "0 for what a stream on Dataflow counted when the minute was over, then 1, "
            "2, ... for what came later; null for other runs.",
            "INT64",
        ),
        _text("messages", "Messages received.", "INT64"),
        _text("records", "Records in them; an unreadable message counts one.", "INT64"),
        _text("rows", "Records that became rows.", "INT64"),
        _text("duplicates", "Identical records dropped.", "INT64"),
        _text("dead_letters", "Records in iris_dead_letters.", "INT64"),
        _text("unmapped", "Messages in iris_unmapped.", "INT64"),
        _text(
            "newest_event_utc",
            "The newest event time of the records; ahead of now for a forecast.",
            "TIMESTAMP",
        ),
        _text(
            "newest_enqueued_utc",
            "When IRIS queued the newest message that became rows; null when unknown.",
            "TIMESTAMP",
        ),
        *_delay(
            "to_pubsub",
            "from IRIS's queue to Pub/Sub, one for each message that is not a replay",
        ),
        *_delay("to_row", "from Pub/Sub to BigQuery's answer, one for each row"),
        _text("entry_id", "The id of the entry.", "STRING"),
    ),
    "minute_utc",
    ("dataset",),
    "What became of every record. Entries are additive: sum them. "
    "records = rows + duplicates + dead_letters + unmapped.",
)

REFERENCE_UNITS = Table(
    "gb_reference_units",
    (
        _text("nationalGridBmUnit", "The system operator's name of the unit."),
        _text("elexonBmUnit", "Elexon's name of the unit; bmUnit in other tables."),
        _text("eic", "EIC code of the unit."),
        _text("fuelType", "Fuel code; null for most units."),
        _text("leadPartyName", "Lead party."),
        _text("leadPartyId", "Short name of the lead party."),
        _text("bmUnitType", "Type letter of the BM unit."),
        _text("bmUnitName", "Name for people; often Elexon's name again."),
        _text("fpnFlag", "Whether the unit must notify its generation.", "BOOL"),
        Column(
            "generationCapacity",
            "FLOAT64",
            unit="MW",
            description="Registered generation capacity.",
        ),
        Column(
            "demandCapacity",
            "FLOAT64",
            unit="MW",
            description="Registered demand capacity; zero or negative.",
        ),
        _text("productionOrConsumptionFlag", "P for production, C for consumption."),
        _text("interconnectorId", "The interconnector of the unit, if it has one."),
        _text("gspGroupId", "Its group of grid supply points, such as _A."),
        _text("gspGroupName", "The region of the group."),
        _text("loaded_utc", "When `sql units` loaded the list.", "TIMESTAMP"),
        _text("extra", "JSON text of the other fields of the list."),
    ),
    "",
    (),
    "Elexon's reference list of BM units, as `python -m sql units` loaded it last. "
    "Empty until then.",
)


# Datasets whose records override each other in time.
RESOLVED = ("MELS", "MILS")


def runs_table(dataset: Dataset) -> Table:
    """The `bmrs_<dataset>_resolved_runs` table: what `refresh` has resolved."""
    shown = {column.name: column for column in dataset.columns}
    return Table(
        f"{dataset.stem}_resolved_runs",
        (
            shown["nationalGridBmUnit"],
            shown["bmUnit"],
            _text("settlementDate", "The day on which it starts.", "DATE"),
            _text("settlementPeriod", "The half-hour in which it starts.", "INT64"),
            _text("timeFrom", "From when the declaration is in force.", "TIMESTAMP"),
            _text("timeTo", "Until when.", "TIMESTAMP"),
            *(shown[name] for name in ("levelFrom", "levelTo", "notificationTime")),
            shown["notificationSequence"],
            _text("pieceFrom", "Start of its piece, a row of the view.", "TIMESTAMP"),
            _text("pieceTo", "End of its piece.", "TIMESTAMP"),
            _text("pieceBmUnit", "bmUnit of its piece."),
            _text("pieceNotificationTime", "The latest of its piece.", "TIMESTAMP"),
            _text("definition", "The definition of the view by which it was resolved."),
            _text("until_utc", "Arrivals until then are resolved.", "TIMESTAMP"),
            _text("resolved_day", "A day of declarations that are resolved.", "DATE"),
            _text("declarations", "How many rows of that day they were.", "INT64"),
            _text("checksum", "The sum of numbers by which they differ.", "INT64"),
        ),
        "settlementDate",
        ("nationalGridBmUnit",),
        f"{dataset.title}: what `python -m sql refresh` has resolved, one row for each "
        "declaration and interval in which it is in force; rows without settlementDate "
        "say what of which day was resolved. Read the view "
        f"{dataset.stem}_resolved instead.",
    )


def dataset_table(dataset: Dataset) -> Table:
    """The `bmrs_<dataset>_iris` table of a dataset."""
    return Table(
        dataset.table,
        dataset.columns + METADATA_COLUMNS,
        dataset.partition_column,
        dataset.cluster_columns,
        f"{dataset.title}: IRIS dataset {dataset.name}, one row a record.",
    )


def all_tables(registry: Registry) -> Iterator[Table]:
    """Every table: those of the datasets, of the pipeline, and the list of units."""
    for dataset in registry.values():
        yield dataset_table(dataset)
        if dataset.name in RESOLVED:
            yield runs_table(dataset)
    yield from (DEAD_LETTERS, UNMAPPED, REPLAYS, LEDGER, REFERENCE_UNITS)


def create_statement(table: Table, path: TablesPath) -> str:
    """The DDL that creates a table if it does not exist.

    Args:
        table: The table as it should be.
        path: Where the tables are.
    """
    lines = [f"  {_column(column)}" for column in table.columns]
    statement = f"CREATE TABLE IF NOT EXISTS `{path}.{table.name}` (\n"
    statement += ",\n".join(lines)
    statement += "\n)\n"
    if table.partition:
        statement += f"PARTITION BY {table.partition}\n"
    if table.cluster_columns:
        clusters = ", ".join(f"`{name}`" for name in table.cluster_columns)
        statement += f"CLUSTER BY {clusters}\n"
    return statement + f"OPTIONS (description = {literal(table.description)});\n"


def drop_key_statement(table: str, path: TablesPath) -> str:
    """The DDL that removes the primary key of a table.

    Args:
        table: The table's name.
        path: Where the tables are.
    """
    return f"ALTER TABLE `{path}.{table}`\nDROP PRIMARY KEY IF EXISTS;\n"


def add_column_statement(table: str, column: Column, path: TablesPath) -> str:
    """The DDL that adds a column to a table.

    Args:
        table: The table's name.
        column: The column.
        path: Where the tables are.
    """
    return (
        f"ALTER TABLE `{path}.{table}`\nADD COLUMN IF NOT EXISTS {_column(column)};\n"
    )


def _column(column: Column) -> str:
    text = f"`{column.name}` {_type(column)}"
    if column.documentation:
        text += f" OPTIONS (description = {literal(column.documentation)})"
    return text


def _type(column: Column) -> str:
    kind = column.type
    if kind == "RECORD":
        kind = f"STRUCT<{', '.join(_column(field) for field in column.fields)}>"
    return f"ARRAY<{kind}>" if column.mode == "REPEATED" else kind
