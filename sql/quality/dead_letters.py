"""Dead letters: what could not become rows, and waits for a person."""

from collections.abc import Iterator
from typing import Any

from sql.quality.context import Context, Result, Status
from sql.tables import DEAD_LETTERS

NAME = "dead_letters"


def check(context: Context) -> Iterator[Result]:
    """One that was not replayed is a failure; one that was is shown."""
    if DEAD_LETTERS.name not in context.tables:
        return
    bounds = {"since": context.since, "at": context.at}
    rows = context.query("dead_letters.sql", bounds, table=DEAD_LETTERS.name)
    for row in rows:
        yield _result(row)
    if not rows:
        yield Result(NAME, None, Status.OK, 0, "dead letters", "none")


def _result(row: Any) -> Result:
    first, last = f"{row.first_utc:%Y-%m-%d %H:%M}", f"{row.last_utc:%Y-%m-%d %H:%M}"
    detail = f"{row.letters:,} {row.reason} in {row.stage}, {first} to {last} UTC"
    detail += ", replayed" if row.is_replayed else f"; for example: {row.sample_error}"
    figures = {
        "reason": row.reason,
        "stage": row.stage,
        "replayed": row.is_replayed,
        "first_utc": row.first_utc,
        "last_utc": row.last_utc,
        "sample": row.sample_error,
    }
    status = Status.INFO if row.is_replayed else Status.FAIL
    return Result(
        NAME, row.dataset, status, row.letters, "dead letters", detail, figures
    )
