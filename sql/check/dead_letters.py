"""Dead letters: what could not become rows and waits for a person."""

from collections.abc import Iterator
from typing import Any

from sql.check.context import Context, Result, Status
from sql.check.held import (
    REPLAY,
    figures_of,
    held,
    outcome_of,
    span_of,
    status_of,
)

NAME = "dead_letters"


def check(context: Context) -> Iterator[Result]:
    """One that waits or failed again is a failure; one that is a row now is ok."""
    rows = held(context, "DEAD_LETTER")
    for row in rows or ():
        detail = f"{row.letters:,} {row.reason} in {row.stage}, {span_of(row)}"
        figures = {
            "reason": row.reason,
            "stage": row.stage,
            "sample": row.sample_error,
            **figures_of(row),
        }
        yield Result(
            NAME,
            row.dataset,
            status_of(row, context.at),
            row.letters,
            "dead letters",
            f"{detail}; {_advice(row)}",
            figures,
        )
    if rows == []:
        yield Result(NAME, None, Status.OK, 0, "dead letters", "none")


def _advice(row: Any) -> str:
    if row.state not in ("WAITING", "FAILED_AGAIN"):
        return outcome_of(row)
    again = "failed again when replayed; " if row.state == "FAILED_AGAIN" else ""
    return (
        f"{again}for example: {row.sample_error}; when that is fixed, {REPLAY} makes "
        "rows of them"
    )
