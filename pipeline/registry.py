"""The registry: what is known of every IRIS dataset, loaded from `pipeline/datasets/`.

One YAML file describes one dataset; only this module reads the files. It is the one
source of truth for schemas, coercion, record identity, DDL, views and documentation.
"""

import datetime as dt
import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from command.usage import UsageError

TYPES = frozenset({"STRING", "INT64", "FLOAT64", "BOOL", "DATE", "TIMESTAMP", "RECORD"})
MODES = frozenset({"NULLABLE", "REPEATED"})
CLUSTERABLE = frozenset({"STRING", "INT64", "BOOL", "DATE", "TIMESTAMP"})
# What the points of a forecast can be ordered by.
_ORDERED = frozenset({"INT64", "DATE", "TIMESTAMP"})
# BigQuery's own limit on clustering columns.
MAX_CLUSTER_COLUMNS = 4

FOLDER = resources.files("pipeline.datasets")

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
# Names that BigQuery reserves, in any case of letters (its page on schemas).
_RESERVED = re.compile(
    r"_table_|_file_|_partition|_row_timestamp|__root__|_colidentifier"
    r"|_change_(sequence_number|type|timestamp)",
    re.IGNORECASE,
)
_DATASET_KEYS = frozenset(
    {"dataset", "title", "group", "aliases", "event_time", "cadence_seconds", "notes"}
    | {"also_named"}
    | {"natural_key", "latest_key", "version_order", "columns", "historic", "day_of"}
    | {
        "latest_set",
        "horizon",
        "stages",
        "bid_offer",
        "published",
        "series",
        "insights_api",
    }
    | {"period_times", "completeness"}
    | {"schema_source", "schema_confidence"}
)
_COLUMN_KEYS = frozenset(
    {"name", "type", "mode", "unit", "since", "description", "fields"}
)
_HISTORIC_KEYS = frozenset({"table", "absent", "types", "formerly"})
_PUBLICATION_KEYS = frozenset({"lag_seconds", "days"})
_API_KEYS = frozenset({"absent"})
# The fields of a RECORD of bid-offer pairs, as Elexon names them.
_PAIR = re.compile(r"(negative|positive)\d+\Z")


class RegistryError(UsageError):
    """A file of the registry is wrong; the message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its JSON name, BigQuery type and meaning.

    Attributes:
        name: The field's name in Elexon's JSON, exactly.
        type: A BigQuery type of `TYPES`.
        mode: `NULLABLE` or `REPEATED`.
        unit: The unit of its values, or None.
        description: What it holds.
        fields: The columns inside a RECORD.
        since: The day on which the column was added; older rows may have its value in
            `extra`. None if every row has it in the column.
    """

    name: str
    type: str
    mode: str = "NULLABLE"
    unit: str | None = None
    description: str = ""
    fields: tuple["Column", ...] = ()
    since: dt.date | None = None

    @property
    def kind(self) -> str:
        """Type and mode in one: `INT64`, `REPEATED RECORD`."""
        return f"REPEATED {self.type}" if self.mode == "REPEATED" else self.type

    @property
    def documentation(self) -> str:
        """The description with the unit, as BigQuery shows it."""
        return (
            f"{self.description} Unit: {self.unit}." if self.unit else self.description
        )


# Tables filled by pandas have times without a zone; Elexon's are UTC.
USUAL_HISTORIC_TYPES = {"DATE": "DATETIME", "TIMESTAMP": "DATETIME"}

# The columns that every `_iris` table has after its own.
METADATA_COLUMNS = (
    Column("ingested_utc", "TIMESTAMP", description="When the pipeline made the row."),
    Column("source", "STRING", description="IRIS, IRIS_ARCHIVE or INSIGHTS_API."),
    Column("message_id", "STRING", description="The IRIS message that carried it."),
    Column(
        "enqueued_utc",
        "TIMESTAMP",
        description="When IRIS queued the message; null when unknown.",
    ),
    Column(
        "record_id",
        "STRING",
        description="128-bit hash of the dataset and the record's JSON: equal means an "
        "identical record.",
    ),
    Column(
        "extra",
        "STRING",
        description="JSON text of fields that the registry does not know, by path.",
    ),
)


