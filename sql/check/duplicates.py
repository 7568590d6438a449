"""Duplicates: rows that should be one, in the partitions of the last days.

An identical record is a row whose `record_id` exists twice: it came again after the
pipeline had forgotten it.

Rows with one natural key and different values are a correction if they were published
one after another: the views show the later one. Within one publication they contradict
each other: nothing is lost, but no view can choose. Where a message is the publication
of a set, only rows of one message are compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.registry import Dataset
from sql.check.context import Context, Result, Status
from sql.check.freshness import LOOKAHEAD_DAYS, near
from sql.views.sides import bid_or_offer, is_certain

NAME = "duplicates"
# After a restart the last few messages come again: far fewer than 1% of the rows of a
# busy dataset. In a dataset with few rows a single message is more than 1%, so a small
# number of rows is not a failure either.
MAX_SHARE = 0.01
MAX_ROWS = 50


@dataclass(frozen=True, slots=True)
class Compared:
    """What the rows of a dataset are compared by.

    Attributes:
        dataset: The dataset.
        key: The columns that name one version of one thing.
        side: The side of a row as SQL, bid or offer; None if there are no sides.
        values: The columns that say something about the thing. The API fills only a
            part of the others.
    """

    dataset: Dataset
    key: tuple[str, ...]
    side: str | None
    values: tuple[str, ...]


def compared(dataset: Dataset) -> Compared:
    """What the rows of a dataset are compared by."""
    key = dict.fromkeys((*dataset.natural_key, *dataset.version_order))
    left_out = {"dataset", *dataset.api_absent}
    values = (c.name for c in dataset.columns if c.name not in left_out)
    return Compared(dataset, tuple(key), bid_or_offer(dataset), tuple(values))


def check(context: Context) -> Iterator[Result]:
    """Identical rows are a warning, many of them a failure; contradictions fail."""
    bounds = near(context.at, context.days, LOOKAHEAD_DAYS)

    def ask(template: str, datasets: list[Dataset]) -> dict[str, Any]:
        wanted = [compared(dataset) for dataset in datasets]
        rows = context.query(template, bounds, compared=wanted) if wanted else []
        return {row.dataset: row for row in rows}

    found = ask("duplicates.sql", context.filled())
    # Only these are read with all their columns.
    repeated = [d for d in context.present() if _repeats(found.get(d.name))]
    differing = ask("contradictions.sql", repeated)
    for dataset in context.present():
        row = found.get(dataset.name)
        if row is None or row.row_count is None:
            yield _identical(dataset.name, 0, 0)
            continue
        yield _identical(dataset.name, row.row_count, row.identical_rows)
        if dataset.name in differing:
            yield from _unlike(dataset, differing[dataset.name])


def _repeats(row: Any) -> bool:
    return row is not None and bool(row.repeated_keys)


def _identical(dataset: str, total: int, repeated: int) -> Result:
    share = repeated / total if total else 0.0
    detail = (
        f"{repeated:,} of {total:,} rows of the last days are identical to another "
        f"({share:.1%})"
    )
    status = Status.WARN if repeated else Status.OK
    if share > MAX_SHARE and repeated > MAX_ROWS:
        status = Status.FAIL
        detail += ": something writes them twice; `python -m sql compact` removes them"
    figures = {"kind": "identical", "rows": total, "share": share}
    return Result(NAME, dataset, status, repeated, "identical rows", detail, figures)


def _unlike(dataset: Dataset, row: Any) -> Iterator[Result]:
    """Results for the natural keys that have rows of different content."""

    def result(status: Status, keys: int, sample: str, what: str) -> Result:
        detail = f"{keys:,} natural keys have {what}, for example {sample}"
        figures = {"kind": "natural_key", "sample": sample}
        return Result(NAME, dataset.name, status, keys, "keys", detail, figures)

    if row.contradicted_keys:
        status, what = _contradiction(dataset)
        yield result(status, row.contradicted_keys, row.contradicted_key, what)
    if row.corrected_keys:
        status, what = _correction(dataset)
        yield result(status, row.corrected_keys, row.corrected_key, what)
    if row.alike_keys:
        what = "rows that differ in nothing but unknown fields"
        yield result(Status.WARN, row.alike_keys, row.alike_key, what)


def _contradiction(dataset: Dataset) -> tuple[Status, str]:
    if not is_certain(dataset):
        return Status.INFO, (
            "several rows of one publication, whose sides nothing distinguishes: the "
            "views show all of them"
        )
    return Status.FAIL, (
        "rows of one publication with different values: versions that the key does not "
        "distinguish, so that no view can choose; correct the keys in "
        f"pipeline/datasets/{dataset.name}.yaml"
    )


def _correction(dataset: Dataset) -> tuple[Status, str]:
    if not dataset.version_order:
        return Status.INFO, "versions, of which the views show the last to arrive"
    return Status.WARN, (
        f"versions that {', '.join(dataset.version_order)} does not order: the views "
        "show the last to arrive"
    )
