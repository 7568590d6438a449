"""Casts of text that is not a number or BOOL, and of a quotient to INT64."""

import re
from typing import Any

from local_bigquery.sql.rules import datetime, typing
from sqlglot import exp

MACROS_SQL = r"""
CREATE MACRO bq.main._is_int64(t) AS typeof(t) <> 'VARCHAR' OR
    regexp_full_match(CAST(t AS VARCHAR), '\s*[+-]?([0-9]+|0[xX][0-9a-fA-F]+)\s*');
CREATE MACRO bq.main._is_bool(t) AS typeof(t) <> 'VARCHAR' OR
    lower(CAST(t AS VARCHAR)) IN ('true', 'false');
CREATE MACRO bq.main._is_decimal(t) AS typeof(t) <> 'VARCHAR' OR
    regexp_full_match(CAST(t AS VARCHAR),
    '\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*');
CREATE MACRO bq.main._is_float64(t) AS bq.main._is_decimal(t) OR
    regexp_full_match(lower(CAST(t AS VARCHAR)), '\s*[+-]?(inf|infinity|nan)\s*');
"""
# Some functions return text whose type is not known.
UNCHECKED = {*typing.TEXT, exp.DataType.Type.UNKNOWN, None}
CHECKS = {
    exp.DataType.Type.BIGINT: ("_is_int64", "Bad int64 value"),
    exp.DataType.Type.BOOLEAN: ("_is_bool", "Bad bool value"),
    exp.DataType.Type.DOUBLE: ("_is_float64", "Bad double value"),
    exp.DataType.Type.DECIMAL: ("_is_decimal", "Invalid NUMERIC value"),
    exp.DataType.Type.BIGDECIMAL: ("_is_decimal", "Invalid BIGNUMERIC value"),
}
# A number as it is written in SQL has become a cast of its text.
WRITTEN = re.compile(r"[0-9.]+([eE][+-]?[0-9]+)?")


def quotient_to_int64(node: Any, _: object) -> Any:
    """The cast of a quotient, whose type is lost; DuckDB would round 2.5 down."""
    if isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.BIGINT:
        value = node.this
        while isinstance(value, (exp.Paren, exp.Case)):  # the case is for 0
            inner = "this" if isinstance(value, exp.Paren) else "default"
            value = value.args.get(inner)
        if isinstance(value, exp.Div):
            node.set("this", exp.func("round", node.this))
    return node


def text_to_value(node: Any, _: object) -> Any:
    """A cast of text; DuckDB rounds '12.5' to INT64, and reads 'yes' and '1_000'."""
    check = CHECKS.get(node.to.this) if isinstance(node, exp.Cast) else None
    if check is None or typing.kind(node.this) not in UNCHECKED:
        return node
    if isinstance(node.this, exp.Literal) and not node.this.is_string:
        return node
    name, label = check
    written = isinstance(node.this, exp.Literal) and WRITTEN.fullmatch(node.this.this)
    if written and name in ("_is_float64", "_is_decimal"):
        return node
    text = node.this.copy()
    wrong = exp.Not(this=datetime.macro(name, text))
    refusal = exp.DPipe(this=exp.convert(f"{label}: "), expression=text)
    instead = (
        exp.null() if isinstance(node, exp.TryCast) else exp.func("_raise", refusal)
    )
    return exp.Case(ifs=[exp.If(this=wrong, true=instead)], default=node)
