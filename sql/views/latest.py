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
from sql.views.view import Function, View


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


def prunes(dataset: Dataset) -> bool:
    """Whether the latest view of a day reads only that day.

    Versions of one thing, and publications of one set, are then in one partition.
    """
    keys = [dataset.latest_partition]
    if dataset.latest_set is not None:
        keys.append(dataset.latest_set)
    return all(dataset.partition_column in key for key in keys)


def latest_between(dataset: Dataset, path: TablesPath) -> Function:
    """`bmrs_<dataset>_latest_between`: the same among the rows of an interval.

    Args:
        dataset: A dataset whose latest view does not prune.
        path: Where the tables are.
    """
    column = dataset.column(dataset.partition_column)
    name = quoted(column.name)
    if column.type == "DATE":
        last = "TIMESTAMP_SUB(to_utc, INTERVAL 1 MICROSECOND)"
        between = [
            f"{name} >= DATE(from_utc, 'Europe/London')",
            f"{name} <= DATE({last}, 'Europe/London')",
            "from_utc < to_utc",
        ]
    else:
        between = [f"{name} >= from_utc", f"{name} < to_utc"]
    return Function(
        f"{dataset.stem}_latest_between",
        "from_utc TIMESTAMP, to_utc TIMESTAMP",
        _of_versions(dataset, path, between),
        f"{dataset.title}: {_shown(dataset)}, among the rows whose {column.name} is "
        "from from_utc to to_utc: no others are read.",
    )


def _of_versions(
    dataset: Dataset, path: TablesPath, between: Sequence[str] = ()
) -> str:
    """The record says which version is later."""
    is_set = dataset.latest_set is not None
    side = bid_or_offer(dataset)
    sides = ["bid_or_offer"] if side else []
    return fill(
        "views/latest.sql",
        unified=f"{path}.{dataset.stem}_unified",
        columns=_columns(dataset),
        key=[*key_of(dataset), *sides],
        side=side,
        versions=list(_versions(dataset)),
        run=quoted(dataset.version_order[0]) if is_set else None,
        set_key=[*set_key_of(dataset), *sides],
        horizon=dataset.horizon,
        prunable=prunes(dataset),
        between=between,
    )


def latest_within(
    dataset: Dataset,
    path: TablesPath,
    histories: Sequence[historic.Mapping],
    within: str,
) -> str:
    """The rows of the latest view in some of its sets, which are chosen first.

    Args:
        dataset: A dataset whose messages are publications of sets.
        path: Where the tables are.
        histories: Its mapped historic tables.
        within: Common table expressions over `records`, of which `chosen` has them.
    """
    return _of_messages(dataset, path, histories, within=within)


def _of_messages(
    dataset: Dataset,
    path: TablesPath,
    histories: Sequence[historic.Mapping],
    **within: str,
) -> str:
    """The message says it: an identical record of another message counts, too."""
    return fill(
        "views/latest_messages.sql",
        **unified.sources(dataset, path, histories),
        key=key_of(dataset),
        set_key=set_key_of(dataset),
        stages={
            name: [value.upper() for value in values]
            for name, values in dataset.stages.items()
        },
        **within,
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
