"""Relation: the table or view that a name means, and its columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from command.tables_path import TablesPath
from command.usage import UsageError
from gb_iris.similar import did_you_mean
from pipeline.registry import METADATA_COLUMNS, Dataset, load_registry

VIEWS = {"latest": "latest", "all": "unified"}
"""The endings of a dataset's views, by version."""

# Tables are described with the older names.
_KINDS = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
_PREFIXES = ("bmrs_", "gb_", "iris_")
_METADATA = frozenset(column.name for column in METADATA_COLUMNS)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view.

    Attributes:
        name: Its name, without project and BigQuery dataset.
        path: Where it is.
        fields: Its columns by name, in order.
        dataset: The IRIS dataset of its rows, if they are of one.
        partition: The column that it is partitioned by; None for a view.
    """

    name: str
    path: TablesPath
    fields: dict[str, bigquery.SchemaField]
    dataset: Dataset | None
    partition: str | None

    def field(self, name: str, what: str) -> bigquery.SchemaField:
        """Its column of a name.

        Raises:
            UsageError: It has none, or the name is not text; `what` says which
                argument has it.
        """
        if found := self.fields.get(name):
            return found
        raise UsageError(
            f"{what}: {self.name} has no column {name!r}"
            f"{did_you_mean(str(name), self.fields)}"
        )

    @property
    def usual_columns(self) -> list[str]:
        """All columns; of a dataset those that Elexon sends."""
        if not self.dataset:
            return list(self.fields)
        return [name for name in self.fields if name not in _METADATA]


def relation(
    client: bigquery.Client,
    path: TablesPath,
    name: str,
    version: str,
    retry: Mapping[str, Any],
) -> Relation:
    """The view of a dataset, or the table or view of a name.

    Args:
        client: Asks BigQuery.
        path: Where the tables are.
        name: A dataset, table or view.
        version: A version of a dataset.
        retry: The options of calls.

    Raises:
        UsageError: There is none of that name.
    """
    own_name, dataset = _named(name, version)
    try:
        table = client.get_table(f"{path}.{own_name}", **retry)
    except NotFound:
        raise UsageError(_missing(client, path, own_name, dataset)) from None
    partitioning = table.time_partitioning
    return Relation(
        own_name,
        path,
        {field.name: field for field in table.schema},
        dataset,
        partitioning.field if partitioning else None,
    )


def _named(name: str, version: str) -> tuple[str, Dataset | None]:
    """The table or view that is meant, and its dataset."""
    if version not in VIEWS:
        raise UsageError(f"version: {version!r} is not {' or '.join(VIEWS)}")
    if dataset := dataset_of(name):
        return f"{dataset.stem}_{VIEWS[version]}", dataset
    if not str(name).startswith(_PREFIXES) or not name.isidentifier():
        raise UsageError(
            f"there is no dataset {name!r}{did_you_mean(str(name), load_registry())}"
        )
    if version != "latest":
        raise UsageError(
            f"version: {name} is one table or view: name a dataset, such as FUELINST, "
            "or leave version out"
        )
    stems = {dataset.stem: dataset for dataset in load_registry().values()}
    return name, stems.get(name.rpartition("_")[0])


def kind(field: bigquery.SchemaField) -> str:
    """The type of a column by the name that SQL uses."""
    return str(_KINDS.get(field.field_type, field.field_type))


def dataset_of(name: str) -> Dataset | None:
    """The dataset of a name in any case of letters, if only one has it."""
    registry = load_registry()
    if name in registry:
        return registry[name]
    found = [each for each in registry if each.casefold() == str(name).casefold()]
    return registry[found[0]] if len(found) == 1 else None


def _missing(
    client: bigquery.Client, path: TablesPath, name: str, dataset: Dataset | None
) -> str:
    try:
        tables = {item.table_id for item in client.list_tables(str(path))}
    except NotFound:
        return f"there is no BigQuery dataset {path}"
    if dataset and not _made(tables):
        return f"{path} has no views yet: create them with `python -m sql apply`"
    return f"{path} has no table or view {name}{did_you_mean(name, tables)}"


def _made(tables: Collection[str]) -> bool:
    """Whether `sql apply` has made views there."""
    return any(name.endswith("_latest") for name in tables)
