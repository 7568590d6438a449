"""Casts of text to TIMESTAMP, DATETIME, DATE and TIME; names of time zones.

DuckDB reads more texts (`epoch`, `2026/05/06`, the zone BST) and some of them otherwise
(a local time that a clock shows twice). Source: GoogleSQL's page on data types.
"""

import re
from datetime import timedelta
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules import datetime, typing
from sqlglot import exp

from local.bigquery.googlesql import instants

Type = exp.DataType.Type
# The usual forms of a TIMESTAMP need no look at zones.
MACROS_SQL = r"""
CREATE MACRO bq.main._usual_timestamp(t) AS regexp_full_match(t, '\d{4}-\d{2}-\d{2}'
    || '([ Tt]\d{2}:[0-5]\d:[0-5]\d(\.\d{1,6})?([Zz]|[+-]\d{2}(:\d{2})?)?)?');
CREATE MACRO bq.main._timestamp_of(x, safe) AS CASE
    WHEN typeof(x) <> 'VARCHAR' OR bq.main._usual_timestamp(CAST(x AS VARCHAR))
    THEN CASE WHEN safe THEN TRY_CAST(x AS TIMESTAMPTZ) ELSE CAST(x AS TIMESTAMPTZ) END
    ELSE make_timestamptz(_timestamp_text(CAST(x AS VARCHAR), safe, 'UTC')) END;
CREATE MACRO bq.main._is_date(x) AS typeof(x) <> 'VARCHAR' OR
    regexp_full_match(CAST(x AS VARCHAR), '\d{4}-\d{1,2}-\d{1,2}');
CREATE MACRO bq.main._is_time(x) AS typeof(x) <> 'VARCHAR' OR
    regexp_full_match(CAST(x AS VARCHAR), '\d{1,2}:\d{1,2}:\d{1,2}(\.\d{1,6})?');
CREATE MACRO bq.main._is_datetime(x) AS typeof(x) <> 'VARCHAR' OR
    regexp_full_match(CAST(x AS VARCHAR),
    '\d{4}-\d{1,2}-\d{1,2}([ Tt]\d{1,2}:\d{1,2}:\d{1,2}(\.\d{1,6})?)?');
"""
TEXTS = {*typing.TEXT, Type.UNKNOWN, None}
CHECKS = {
    Type.DATE: ("_is_date", "Invalid date"),
    Type.TIME: ("_is_time", "Invalid time"),
    Type.TIMESTAMP: ("_is_datetime", "Invalid datetime string"),
    Type.DATETIME: ("_is_datetime", "Invalid datetime string"),
}
# The argument of a function that is a time zone.
ZONES: dict[type, str] = {
    **dict.fromkeys((exp.AtTimeZone, exp.Timestamp, exp.Date, exp.Time), "zone"),
    **dict.fromkeys((exp.TimeToStr, exp.StrToTime, exp.TimestampTrunc), "zone"),
    **dict.fromkeys((exp.String, exp.DateTrunc), "zone"),
    exp.Datetime: "expression",
    exp.CurrentDate: "this",
    exp.CurrentTime: "this",
    exp.CurrentDatetime: "this",
}
OFFSET = re.compile(r"[+-].*")


def known_zones(tree: Any, _: object) -> Any:
    """Checks the names of time zones, of which DuckDB has more."""
    for node in tree.find_all(*ZONES):
        zone = node.args.get(ZONES[type(node)])
        if isinstance(zone, exp.Literal) and zone.is_string:
            try:
                instants.zone(zone.this)
            except ValueError as error:
                raise BigQueryError("invalidQuery", str(error)) from None
        elif isinstance(zone, exp.Column):
            zone.replace(exp.func("_zone", zone.copy()))
    return tree


def text_to_time(node: Any, _: object) -> Any:
    """A cast of text, or of a value whose type is not known."""
    if not isinstance(node, exp.Cast) or typing.kind(node.this) not in TEXTS:
        return node
    if isinstance(node.this, exp.Null):
        return node
    safe = isinstance(node, exp.TryCast)
    if node.to.this == Type.TIMESTAMPTZ:
        return _timestamp(node, safe)
    check = CHECKS.get(node.to.this)
    if check is None:
        return node
    name, label = check
    if isinstance(node.this, exp.Literal) and node.to.this == Type.DATE and not safe:
        typing._date_literal(node.this)  # or it raises an error
        return node
    wrong = exp.Not(this=datetime.macro(name, node.this.copy()))
    text = exp.cast(node.this.copy(), "VARCHAR")
    said = exp.DPipe(this=exp.convert(f"{label}: '"), expression=text)
    said = exp.DPipe(this=said, expression=exp.convert("'"))
    instead = exp.null() if safe else exp.func("_raise", said)
    return exp.Case(ifs=[exp.If(this=wrong, true=instead)], default=node)


def _timestamp(node: Any, safe: bool) -> Any:
    value = node.this
    if not (isinstance(value, exp.Literal) and value.is_string):
        return datetime.macro("_timestamp_of", value, exp.convert(safe))
    try:
        found = instants.microseconds(value.this, safe, "UTC")
    except ValueError as error:
        raise BigQueryError("invalidQuery", str(error)) from None
    if found is None:
        return exp.cast(exp.null(), "TIMESTAMPTZ")
    instant = instants.EPOCH + timedelta(microseconds=found)
    return exp.cast(exp.convert(instant.isoformat(" ")), "TIMESTAMPTZ")


def compared_text(node: Any, _: object) -> Any:
    """A literal that is compared with a time is one."""
    if isinstance(node, (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)):
        sides = ["this", "expression"]
    elif isinstance(node, exp.Between):
        sides = ["this", "low", "high"]
    else:
        return node
    kinds = {typing.kind(node.args[side]) for side in sides}
    for side in sides:
        value = node.args[side]
        if not (isinstance(value, exp.Literal) and value.is_string):
            continue
        if Type.TIMESTAMPTZ in kinds:
            node.set(side, _timestamp(exp.cast(value, "TIMESTAMPTZ"), safe=False))
        elif Type.DATE in kinds:
            node.set(side, typing._date_literal(value))
    return node
