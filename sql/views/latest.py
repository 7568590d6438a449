"""The latest view: one row for each thing, its latest version.

Where a publication replaces a whole set of things (`latest_set`), only the things of
the last publication are shown.
"""

from collections.abc import Iterator, Sequence

from command.tables_path import TablesPath
from pipeline.registry import METADATA_COLUMNS, Dataset
from sql.templates import fill, quoted
from sql.views import historic, unified
from sql.views.sets import key_of, set_key_of
from sql.views.sides import bid_or_offer
from sql.views.view import View


def latest_view(
    dataset: Dataset, path: TablesPath, histories: Sequence[historic.Mapping] = ()
) -> View:
    """`bmrs_<dataset>_latest`: one row for each latest key."""
    return View(
        f"{dataset.stem}_latest",
        dataset.columns + METADATA_COLUMNS,
        _of_messages(dataset, path, histories)
        if dataset.is_set_of_message
        else _of_versions(dataset, path),
        f"{dataset.title}: {_shown(dataset)}",
    )


def _of_versions(dataset: Dataset, path: TablesPath) -> str:
    """The record says which version is later."""
    keys = [dataset.latest_partition]
    if dataset.latest_set is not None:
        keys.append(dataset.latest_set)
    side = bid_or_offer(dataset)
    sides = ["bid_or_offer"] if side else []
    return fill(
        "views/latest.sql",
        unified=f"{path}.{dataset.stem}_unified",
        columns=_columns(dataset),
        key=[*key_of(dataset), *sides],
        side=side,
        versions=list(_versions(dataset)),
        run=quoted(dataset.version_order[0]) if len(keys) > 1 else None,
        set_key=[*set_key_of(dataset), *sides],
        horizon=dataset.horizon,
        prunable=all(dataset.partition_column in key for key in keys),
    )


def _of_messages(
    dataset: Dataset, path: TablesPath, histories: Sequence[historic.Mapping]
) -> str:
    """The message says it: an identical record of another message counts, too."""
    return fill(
        "views/latest_messages.sql",
        **unified.sources(dataset, path, histories),
        key=key_of(dataset),
        set_key=set_key_of(dataset),
    )


def _columns(dataset: Dataset) -> list[str]:
    return [column.name for column in dataset.columns + METADATA_COLUMNS]


def _shown(dataset: Dataset) -> str:
    sides = ["side (bid or offer)"] if dataset.bid_offer else []
    if dataset.latest_set is None:
        things = ", ".join([*dataset.latest_key, *sides])
        return f"the latest version of each {things}"
    things = ", ".join([*dataset.latest_set, *sides])
    if dataset.horizon:
        series = f" for each {things}" if things else ""
        return f"the last publication{series}, from its first point on"
    return f"the last publication of each {things}, whole"


def _versions(dataset: Dataset) -> Iterator[str]:
    for name in dataset.version_order:
        if dataset.column(name).type == "STRING":
            # Serial numbers are text: 10 comes after 9.
            yield f"LENGTH({quoted(name)})"
        yield quoted(name)
