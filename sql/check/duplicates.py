"""Duplicates: rows that should be one, in the partitions of the last days.

An identical record is a row whose `record_id` exists twice: it came again after the
pipeline had forgotten it. Rows with one natural key and different content are versions
that the registry's key does not distinguish: nothing is lost, but no view can choose.
Where a message is the publication of a set, only rows of one message are compared:
those of another are another publication.
"""

from collections.abc import Iterator
from typing import Any

from sql.check.context import Context, Result, Status
from sql.check.freshness import LOOKAHEAD_DAYS, near

NAME = "duplicates"
# After a restart the last few messages come again: far fewer than 1% of the rows of a
# busy dataset. In a dataset with few rows a single message is more than 1%, so a small
# number of rows is not a failure either.
MAX_SHARE = 0.01
MAX_ROWS = 50


def check(context: Context) -> Iterator[Result]:
    """Identical rows are a warning, many of them a failure; equal keys a warning."""
    bounds = near(context.at, context.days, LOOKAHEAD_DAYS)
    filled = context.filled()
    rows = context.query("duplicates.sql", bounds, datasets=filled) if filled else []
    found = {row.dataset: row for row in rows}
    for dataset in context.present():
        row = found.get(dataset.name)
        if row is None or row.row_count is None:
            yield _identical(dataset.name, 0, 0)
            continue
        yield _identical(dataset.name, row.row_count, row.identical_rows)
        if row.repeated_keys:
            yield _unlike(row)


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


def _unlike(row: Any) -> Result:
    detail = (
        f"{row.repeated_keys:,} natural keys have rows of different content: versions "
        f"that the key does not distinguish, for example {row.sample_key}"
    )
    figures = {"kind": "natural_key", "sample": row.sample_key}
    return Result(
        NAME, row.dataset, Status.WARN, row.repeated_keys, "keys", detail, figures
    )