@dataclass(frozen=True, slots=True)
class HistoricTable:
    """A table of a dataset's rows from before IRIS, which another program loaded.

    The views read from BigQuery what such a table really looks like; this is what is
    known of it.

    Attributes:
        table: Its name.
        absent: The columns of the dataset that it lacks.
        types: Column types that are not the usual ones (`USUAL_HISTORIC_TYPES`).
        formerly: Former names of columns, by the current name.
    """

    table: str
    absent: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict, hash=False)
    formerly: Mapping[str, str] = field(default_factory=dict, hash=False)

    def type_of(self, column: Column) -> str:
        """The type that a column has in this table."""
        usual = USUAL_HISTORIC_TYPES.get(column.type, column.type)
        return self.types.get(column.name, usual)


@dataclass(frozen=True, slots=True)
class Publication:
    """When the values of a dataset are published.

    Attributes:
        lag_seconds: How long after the end of its half-hour or day a value may come.
        working_days_only: Whether nothing is due on weekends and bank holidays: the lag
            stops, and a daily dataset has a value for each working day.
    """

    lag_seconds: int = 0
    working_days_only: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """One IRIS dataset.

    Attributes:
        name: The IRIS subject, case sensitive.
        title: Elexon's title.
        group: The family it belongs to (`bm_physical`, `settlement`, ...).
        columns: Its columns, in Elexon's order.
        event_time: The column that dates a record.
        natural_key: The columns that name one version of one thing.
        latest_key: The columns that name one thing.
        version_order: The columns that order its versions, first one first.
        day_of: The time in the latest key whose London day is the settlement date, so
            that all versions of a thing have the same date; None if unknown.
        period_times: The times that lie in the settlement period of their row, its ends
            included, each with the column of that period.
        bid_offer: The column that shows whether a row is of the bid side or of the
            offer side, where one thing has a row of each: a RECORD of bid-offer pairs,
            or a signed number. None if there are no sides.
        latest_set: The columns that name a set: a later publication replaces all of
            it, also what it lacks. None if a publication replaces single things.
        horizon: The columns that put the points of a forecast in order: a publication
            replaces its set from its first point on. Empty if it replaces all of it.
        stages: The column that says at which stage a set is, with its values from the
            first stage on: the first one is over when a later one is there.
        cadence_seconds: Seconds between values of one series; None if unknown.
        published: When its values are published.
        own_series: The columns of `series`, if they do not follow from the latest key.
        completeness: `around` if a series owes the half-hours between those in which it
            was seen; None if the cadence says what it owes.
        api_absent: The columns that IRIS fills and the Insights API does not return;
            because of them one record has two identities.
        aliases: Other subjects under which it has been seen.
        also_named: Other datasets that its records name as their own.
        historic: Tables of its rows from before IRIS.
        notes: What a reader should know about it.
        schema_source: The source of the columns.
        schema_confidence: `verified` (real payloads), `swagger` or `inferred`.
    """

    name: str
    title: str
    group: str
    columns: tuple[Column, ...]
    event_time: str
    natural_key: tuple[str, ...]
    latest_key: tuple[str, ...]
    version_order: tuple[str, ...] = ()
    day_of: str | None = None
    period_times: Mapping[str, str] = field(default_factory=dict, hash=False)
    bid_offer: str | None = None
    latest_set: tuple[str, ...] | None = None
    horizon: tuple[str, ...] = ()
    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    cadence_seconds: int | None = None
    published: Publication = Publication()
    own_series: tuple[str, ...] | None = None
    completeness: str | None = None
    api_absent: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    also_named: tuple[str, ...] = ()
    historic: tuple[HistoricTable, ...] = ()
    notes: tuple[str, ...] = ()
    schema_source: str = ""
    schema_confidence: str = ""

    @property
    def stem(self) -> str:
        """The beginning of the names of its table and views."""
        return f"bmrs_{self.name.lower()}"

    @property
    def table(self) -> str:
        """The name of its table, without project and BigQuery dataset."""
        return f"{self.stem}_iris"

    def column(self, name: str) -> Column:
        """Returns the column of that name; raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def series(self) -> tuple[str, ...]:
        """The columns that identify a series; a series has a value every cadence."""
        if self.own_series is not None:
            return self.own_series
        return tuple(
            name
            for name in self.latest_key
            if name != "settlementPeriod"
            and self.column(name).type not in ("DATE", "TIMESTAMP")
        )

    @property
    def partition_column(self) -> str:
        """`settlementDate` if there is one, otherwise the event time."""
        names = {column.name for column in self.columns}
        return "settlementDate" if "settlementDate" in names else self.event_time

    @property
    def latest_partition(self) -> tuple[str, ...]:
        """The latest key, and the partition column if it follows from that.

        All versions of a thing are then in one partition; no other needs to be read.
        """
        day = (self.partition_column,) if self.day_of else ()
        return (*day, *self.latest_key)

    @property
    def is_set_of_message(self) -> bool:
        """Whether a message is the publication of a set: no column orders versions.

        An identical record of another message is then a row of its own: without it, it
        would not be known what the later message has.
        """
        return self.latest_set is not None and not self.version_order

    @property
    def cluster_columns(self) -> tuple[str, ...]:
        """The first columns of the latest key that BigQuery can cluster by."""
        names = (name for name in self.latest_key if name != self.partition_column)
        fit = [name for name in names if self.column(name).kind in CLUSTERABLE]
        return tuple(fit[:MAX_CLUSTER_COLUMNS])


def _twice(names: Iterable[str]) -> str | None:
    """The first name that comes more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


