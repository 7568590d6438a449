"""Statement: the SQL that reads what the caller asks for, with its parameters.

Names of columns are those of the table, and values are parameters: no text of the
caller becomes SQL.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from google.cloud.bigquery import ScalarQueryParameter

from command.usage import UsageError
from gb_iris.axis import SETTLEMENT_DATE, Axis, no_axis
from gb_iris.condition import Condition, Parameter, condition
from gb_iris.interval import Bound, Interval
from gb_iris.relation import Relation

LONDON = ZoneInfo("Europe/London")
_MOMENT = dt.timedelta(microseconds=1)


class Statement(NamedTuple):
    """A query and its parameters."""

    sql: str
    parameters: list[Parameter]


def statement(
    relation: Relation,
    axis: Axis,
    interval: Interval,
    columns: Sequence[str],
    where: Mapping[str, Any],
) -> Statement:
    """The query for some columns and rows.

    Raises:
        UsageError: A bound or a value does not suit its column.
    """
    conditions = [
        *bounds(relation, axis, "start", interval.start),
        *bounds(relation, axis, "end", interval.end),
        *values(relation, where),
    ]
    sql = f"SELECT {', '.join(f'`{name}`' for name in columns)}\n"
    sql += f"FROM `{relation.path}.{relation.name}`"
    if conditions:
        sql += f"\nWHERE {' AND '.join(each.sql for each in conditions)}"
    return Statement(sql, [given for each in conditions for given in each.parameters])


def values(relation: Relation, where: Mapping[str, Any]) -> Iterator[Condition]:
    """The conditions of `where`.

    Raises:
        UsageError: There is no such column, or a value does not suit it.
    """
    if not isinstance(where, Mapping):
        raise UsageError(
            f"where: {where!r} is not values by column, such as "
            '{"fuelType": ["WIND", "CCGT"]}; SQL is for `make query`'
        )
    for number, (name, wanted) in enumerate(where.items()):
        yield condition(relation.field(name, "where"), wanted, f"where{number}")


def bounds(
    relation: Relation, axis: Axis, name: str, bound: Bound | None
) -> Iterator[Condition]:
    """The conditions of a bound, `start` or `end`."""
    operator = ">=" if name == "start" else "<"
    if bound is None:
        return
    if isinstance(bound, dt.datetime):
        if not axis.instant:
            raise _no_instant(relation, axis, name)
        yield _compared(axis.instant, operator, name, "TIMESTAMP", bound)
        if axis.within_day:
            yield _day_of(name, bound)
    elif axis.day:
        yield _compared(axis.day, operator, name, "DATE", bound)
    elif axis.instant:
        midnight = dt.datetime.combine(bound, dt.time(), dt.UTC)
        yield _compared(axis.instant, operator, name, "TIMESTAMP", midnight)
        if axis.within_day:
            yield _day_of(name, midnight)
    else:
        raise no_axis(relation)


def _day_of(name: str, bound: dt.datetime) -> Condition:
    """The condition on the partition column that follows from an instant.

    A time may be the end of its settlement period, also of the last one of a day.
    """
    operator = ">=" if name == "start" else "<="
    day = (bound - _MOMENT).astimezone(LONDON).date()
    return _compared(SETTLEMENT_DATE, operator, f"{name}_day", "DATE", day)


def _compared(
    column: str, operator: str, name: str, kind: str, bound: Bound
) -> Condition:
    parameter = ScalarQueryParameter(name, kind, bound)
    return Condition(f"`{column}` {operator} @{name}", [parameter])


def _no_instant(relation: Relation, axis: Axis, name: str) -> UsageError:
    if axis.day:
        return UsageError(
            f"{name}: the rows of {relation.name} have a day ({axis.day}) and no time: "
            'give a date, such as "2026-05-06"'
        )
    return no_axis(relation)
