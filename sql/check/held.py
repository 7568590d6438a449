"""What is held back, and its state: the common part of two checks."""

import datetime as dt
from typing import Any

from sql.check.context import Context, Status
from sql.views.held import HELD_SOURCES, NAMELESS, held_query

REPLAY = "`python -m bridge replay`"
# In `held_datasets.sql`: something is held whose dataset only the pipeline can tell.
ANY = "*"
# The pipeline makes a row within seconds; on Dataflow it takes minutes to start.
PATIENCE = dt.timedelta(hours=1)

_STATUSES = {
    "WAITING": Status.FAIL,
    "FAILED_AGAIN": Status.FAIL,
    "UNKNOWN_DATASET": Status.FAIL,
    "ROW": Status.OK,
    "OPENED": Status.OK,
}


def held(context: Context, kind: str) -> list[Any] | None:
    """What is held of a kind, counted by dataset, reason, stage and state.

    It is the view `iris_held` without the tables of datasets of which nothing is held:
    reading them would cost and find nothing.

    Args:
        context: Where to look, and from when.
        kind: `DEAD_LETTER` or `UNMAPPED`.

    Returns:
        The counts; None if one of the tables does not exist.
    """
    if not context.tables.issuperset(HELD_SOURCES):
        return None
    since = {"since": context.since}
    rows = context.query("held_datasets.sql", since, **NAMELESS)
    subjects = {row.dataset for row in rows}
    datasets = [
        each
        for each in context.present()
        if not subjects.isdisjoint((each.name, *each.aliases, ANY))
    ]
    query = held_query(context.registry, context.path, datasets)
    # One query for both kinds: it costs the most, and the other check runs the same.
    bounds = {**since, "at": context.at}
    rows = context.query("held.sql", bounds, held=query.strip())
    return [row for row in rows if row.kind == kind]


def status_of(row: Any, at: dt.datetime) -> Status:
    """How bad it is: what waits or failed again is a failure."""
    if row.state == "REPLAYED":
        return Status.WARN if at - row.replayed_utc > PATIENCE else Status.INFO
    return _STATUSES[row.state]


def outcome_of(row: Any) -> str:
    """The result or what to do, where both kinds have the same."""
    if row.state == "REPLAYED":
        return (
            f"replayed, last at {row.replayed_utc:%Y-%m-%d %H:%M} UTC, without a "
            f"result yet: if the pipeline is running, {REPLAY[:-1]} --again`"
        )
    if row.state == "OPENED":
        return "opened by a replay"
    return "rows now"


def figures_of(row: Any) -> dict[str, Any]:
    """The figures for programs."""
    return {
        "state": row.state,
        "replayed": row.replayed_utc is not None,
        "first_utc": row.first_utc,
        "last_utc": row.last_utc,
    }


def span_of(row: Any) -> str:
    """From when to when, in UTC."""
    return f"{row.first_utc:%Y-%m-%d %H:%M} to {row.last_utc:%Y-%m-%d %H:%M} UTC"
