"""Unmapped: messages of datasets that the registry does not know."""

from collections.abc import Iterator
from typing import Any

from pipeline.core.decoding import NO_SUBJECT
from sql.check.context import Context, Result, Status
from sql.check.held import (
    REPLAY,
    figures_of,
    held,
    outcome_of,
    span_of,
    status_of,
)

NAME = "unmapped"


def check(context: Context) -> Iterator[Result]:
    """Their records are not rows: each message is a failure until it is replayed."""
    rows = held(context, "UNMAPPED")
    for row in rows or ():
        yield Result(
            NAME,
            row.dataset,
            status_of(row, context.at),
            row.letters,
            "messages",
            f"{row.letters:,} messages, {span_of(row)}; {_advice(row)}",
            figures_of(row),
        )
    if rows == []:
        yield Result(NAME, None, Status.OK, 0, "messages", "none")


def _advice(row: Any) -> str:
    if row.state == "UNKNOWN_DATASET":
        return "`python -m sql drift` proposes a file for the registry"
    if row.state == "FAILED_AGAIN":
        return f"unmapped again when replayed: update the pipeline, then {REPLAY}"
    if row.state == "WAITING" and row.dataset == NO_SUBJECT:
        return f"without a subject, but the records name it: {REPLAY} makes rows"
    if row.state == "WAITING":
        return f"the dataset is known now: {REPLAY} makes rows of them"
    return outcome_of(row)
