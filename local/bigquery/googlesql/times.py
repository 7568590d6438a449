"""Times: functions of a DATE that are given another type, parts, and local times.

- DATE functions of a TIMESTAMP or DATETIME, the hours between two times, the
  milliseconds of a second, and a local time that occurs twice on one day;
- the last days of months in an array of dates.
"""

import re
from typing import Any

from local_bigquery.sql.rules import datetime, typing
from sqlglot import exp

# If a local time occurs twice on one day, BigQuery uses the earlier one.
MACROS_SQL = r"""
CREATE MACRO bq.main._from_local(t, zone) AS CASE
    WHEN timezone(zone, timezone(zone, t) - INTERVAL 1 HOUR) = t
    THEN timezone(zone, t) - INTERVAL 1 HOUR ELSE timezone(zone, t) END;
CREATE MACRO bq.main._month_array(first, last, months) AS list_filter(
    list_transform(
        range(0, abs(datediff('month', first, last)) // abs(months) + 1),
        lambda i: CAST(first + to_months(CAST(i * months AS INTEGER)) AS DATE)
    ),
    lambda d: CASE WHEN months > 0 THEN d <= last ELSE d >= last END
);
"""
DATE_FUNCTIONS = (
    *(exp.DateTrunc, exp.DateAdd, exp.DateSub, exp.DateDiff),
    exp.TimestampDiff,
)
MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
TIME_KINDS = {
    exp.DataType.Type.TIMESTAMPTZ: "Timestamp",
    exp.DataType.Type.TIMESTAMP: "Datetime",
    exp.DataType.Type.DATETIME: "Datetime",
}
from_local, extract = datetime.from_local, datetime._extract


def times(tree: Any, context: Any) -> Any:
    """Makes the types of times, and local times, explicit for DuckDB."""
    if tree.find(*DATE_FUNCTIONS, exp.Sub, exp.Datetime):
        typing.annotate(tree, context)
    for node in list(tree.find_all(exp.Datetime)):
        if node.expression and typing.kind(node.this) == exp.DataType.Type.TIMESTAMPTZ:
            instant = exp.cast(node.this, "TIMESTAMPTZ")
            node.replace(datetime.to_local(instant, node.expression))
    for node in list(tree.find_all(*DATE_FUNCTIONS)):
        node.replace(_of_its_type(node))
    for node in list(tree.find_all(exp.Sub)):
        if {typing.kind(node.this), typing.kind(node.expression)} <= TIME_KINDS.keys():
            # As in BigQuery: 24 hours do not become a day.
            start, end = (
                datetime.call("epoch_us", side) for side in (node.expression, node.this)
            )
            between = exp.Paren(this=exp.Sub(this=end, expression=start))
            node.replace(datetime.call("to_microseconds", between))
    for node in list(tree.find_all(exp.GenerateDateArray)):
        node.replace(_date_array(node))
    for node in list(tree.find_all(exp.Timestamp)):
        _timestamp(node)
    return tree


def _timestamp(node: Any) -> None:
    """`TIMESTAMP` of a value as a cast, also with `SAFE.`."""
    safe = isinstance(node.parent, exp.SafeFunc)
    cast = exp.TryCast if safe else exp.Cast
    zone = node.args.get("zone")
    kind = exp.DataType.build("TIMESTAMP" if zone else "TIMESTAMPTZ")
    made = cast(this=node.this.copy(), to=kind)
    if zone:
        made = exp.cast(_from_local(made, zone.copy()), "TIMESTAMPTZ")
    (node.parent if safe else node).replace(made)


def _of_its_type(node: Any) -> Any:
    """A DATE function of a DATETIME or TIMESTAMP as the function of that type."""
    kind = TIME_KINDS.get(typing.kind(node.this))
    if kind is None or (kind, type(node)) == ("Timestamp", exp.TimestampDiff):
        return node
    operation = re.sub("^(Date|Timestamp)", "", type(node).__name__)
    return getattr(exp, kind + operation)(**node.args)


def _date_array(node: Any) -> Any:
    """`GENERATE_DATE_ARRAY`; after 28 February DuckDB continues with the 28th."""
    step = node.args.get("step")
    months = MONTHS.get(step.text("unit").upper()) if step else None
    if months is None:
        return node
    first, last = (exp.cast(node.args[side], "DATE") for side in ("start", "end"))
    steps = exp.Paren(this=exp.cast(step.this, "BIGINT"))
    every = exp.Mul(this=steps, expression=exp.convert(months))
    return datetime.macro("_month_array", first, last, every)


def _from_local(local: Any, zone: Any) -> Any:
    """A local time as an instant."""
    if zone is None or datetime._offset_minutes(zone) is not None:
        return from_local(local, zone)
    return datetime.macro("_from_local", local, zone)


def _extract(node: Any) -> Any:
    """A part of a time; DuckDB's milliseconds include the seconds."""
    parts = {"MILLISECOND": 1_000, "MICROSECOND": 1_000_000}
    per_second = parts.get(node.this.name.upper())
    if per_second is None or isinstance(node.parent, exp.Mod):
        return extract(node)
    rest = exp.Mod(this=node.copy(), expression=exp.Literal.number(per_second))
    return exp.Paren(this=rest)


def install() -> None:
    datetime.from_local, datetime._extract = _from_local, _extract
