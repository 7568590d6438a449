"""Ledger: every record received ended as exactly one thing.

All entries are summed, whatever the time and pane: they are partial counts, and a
record may be counted in one minute and its row in the next. So a running pipeline
usually has records in flight, but at some moments it has none. What was missing at
every moment of the last 15 minutes is lost.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sql.check.context import Context, Result, Status
from sql.tables import LEDGER

NAME = "ledger"
# Even the busiest dataset pauses within it, and a retried insert takes minutes.
RECENT = dt.timedelta(minutes=15)


def check(context: Context) -> Iterator[Result]:
    """Records are the sum of rows, duplicates, dead letters and unmapped ones."""
    if LEDGER.name not in context.tables:
        return
    bounds = {"at": context.at, "recent": context.at - RECENT}
    rows = context.query("ledger.sql", bounds, table=LEDGER.name)
    for row in rows:
        yield _result(row, context.at - RECENT)
    if not rows:
        yield Result(NAME, None, Status.OK, 0, "records", "no entries")


def _result(row: Any, recent: dt.datetime) -> Result:
    counts = {
        name: row[name]
        for name in ("records", "rows", "duplicates", "dead_letters", "unmapped")
    }
    records, *outcomes = counts.values()
    difference = records - sum(outcomes)
    detail = (
        f"{records:,} records = {row['rows']:,} rows + {row.duplicates:,} duplicates "
        f"+ {row.dead_letters:,} dead letters + {row.unmapped:,} unmapped"
    )
    status = Status.OK
    if difference:
        detail = detail.replace("=", "are not", 1)
        detail += f": a difference of {difference:,}"
    # Before its first entry nothing was missing.
    began = row.first_utc > recent
    if (row.least > 0 and not began) or row.most < 0:
        status = Status.FAIL
    elif difference:
        detail += ", from the last minutes: records in flight"
    return Result(NAME, row.dataset, status, difference, "records", detail, counts)