class Registry(Mapping[str, Dataset]):
    """All datasets by name or alias."""

    def __init__(self, datasets: list[Dataset]) -> None:
        self._datasets = {dataset.name: dataset for dataset in datasets}
        self._aliases = {
            alias: dataset for dataset in datasets for alias in dataset.aliases
        }
        if twice := _twice(dataset.table for dataset in datasets):
            raise RegistryError(
                f"two files describe the table {twice}: remove one of them (names of "
                "tables ignore case)"
            )
        aliases = (alias for dataset in datasets for alias in dataset.aliases)
        if twice := _twice([*self._datasets, *aliases]):
            raise RegistryError(
                f"{twice} names two datasets of pipeline/datasets/, as name or alias: "
                "remove one of the aliases"
            )

    def __getitem__(self, name: str) -> Dataset:
        return self._datasets.get(name) or self._aliases[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._datasets)

    def __len__(self) -> int:
        return len(self._datasets)


@functools.cache
def load_registry() -> Registry:
    """The registry of this installation; it is loaded once a process.

    Raises:
        RegistryError: A file is wrong.
    """
    return read_registry(FOLDER)


def read_registry(folder: Traversable) -> Registry:
    """Loads and validates every dataset file of a folder, as it is now.

    Raises:
        RegistryError: A file is wrong.
    """
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")),
        key=lambda entry: entry.name,
    )
    return Registry([parse_dataset(entry.name, _read(entry)) for entry in files])


def _read(entry: Traversable) -> str:
    try:
        return entry.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"pipeline/datasets/{entry.name}: {error}") from error


def parse_dataset(file_name: str, text: str) -> Dataset:
    """Makes a dataset of one file's text.

    Raises:
        RegistryError: The text is not a valid dataset, or not the one that the name of
            the file says.
    """
    try:
        dataset = _dataset(_load_yaml(text))
        _validate(dataset)
    except KeyError as error:
        text = f"{error} is missing"
        raise RegistryError(f"pipeline/datasets/{file_name}: {text}") from error
    except (yaml.YAMLError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())  # those of YAML have several lines
        raise RegistryError(f"pipeline/datasets/{file_name}: {text}") from error
    if file_name != f"{dataset.name}.yaml":
        raise RegistryError(
            f"pipeline/datasets/{file_name} describes {dataset.name}: rename it to "
            f"{dataset.name}.yaml"
        )
    return dataset


