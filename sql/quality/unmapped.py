"""Unmapped: messages of datasets that the registry does not know."""

from collections.abc import Iterator

from sql.quality.context import Context, Result, Status
from sql.tables import UNMAPPED

NAME = "unmapped"


def check(context: Context) -> Iterator[Result]:
    """Their records are no rows, so that any is a failure.

    Messages stay in the table when their dataset has become known and they have been
    sent again, so that these only warn.
    """
    if UNMAPPED.name not in context.tables:
        return
    bounds = {"since": context.since, "at": context.at}
    rows = context.query("unmapped.sql", bounds, table=UNMAPPED.name)
    for row in rows:
        detail = (
            f"{row.messages:,} messages, {row.first_utc:%Y-%m-%d %H:%M} to "
            f"{row.last_utc:%Y-%m-%d %H:%M} UTC, "
        )
        if row.dataset in context.registry:
            status = Status.WARN
            detail += "of a dataset that is known by now: are they sent again?"
        else:
            status = Status.FAIL
            detail += (
                "are no rows; `python -m sql drift` suggests what the registry should "
                "say"
            )
        figures = {"first_utc": row.first_utc, "last_utc": row.last_utc}
        yield Result(
            NAME, row.dataset, status, row.messages, "messages", detail, figures
        )
    if not rows:
        yield Result(NAME, None, Status.OK, 0, "messages", "none")
