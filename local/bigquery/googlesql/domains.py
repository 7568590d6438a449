"""Arguments for which a function has no value: DuckDB has one, BigQuery an error.

Sources: GoogleSQL's pages on mathematical, string and JSON functions.
"""

import re
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.dialect import BigQueryDialect
from local_bigquery.sql.rules import datetime, typing
from sqlglot import exp

MACROS_SQL = r"""
CREATE MACRO bq.main._unless(wrong, message, x) AS
    CASE WHEN wrong THEN _raise(message) ELSE x END;
"""
# Functions with a number of characters or times that must not be below 0.
COUNTS: dict[type, str] = {
    **dict.fromkeys((exp.Left, exp.Right, exp.Pad), "expression"),
    exp.Repeat: "times",
    exp.Substring: "length",
}
PATTERNS = (exp.RegexpExtract, exp.RegexpExtractAll, exp.RegexpInstr)
REFERENCE = re.compile(r"\\(\d)")
to_json_path = BigQueryDialect.to_json_path


def in_domain(node: Any, context: object) -> Any:
    """A function that raises an error for such arguments."""
    if name := COUNTS.get(type(node)):
        return _counted(node, node.args.get(name))
    if check := CHECKS.get(type(node)):
        return check(node)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "bq.main.instr":
        return _instr(node)
    return node


def _raised(condition: Any, message: str, value: Any) -> Any:
    return datetime.macro("_unless", condition, exp.convert(message), value)


def _is_written(node: Any, least: int) -> bool:
    return isinstance(node, exp.Literal) and node.is_int and int(node.this) >= least


def _counted(node: Any, number: Any) -> Any:
    if isinstance(node, exp.Substring):
        _begin(node)
    if number is None or _is_written(number, 0):
        return node
    below = exp.LT(this=exp.paren(number.copy()), expression=exp.convert(0))
    name = node.sql_name()
    return _raised(below, f"Argument of {name} must not be negative", node)


def _begin(node: Any) -> None:
    """`SUBSTR(text, -9)` of a shorter text, and `SUBSTR(text, 0)`, are all of it."""
    start = node.args.get("start")
    if start is None or _is_written(start, 1):
        return
    size = exp.Neg(this=exp.func("length", node.this.copy()))
    start = exp.paren(start)
    outside = exp.Or(
        this=exp.EQ(this=start.copy(), expression=exp.convert(0)),
        expression=exp.LT(this=start.copy(), expression=size),
    )
    first = exp.If(this=outside, true=exp.convert(1))
    node.set("start", exp.Case(ifs=[first], default=start))


def _instr(node: Any) -> Any:
    place, occurrence = [*node.expressions[2:], None, None][:2]
    if place is not None and not _is_written(place, 1):
        zero = exp.EQ(this=exp.paren(place.copy()), expression=exp.convert(0))
        node = _raised(zero, "The position of INSTR must not be 0", node)
    if occurrence is not None and not _is_written(occurrence, 1):
        below = exp.LT(this=exp.paren(occurrence.copy()), expression=exp.convert(1))
        node = _raised(below, "The occurrence of INSTR must be positive", node)
    return node


def _power(node: Any) -> Any:
    sides = (node.this, node.expression)
    base, exponent = (exp.cast(each.copy(), "DOUBLE") for each in sides)
    infinite = exp.func("isinf", exp.Pow(this=base.copy(), expression=exponent.copy()))
    floor = exp.func("floor", exponent.copy())
    broken = exp.And(
        this=exp.LT(this=base.copy(), expression=exp.convert(0)),
        expression=exp.NEQ(this=floor, expression=exponent.copy()),
    )
    finite = exp.And(this=_is_finite(base), expression=_is_finite(exponent))
    outside = exp.Or(this=infinite, expression=exp.paren(broken))
    wrong = exp.And(this=finite, expression=exp.paren(outside))
    return _raised(wrong, "Floating point error in function: POW", node)


def _is_finite(node: Any) -> Any:
    return exp.func("isfinite", node.copy())


def _exponential(node: Any) -> Any:
    value = exp.cast(node.this.copy(), "DOUBLE")
    infinite = exp.func("isinf", exp.func("exp", value))
    wrong = exp.And(this=infinite, expression=_is_finite(value))
    return _raised(wrong, "Floating point error in function: EXP", node)


def _inverse_tangent(node: Any) -> Any:
    value = exp.func("abs", exp.cast(node.this.copy(), "DOUBLE"))
    wrong = exp.GTE(this=value, expression=exp.convert(1))
    return _raised(wrong, "Argument of ATANH must be between -1 and 1", node)


def _groups(pattern: Any) -> int | None:
    """How many groups a pattern has that is written in the statement."""
    if not (isinstance(pattern, (exp.Literal, exp.RawString)) and pattern.name):
        return None
    try:
        return re.compile(pattern.name).groups
    except re.error:  # RE2 has forms of its own
        return None


def check_groups(node: Any) -> None:
    """Refuses a pattern of which it is not clear what is extracted."""
    if (_groups(node.expression) or 0) > 1:
        raise BigQueryError(
            "invalidQuery",
            "Regular expression passed to the extraction function must not have more "
            "than 1 capturing group",
        )


def _replaced(node: Any) -> Any:
    groups, new = _groups(node.expression), node.args.get("replacement")
    if groups is not None and isinstance(new, (exp.Literal, exp.RawString)):
        highest = max(map(int, REFERENCE.findall(new.name)), default=0)
        if highest > groups:
            raise BigQueryError(
                "invalidQuery",
                f"Invalid REGEXP_REPLACE pattern: \\{highest} is not one of its "
                f"{groups} groups",
            )
    return node


def _joined(node: Any) -> Any:
    if typing.kind(node.this) in typing.BYTES:
        raise BigQueryError(
            "invalidQuery", "the local BigQuery has no STRING_AGG of BYTES"
        )
    return node


def _rounded(node: Any) -> Any:
    """`ROUND(NUMERIC, n, mode)` is NUMERIC."""
    target = typing.DECIMALS.get(typing.kind(node.this))
    if target is None or node.args.get("truncate") is None:
        return node
    return exp.cast(node, exp.DataType.build(target, dialect="duckdb"))


CHECKS = {
    exp.Pow: _power,
    exp.Exp: _exponential,
    exp.Atanh: _inverse_tangent,
    exp.RegexpReplace: _replaced,
    exp.GroupConcat: _joined,
    exp.Round: _rounded,
}


def _to_json_path(self: Any, path: Any) -> Any:
    written = isinstance(path, exp.Literal) and path.is_string
    if written and not path.this.startswith("$"):
        raise BigQueryError("invalidQuery", "JSONPath must start with '$'")
    return to_json_path(self, path)


def install() -> None:
    BigQueryDialect.to_json_path = _to_json_path
