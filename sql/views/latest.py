"""The latest view: one row for each thing, its latest version."""

from collections.abc import Iterator

from command.tables_path import TablesPath
from pipeline.registry import METADATA_COLUMNS, Dataset
from sql.templates import fill, quoted
from sql.views.conversions import grouping
from sql.views.sides import bid_or_offer
from sql.views.view import View


def latest_view(dataset: Dataset, path: TablesPath) -> View:
    """`bmrs_<dataset>_latest`: one row for each latest key."""
    columns = dataset.columns + METADATA_COLUMNS
    query = fill(
        "views/latest.sql",
        unified=f"{path}.{dataset.stem}_unified",
        columns=[column.name for column in columns],
        key=[grouping(dataset.column(name)) for name in dataset.latest_partition],
        side=bid_or_offer(dataset),
        versions=list(_versions(dataset)),
        prunable=dataset.partition_column in dataset.latest_partition,
    )
    return View(
        f"{dataset.stem}_latest",
        columns,
        query,
        f"{dataset.title}: the latest version of each {_thing(dataset)}",
    )


def _thing(dataset: Dataset) -> str:
    sides = ", side (bid or offer)" if dataset.bid_offer else ""
    return ", ".join(dataset.latest_key) + sides


def _versions(dataset: Dataset) -> Iterator[str]:
    for name in dataset.version_order:
        if dataset.column(name).type == "STRING":
            # Serial numbers are text: 10 comes after 9.
            yield f"LENGTH({quoted(name)})"
        yield quoted(name)