# The C loader reads the 89 files in 0.2 s instead of 1.5 s.
_SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SAFE_LOADER):
    """Refuses a key that is given twice; YAML would silently use the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: list[Any] = []
        for key, _ in node.value:
            if key.value in seen:
                problem = f"{key.value} is given twice: remove one"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def _load_yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader


def _dataset(loaded: Any) -> Dataset:
    _refuse_unknown(loaded, _DATASET_KEYS, "the file")
    return Dataset(
        name=_text(loaded, "dataset"),
        title=_text(loaded, "title"),
        group=_text(loaded, "group"),
        columns=tuple(map(_column, _list(loaded, "columns"))),
        event_time=_text(loaded, "event_time"),
        natural_key=_texts(loaded, "natural_key"),
        latest_key=_texts(loaded, "latest_key"),
        version_order=_texts(loaded, "version_order", ()),
        day_of=_text(loaded, "day_of", None),
        period_times=_names(loaded, "period_times"),
        bid_offer=_text(loaded, "bid_offer", None),
        latest_set=_texts(loaded, "latest_set", None),
        horizon=_texts(loaded, "horizon", ()),
        stages=_stages(loaded.get("stages", {})),
        cadence_seconds=_cadence(loaded.get("cadence_seconds")),
        published=_publication(loaded.get("published", {})),
        own_series=_texts(loaded, "series", None),
        completeness=_text(loaded, "completeness", None),
        api_absent=_api_absent(loaded["insights_api"])
        if "insights_api" in loaded
        else (),
        aliases=_texts(loaded, "aliases", ()),
        also_named=_texts(loaded, "also_named", ()),
        historic=tuple(map(_historic, _list(loaded, "historic", ()))),
        notes=_texts(loaded, "notes", ()),
        schema_source=_text(loaded, "schema_source", ""),
        schema_confidence=_text(loaded, "schema_confidence", ""),
    )


# The default of a key that must be there: without it, a KeyError names the key.
_REQUIRED: Any = object()


def _value(loaded: Any, key: str, default: Any) -> Any:
    return loaded[key] if default is _REQUIRED else loaded.get(key, default)


def _text(loaded: Any, key: str, default: Any = _REQUIRED) -> Any:
    """The text of a key; YAML does not read `no`, `12` and `2026-05-06` as text."""
    found = _value(loaded, key, default)
    if type(found) is not str and found is not default:
        raise TypeError(f"{key} is {found!r}, which is not text: put it in quotes")
    return found


def _list(loaded: Any, key: str, default: Any = _REQUIRED) -> Any:
    found = _value(loaded, key, default)
    if type(found) is not list and found is not default:
        raise TypeError(f"{key} is {found!r}, which is not a list")
    return found


def _texts(loaded: Any, key: str, default: Any = _REQUIRED) -> Any:
    found = _list(loaded, key, default)
    if odd := [each for each in found or () if type(each) is not str]:
        raise TypeError(f"{key} has {odd[0]!r}, which is not text: put it in quotes")
    return found if found is default else tuple(found)


def _cadence(loaded: Any) -> int | None:
    if loaded is not None and (type(loaded) is not int or loaded <= 0):
        raise ValueError(f"cadence_seconds is {loaded!r}, not a whole number above 0")
    return loaded


def _publication(loaded: Any) -> Publication:
    _refuse_unknown(loaded, _PUBLICATION_KEYS, "published")
    lag_seconds, days = loaded.get("lag_seconds", 0), loaded.get("days", "all")
    if type(lag_seconds) is not int or lag_seconds < 0:
        raise ValueError(
            f"published: lag_seconds is {lag_seconds!r}, not a whole number from 0"
        )
    if days not in ("all", "working"):
        raise ValueError(f"published: days is {days!r}, not all or working")
    return Publication(lag_seconds, working_days_only=days == "working")


def _api_absent(loaded: Any) -> tuple[str, ...]:
    _refuse_unknown(loaded, _API_KEYS, "insights_api")
    absent: tuple[str, ...] = _texts(loaded, "absent")
    if not absent:
        raise ValueError("insights_api: absent is empty: name columns, or leave it out")
    return absent


def _column(loaded: Any) -> Column:
    _refuse_unknown(loaded, _COLUMN_KEYS, "a column")
    return Column(
        name=_text(loaded, "name"),
        type=_text(loaded, "type"),
        mode=_text(loaded, "mode", "NULLABLE"),
        unit=_text(loaded, "unit", None),
        description=_text(loaded, "description", ""),
        fields=tuple(map(_column, _list(loaded, "fields", ()))),
        since=_day(loaded["since"]) if "since" in loaded else None,
    )


def _historic(loaded: Any) -> HistoricTable:
    _refuse_unknown(loaded, _HISTORIC_KEYS, "historic")
    return HistoricTable(
        table=_text(loaded, "table"),
        absent=_texts(loaded, "absent", ()),
        types=_names(loaded, "types", "historic: types"),
        formerly=_names(loaded, "formerly", "historic: formerly"),
    )


def _names(loaded: Any, key: str, what: str = "") -> dict[str, str]:
    """Texts by columns."""
    found = loaded.get(key, {})
    if not isinstance(found, dict):
        raise TypeError(f"{what or key} is {found!r}, which is not a mapping")
    return {column: _text(found, column) for column in found}


def _stages(loaded: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(loaded, dict) or len(loaded) > 1:
        raise TypeError(f"stages is {loaded!r}, not one column with its values")
    return {column: _texts(loaded, column) for column in loaded}


def _day(loaded: Any) -> dt.date:
    # YAML returns a date for the text of one, and a time is also a date to Python.
    if type(loaded) is dt.date:
        return loaded
    try:
        day = dt.date.fromisoformat(loaded)
    except (TypeError, ValueError):
        day = None
    if day is None or str(day) != loaded:
        raise ValueError(f"since is {loaded!r}, not a date such as 2026-05-06")
    return day


def _refuse_unknown(loaded: Any, known: frozenset[str], what: str) -> None:
    if not isinstance(loaded, dict):
        raise TypeError(f"{what} is {loaded!r}, which is not a mapping")
    if unknown := loaded.keys() - known:
        raise ValueError(
            f"{what} has unknown keys {sorted(map(str, unknown))}: the known ones are "
            f"{', '.join(sorted(known))}"
        )


def is_column_name(name: str) -> bool:
    """Whether BigQuery accepts it as the name of a column."""
    return bool(_NAME.match(name)) and not _RESERVED.match(name)


def _validate(dataset: Dataset) -> None:
    if not _NAME.match(dataset.name):
        raise ValueError(
            f"dataset {dataset.name!r} cannot be part of a table name: use letters, "
            "digits and underscores"
        )
    _validate_columns(dataset.columns)
    names = {column.name for column in dataset.columns}
    if reserved := names & {column.name for column in METADATA_COLUMNS}:
        raise ValueError(
            f"columns {sorted(reserved)} are also metadata columns, which every table "
            "has already"
        )
    keys = (*dataset.natural_key, *dataset.latest_key, *dataset.version_order)
    keys += (*(dataset.own_series or ()), *(dataset.latest_set or ()), *dataset.horizon)
    if unknown := {dataset.event_time, *keys} - names:
        raise ValueError(
            "event_time, natural_key, latest_key, version_order, latest_set, horizon "
            f"or series name columns that do not exist: {sorted(unknown)}"
        )
    event_kind = dataset.column(dataset.event_time).kind
    if event_kind not in ("DATE", "TIMESTAMP"):
        raise ValueError(
            f"event_time {dataset.event_time!r} is of type {event_kind}: it must be a "
            "DATE or a TIMESTAMP"
        )
    for historic in dataset.historic:
        _validate_historic(historic, names)
    _validate_api_absent(dataset, names)
    if not dataset.natural_key or not dataset.latest_key:
        raise ValueError("natural_key and latest_key must name columns")
    if dataset.day_of:
        _validate_day_of(dataset, dataset.day_of)
    if dataset.completeness is not None:
        _validate_completeness(dataset)
    for time, period in dataset.period_times.items():
        _validate_period_time(dataset, time, period)
    if dataset.latest_set is not None:
        _validate_set(dataset, dataset.latest_set)
    elif dataset.horizon:
        raise ValueError("horizon needs latest_set, the columns of which may be none")
    for column, stages in dataset.stages.items():
        _validate_stages(dataset, column, stages)
    if dataset.bid_offer:
        _validate_bid_offer(dataset, dataset.bid_offer)
    partition_kind = dataset.column(dataset.partition_column).kind
    if partition_kind not in ("DATE", "TIMESTAMP"):
        raise ValueError(
            f"cannot partition by a {partition_kind}, {dataset.partition_column}: it "
            "must be a DATE or a TIMESTAMP"
        )


def _validate_day_of(dataset: Dataset, name: str) -> None:
    if name not in dataset.latest_key or dataset.column(name).kind != "TIMESTAMP":
        raise ValueError(f"day_of is {name!r}, not a TIMESTAMP in latest_key")
    day = dataset.partition_column
    if dataset.column(day).kind != "DATE" or day in dataset.latest_key:
        raise ValueError(
            "day_of needs a settlementDate of type DATE outside of latest_key, but the "
            f"table is partitioned by {day!r}"
        )


def _validate_completeness(dataset: Dataset) -> None:
    if dataset.completeness != "around":
        raise ValueError(
            f"completeness is {dataset.completeness!r}: it is `around`, or left out"
        )
    if dataset.cadence_seconds:
        raise ValueError("completeness and cadence_seconds exclude each other")
    kinds = {name: dataset.column(name).kind for name in dataset.latest_key}
    for name, kind in (("settlementDate", "DATE"), ("settlementPeriod", "INT64")):
        if kinds.get(name) != kind:
            raise ValueError(
                f"completeness: around needs {name} of type {kind} in latest_key"
            )
    if not dataset.series:
        raise ValueError("completeness: around needs series")


def _validate_period_time(dataset: Dataset, time: str, period: str) -> None:
    kinds = {column.name: column.kind for column in dataset.columns}
    wanted = ((time, "TIMESTAMP"), (period, "INT64"), ("settlementDate", "DATE"))
    for name, kind in wanted:
        if kinds.get(name) != kind:
            raise ValueError(
                f"period_times: {time}: {period} needs a column {name} of type {kind}"
            )


def _validate_bid_offer(dataset: Dataset, name: str) -> None:
    column = next((each for each in dataset.columns if each.name == name), None)
    if column is None:
        raise ValueError(f"bid_offer is {name!r}, which is not a column")
    groups = {match[1] for each in column.fields if (match := _PAIR.match(each.name))}
    if column.kind not in ("INT64", "FLOAT64") and not (
        column.kind == "RECORD" and groups == {"negative", "positive"}
    ):
        raise ValueError(
            f"bid_offer is {name!r}, a {column.kind}: it must be a number, or a RECORD "
            "with fields such as negative1 and positive1"
        )
    if dataset.is_set_of_message:
        raise ValueError("bid_offer needs version_order where latest_set is given")


def _validate_set(dataset: Dataset, names: tuple[str, ...]) -> None:
    both = (*names, *dataset.horizon)
    if twice := _twice(both):
        raise ValueError(f"latest_set and horizon name {twice} twice")
    # Otherwise a thing would be in several sets.
    if strange := [name for name in both if name not in dataset.latest_partition]:
        raise ValueError(
            "latest_set and horizon name columns that do not follow from latest_key: "
            f"{strange}"
        )
    if not dataset.horizon:
        if not names:
            raise ValueError("latest_set is empty: name columns, or give a horizon")
        return
    if odd := [n for n in dataset.horizon if dataset.column(n).kind not in _ORDERED]:
        raise ValueError(f"horizon: {odd} are not in an order of time")
    if not dataset.version_order:
        raise ValueError("horizon needs version_order, which orders publications")


def _validate_stages(dataset: Dataset, name: str, stages: tuple[str, ...]) -> None:
    kinds = {column.name: column.kind for column in dataset.columns}
    if kinds.get(name) != "STRING":
        raise ValueError(f"stages is of {name!r}, which is not a column of type STRING")
    if len(stages) < 2 or _twice(map(str.upper, stages)):
        raise ValueError(f"stages: {name} needs two or more different values")
    if not dataset.is_set_of_message:
        raise ValueError("stages needs latest_set, and no version_order")


def _validate_historic(historic: HistoricTable, names: set[str]) -> None:
    if not _NAME.match(historic.table):
        raise ValueError(f"historic: {historic.table!r} is not a table name")
    named = {*historic.absent, *historic.types, *historic.formerly}
    if unknown := named - names:
        raise ValueError(f"historic names columns that do not exist: {sorted(unknown)}")
    if odd := [name for name in historic.formerly.values() if not _NAME.match(name)]:
        raise ValueError(f"historic: {odd} are not column names")


def _validate_api_absent(dataset: Dataset, names: set[str]) -> None:
    absent = dataset.api_absent
    if unknown := set(absent) - names:
        raise ValueError(
            f"insights_api names columns that do not exist: {sorted(unknown)}"
        )
    if twice := _twice(absent):
        raise ValueError(f"insights_api: absent names {twice} twice")
    if dataset.partition_column in absent:
        raise ValueError(
            f"insights_api: absent names {dataset.partition_column}, by which the "
            "table is partitioned"
        )
    # An array is never NULL in BigQuery: one that is absent looks like an empty one.
    if arrays := [n for n in absent if dataset.column(n).mode == "REPEATED"]:
        raise ValueError(
            f"insights_api: absent names arrays, which are never null: {arrays}"
        )


def _validate_columns(columns: tuple[Column, ...]) -> None:
    if twice := _twice(column.name.lower() for column in columns):
        raise ValueError(f"two columns are called {twice} (BigQuery ignores case)")
    for column in columns:
        if not is_column_name(column.name):
            raise ValueError(f"{column.name!r} is not a column name")
        if column.type not in TYPES or column.mode not in MODES:
            raise ValueError(
                f"{column.name}: {column.type} {column.mode} is unknown: the types are "
                f"{', '.join(sorted(TYPES))}, the modes {', '.join(sorted(MODES))}"
            )
        if (column.type == "RECORD") != bool(column.fields):
            raise ValueError(
                f"{column.name}: a RECORD needs fields, and only a RECORD has them"
            )
        _validate_columns(column.fields)
