"""Freshness: how long ago the newest row of each dataset came in.

A row's time is when IRIS queued its message, so that old messages of a backlog do not
count as fresh. If that is unknown (a file), it is when the pipeline made the row.

The ledger knows it, too, but not of rows that load jobs added. So a table is read only
if its dataset is not fresh by the ledger; and of a table only partitions near the time
of the check: rows that arrive now are about now.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from pipeline.registry import Dataset
from sql.check.context import Context, Result, Status
from sql.check.expectations import lateness
from sql.tables import LEDGER
from sql.working_days import day_start, london_day, working_time

NAME = "freshness"
# Longer than any pause of a daily dataset: Easter and Christmas are four days.
LOOKBACK_DAYS = 10
# Forecasts are in the partition of their day: two weeks ahead, and a margin.
LOOKAHEAD_DAYS = 30
# When the volumes and cashflows of a day are there at the latest, over a weekend.
PUBLISHED_DAYS = 3


def check(context: Context) -> Iterator[Result]:
    """A dataset is stale if its next row is late; one without a cadence is shown."""
    filled = context.filled()
    newest = _newest(context, filled) if filled else {}
    names = {dataset.name for dataset in filled}
    for dataset in context.present():
        came = newest.get(dataset.name)
        if came is None:
            yield _absent(dataset, never=dataset.name not in names)
        else:
            yield _present(dataset, came, context.at)


def _newest(context: Context, filled: list[Dataset]) -> dict[str, dt.datetime | None]:
    newest = _by_ledger(context)
    doubtful = [
        dataset
        for dataset in filled
        if (came := newest.get(dataset.name)) is None
        or is_stale(dataset, came, context.at)
    ]
    if not doubtful:
        return newest
    bounds = near(context.at, LOOKBACK_DAYS, LOOKAHEAD_DAYS)
    parameters = {"at": context.at, **bounds}
    for row in context.query("freshness.sql", parameters, datasets=doubtful):
        times = (row.newest_utc, newest.get(row.dataset))
        newest[row.dataset] = max(filter(None, times), default=None)
    return newest


def _by_ledger(context: Context) -> dict[str, dt.datetime | None]:
    if LEDGER.name not in context.tables:
        return {}
    bounds = {
        "at": context.at,
        "from_time": context.at - dt.timedelta(days=LOOKBACK_DAYS),
    }
    rows = context.query("freshness_ledger.sql", bounds, table=LEDGER.name)
    return {row.dataset: row.newest_utc for row in rows}


def near(at: dt.datetime, days_before: int, days_after: int) -> dict[str, Any]:
    """The bounds of the partitions near an instant, for DATE and TIMESTAMP columns.

    They begin with a day in London, whole. What settlement computes comes days later.
    """
    before, after = dt.timedelta(days=days_before), dt.timedelta(days=days_after)
    first = london_day(at - before)
    return {
        "from_time": day_start(first),
        "until_time": at + after,
        "from_date": first,
        "late_from_date": first - dt.timedelta(days=PUBLISHED_DAYS),
        "until_date": london_day(at + after),
    }


def _absent(dataset: Dataset, *, never: bool) -> Result:
    if never:
        status = Status.WARN if dataset.cadence_seconds else Status.INFO
        detail = "no row so far: a new installation, or a filter on the queue"
    else:
        status = Status.FAIL if dataset.cadence_seconds else Status.INFO
        detail = f"no row in {LOOKBACK_DAYS} days"
    return Result(NAME, dataset.name, status, None, "minutes", detail)


def _present(dataset: Dataset, came: dt.datetime, at: dt.datetime) -> Result:
    minutes = _minutes(at - came)
    detail = f"{minutes:,.0f} minutes since a row of {came:%Y-%m-%d %H:%M:%S} UTC"
    if not dataset.cadence_seconds:
        return Result(NAME, dataset.name, Status.INFO, minutes, "minutes", detail)
    limit, age = allowed(dataset), age_of(dataset, came, at)
    if dataset.published.working_days_only:
        detail += f", {_minutes(age):,.0f} of them on working days"
    return Result(
        NAME,
        dataset.name,
        Status.FAIL if age > limit else Status.OK,
        minutes,
        "minutes",
        f"{detail}; allowed are {_minutes(limit):,.0f}",
        {"counted_minutes": _minutes(age), "allowed_minutes": _minutes(limit)},
    )


def is_stale(dataset: Dataset, came: dt.datetime, at: dt.datetime) -> bool:
    """Whether its next row is late; never without a cadence."""
    if not dataset.cadence_seconds:
        return False
    return age_of(dataset, came, at) > allowed(dataset)


def allowed(dataset: Dataset) -> dt.timedelta:
    """How old its newest row may be."""
    return dt.timedelta(seconds=dataset.cadence_seconds or 0) + lateness(dataset)


def age_of(dataset: Dataset, came: dt.datetime, at: dt.datetime) -> dt.timedelta:
    """How old a row is, in the time in which the dataset is published."""
    if dataset.published.working_days_only:
        return working_time(came, at)
    return at - came


def _minutes(span: dt.timedelta) -> float:
    return round(span.total_seconds() / 60, 1)
