"""The user's historic tables: which exist, and whether their times are UTC.

Elexon's times are UTC. Some programs stored them as British local time, without a zone.
In summer these contradict the settlement date and period of their own row. A bounded
number of rows is read; the columns are those of times and periods.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem

from command.tables_path import TablesPath
from command.text import first_line
from command.usage import UsageError
from pipeline.registry import Column, Dataset, Registry
from sql.connection import PARALLEL_REQUESTS
from sql.templates import fill
from sql.views import historic
from sql.views.local_times import Reading, Said, TimeColumn, label_of, readings

# Of a larger table a random part is read: some million rows.
MAX_BYTES = 100_000_000
# As it is written in SQL, without an exponent.
MIN_PERCENT = 0.0001
# From UTC to British Summer Time.
SHIFT_MINUTES = 60
# BigQuery's logical sizes; text is that of a time with its zone.
_COLUMN_BYTES = {"STRING": 27}
_OTHER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user says of times, as an option of the command.

    Attributes:
        table: The historic table.
        column: The column; None for all of the table.
        said: How to read them.
    """

    table: str
    column: str | None
    said: Said


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rows of a table say of one time column.

    Attributes:
        summer: Rows whose settlement period is in summer time.
        utc: Those of them that lie in it as UTC.
        local: Those of them that lie in it as British local time.
        repeated: Rows in the hour that the clocks repeat in autumn.
    """

    summer: int = 0
    utc: int = 0
    local: int = 0
    repeated: int = 0

    @property
    def contradicts(self) -> bool:
        """Whether there are local times; not if other faults are more frequent."""
        return self.local > 0 and not self.others_prevail

    @property
    def others_prevail(self) -> bool:
        """Whether most rows lie in their period neither as UTC nor as local time."""
        return 2 * (self.local + self.utc) < self.summer


@dataclass(frozen=True, slots=True)
class History:
    """A historic table.

    Attributes:
        dataset: The dataset whose rows it has.
        table: The table.
        evidence: What its rows say, by time column.
        said: What the user says, by time column.
        is_sample: Whether a part of its rows was read.
        problem: Why its times could not be read; empty if they could.
    """

    dataset: Dataset
    table: historic.FoundTable
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    said: Mapping[str, Said] = field(default_factory=dict)
    is_sample: bool = False
    problem: str = ""

    @property
    def readings(self) -> dict[str, Reading]:
        """How its times are read; those that are not here are UTC."""
        columns = historic.time_columns(self.dataset, self.table)
        return readings(columns, self.said, self.contradicting)

    @property
    def tied(self) -> frozenset[str]:
        """The times whose settlement period is in their row."""
        columns = historic.time_columns(self.dataset, self.table)
        return frozenset(column.name for column in columns if column.start)

    @property
    def contradicting(self) -> frozenset[str]:
        """The times that contradict their settlement period."""
        found = self.evidence.items()
        return frozenset(name for name, each in found if each.contradicts)

    def found(self, column: str) -> str:
        """How many rows contradict their settlement period, as text."""
        each = self.evidence[column]
        rows = "sampled rows" if self.is_sample else "rows"
        return (
            f"{each.local:,} of {each.summer:,} {rows} in summer time contradict "
            f"settlementDate and settlementPeriod by {SHIFT_MINUTES} minutes"
        )

    def unclear(self) -> dict[str, int]:
        """How many rows have a local time of which there were two, by column.

        The clocks repeat an hour in autumn; these rows have no settlement period that
        decides which it is.
        """
        readings = self.readings
        return {
            name: each.repeated
            for name, each in self.evidence.items()
            if each.repeated and readings.get(name) == Reading.LOCAL
        }

    def notes(self, path: TablesPath) -> Iterator[str]:
        """What the user should know of its times, one line each."""
        name = self.table.name
        if self.problem:
            yield (
                f"{name}: its times were not compared with its settlement periods: "
                f"{self.problem}"
            )
        for column, reading in self.readings.items():
            if reading == Reading.DOUBTFUL and column in self.contradicting:
                yield self.contradiction(column, path)
        if said := [c for c, s in self.said.items() if s == Said.LOCAL]:
            yield f"{name}: read as British local time: {', '.join(said)}"
        for column, rows in self.unclear().items():
            yield f"{name}.{column}: {unclear_text(rows)}"

    def contradiction(self, column: str, path: TablesPath) -> str:
        """That a column is local time, and the command that says so."""
        is_partly = "is partly" if self.evidence[column].utc else "is"
        return (
            f"{self.table.name}.{column} {is_partly} British local time, not UTC: "
            f"{self.found(column)}. Run "
            f"`{command(path, Said.LOCAL, self.table.name)}`"
        )

    @property
    def mapping(self) -> historic.Mapping:
        """How it becomes the columns of its dataset."""
        return historic.mapping(self.dataset, self.table, self.readings, self.said)


def command(path: TablesPath, said: Said, table: str) -> str:
    """The command that says how to read the times of a table."""
    place = f"--project {path.project} --dataset {path.dataset}"
    return f"python -m sql apply {place} --{said}-times {table}"


def unclear_text(rows: int) -> str:
    """What is known of times in the repeated hour."""
    return (
        f"{rows:,} rows are in the hour that the clocks repeat in autumn, and no "
        "settlement period decides which of the two it is: the first is shown"
    )


def find_histories(
    client: bigquery.Client,
    path: TablesPath,
    registry: Registry,
    existing: Mapping[str, TableListItem],
    choices: Sequence[Choice] = (),
) -> list[History]:
    """The historic tables that exist, and what is known of their times.

    Args:
        client: The client.
        path: Where the tables are.
        registry: The datasets.
        existing: The tables and views of the BigQuery dataset, by name.
        choices: What the user says now; what was said before is in the views' labels.

    Raises:
        UsageError: A choice names a table or column that does not exist.
    """
    found = [
        (dataset, name)
        for dataset in registry.values()
        for name in historic.names_of(dataset)
        if name in existing
    ]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        tables = list(threads.map(lambda f: client.get_table(f"{path}.{f[1]}"), found))
        histories = [
            _with_choices(dataset, historic.found_table(table), existing, choices)
            for (dataset, _), table in zip(found, tables, strict=True)
        ]
        _refuse_unknown(choices, histories)
        return list(
            threads.map(lambda h, t: _with_evidence(client, h, t), histories, tables)
        )


def _with_choices(
    dataset: Dataset,
    table: historic.FoundTable,
    existing: Mapping[str, TableListItem],
    choices: Sequence[Choice],
) -> History:
    view = existing.get(f"{dataset.stem}_unified")
    labels = view.labels if view else {}
    said: dict[str, Said] = {}
    for column in historic.time_columns(dataset, table):
        if label := labels.get(label_of(table.name, column.name)):
            said[column.name] = Said(label)
    for choice in choices:
        if choice.table == table.name:
            said |= dict.fromkeys(_chosen(dataset, table, choice), choice.said)
    return History(dataset, table, said=said)


def _chosen(dataset: Dataset, table: historic.FoundTable, choice: Choice) -> list[str]:
    """The columns that a choice names.

    Raises:
        UsageError: The table has no such column.
    """
    columns = historic.time_columns(dataset, table)
    if choice.column is None:
        return [column.name for column in columns]
    named = choice.column.lower()
    chosen = [c.name for c in columns if named in (c.name.lower(), c.stored.lower())]
    if not chosen:
        known = ", ".join(column.name for column in columns) or "none"
        raise UsageError(
            f"{table.name} has no time column {choice.column}; its time columns: "
            f"{known}"
        )
    return chosen


def _refuse_unknown(choices: Sequence[Choice], histories: Sequence[History]) -> None:
    names = [history.table.name for history in histories]
    for choice in choices:
        if choice.table not in names:
            known = ", ".join(names) or "none"
            raise UsageError(
                f"{choice.table} is not a historic table that the views read; these "
                f"are: {known}"
            )


def _with_evidence(
    client: bigquery.Client, history: History, table: bigquery.Table
) -> History:
    """Reads what the rows say of times, if they can say anything or it matters."""
    columns = historic.time_columns(history.dataset, history.table)
    is_local = Said.LOCAL in history.said.values()
    if not (is_local or any(column.start for column in columns)):
        return history
    read = historic.read_columns(history.dataset, history.table)
    percent = sample_percent(table, read)
    statement = fill(
        "views/history_times.sql",
        table=f"{table.project}.{table.dataset_id}.{table.table_id}",
        columns=columns,
        percent=percent,
        filter=_required_filter(table, history.table),
    )
    config = bigquery.QueryJobConfig()
    if not _is_sampled(table):
        config.maximum_bytes_billed = 10 * MAX_BYTES
    try:
        [row] = client.query_and_wait(statement, job_config=config)
    except GoogleAPICallError as error:
        return replace(history, problem=first_line(error))
    evidence = {column.name: _evidence(column, row) for column in columns}
    return replace(history, evidence=evidence, is_sample=percent is not None)


def _evidence(column: TimeColumn, row: bigquery.Row) -> Evidence:
    counts = ("summer", "utc", "local", "repeated") if column.start else ("repeated",)
    return Evidence(**{name: row[f"{column.name}_{name}"] for name in counts})


def sample_percent(table: bigquery.Table, read: Sequence[Column]) -> float | None:
    """How much of a table is read; None for all of it."""
    if not (_is_sampled(table) and table.num_rows):
        return None
    width = sum(_COLUMN_BYTES.get(column.type, _OTHER_BYTES) for column in read)
    size = int(table.num_rows) * width
    if size <= MAX_BYTES:
        return None
    return max(round(100 * MAX_BYTES / size, 4), MIN_PERCENT)


def _is_sampled(table: bigquery.Table) -> bool:
    """Whether BigQuery can read a part; not of views and external tables."""
    return bool(table.table_type == "TABLE")


def _required_filter(table: bigquery.Table, found: historic.FoundTable) -> str | None:
    """A condition for tables that BigQuery reads only with one on the partition."""
    if not table.require_partition_filter:
        return None
    for column in found.columns:
        if column.name == found.partition_column:
            return f"`{column.name}` >= CAST('1990-01-01' AS {column.type})"
    return "_PARTITIONTIME >= TIMESTAMP '1990-01-01'"
