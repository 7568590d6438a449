"""Sets: what a publication replaces as a whole, in SQL."""

from pipeline.registry import Dataset
from sql.templates import quoted
from sql.views.conversions import grouping


def key_of(dataset: Dataset) -> list[str]:
    """What names a thing: the latest key, and the partition column if it follows."""
    return [grouping(dataset.column(name)) for name in dataset.latest_partition]


def set_key_of(dataset: Dataset) -> list[str]:
    """What names a set, as PARTITION BY takes it.

    The points of a forecast by time are a set for each day: a window over a day can be
    computed apart, and a publication that ends early takes nothing from later days.
    """
    names = dataset.latest_set or ()
    keys = [grouping(dataset.column(name)) for name in names]
    days = [
        f"DATE({quoted(name)})"
        for name in dataset.horizon
        if dataset.column(name).type == "TIMESTAMP"
    ]
    return keys if dataset.partition_column in names else [*days, *keys]
