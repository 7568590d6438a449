"""Types that do not go together: DuckDB converts a value, BigQuery refuses.

Only where the types are known. Sources: GoogleSQL's pages on conversion rules and
operators.
"""

import re
from typing import Any

from local_bigquery.errors import BigQueryError
from local_bigquery.sql.rules import typing
from sqlglot import exp

from local.bigquery.googlesql import domains

Type = exp.DataType.Type
NUMBERS = exp.DataType.REAL_TYPES | exp.DataType.INTEGER_TYPES
OPERATORS = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
CONDITIONS = {exp.Where: "WHERE", exp.Having: "HAVING", exp.Qualify: "QUALIFY"}
DATE = re.compile(r"\s*\d{4}-\d")
TIMES = (Type.DATE, Type.DATETIME, Type.TIMESTAMP, Type.TIMESTAMPTZ, Type.TIME)
CERTAIN = (
    *(exp.Column, exp.Cast, exp.Literal, exp.Boolean),
    *(exp.CurrentDate, exp.CurrentTimestamp),
)
LITERAL = "literal"
# Types that can be compared with each other have the same name.
COMPARED = {
    **dict.fromkeys(NUMBERS, "NUMBER"),
    **dict.fromkeys(typing.TEXT, "TEXT"),
    **dict.fromkeys(typing.BYTES, "BYTES"),
    **dict.fromkeys((Type.DATETIME, Type.TIMESTAMP), "DATETIME"),
    Type.TIMESTAMPTZ: "TIMESTAMP",
    Type.DATE: "DATE",
    Type.TIME: "TIME",
    Type.BOOLEAN: "BOOL",
}
PARTS_OF_TIME = {"MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR"}
PARTS_OF_DATES: dict[type, str] = {
    exp.DateAdd: "DATE_ADD",
    exp.DateSub: "DATE_SUB",
    exp.DateDiff: "DATE_DIFF",
    exp.DateTrunc: "DATE_TRUNC",
}
TEXT_FUNCTIONS = (
    *(exp.Length, exp.Left, exp.Right, exp.Repeat, exp.Pad, exp.Trim, exp.Lower),
    *(exp.Split, exp.RegexpLike, exp.RegexpExtract, exp.RegexpReplace),
    *(exp.StartsWith, exp.EndsWith),
)
LOGICAL = {exp.And: "AND", exp.Or: "OR", exp.Not: "NOT"}
# Values of one family have a common type.
FAMILIES = [
    *(frozenset(family) for family in (NUMBERS, typing.TEXT, typing.BYTES)),
    *(frozenset({kind}) for kind in (*TIMES, Type.BOOLEAN, Type.JSON, Type.ARRAY)),
    frozenset({Type.STRUCT}),
]


def checked(tree: Any, _: object) -> Any:
    """Refuses a statement with such values; its types are annotated."""
    for node in tree.walk():
        if type(node) in OPERATORS:
            _check_numbers(node)
        elif type(node) in LOGICAL:
            for value in node.args.values():
                _check_bool(value, f"argument of operator {LOGICAL[type(node)]}")
        elif type(node) in CONDITIONS:
            _check_bool(node.this, f"{CONDITIONS[type(node)]} clause")
        elif isinstance(node, exp.Coalesce):
            _check_common("COALESCE", [node.this, *node.expressions])
        elif isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
            _check_bool(node.this, "condition of IF")
            _check_common("IF", [node.args.get("true"), node.args.get("false")])
        elif isinstance(node, exp.Case):
            results = [branch.args.get("true") for branch in node.args["ifs"]]
            _check_common("CASE", [*results, node.args.get("default")])
        elif isinstance(node, exp.SetOperation):
            _check_columns(node)
        else:
            _check_certain(node)
    return tree


def _check_certain(node: Any) -> None:
    """What is refused only if the types are certain."""
    if operator := typing.COMPARISONS.get(type(node)):
        _check_compared(operator, [node.this, node.expression])
    elif isinstance(node, exp.Between):
        _check_compared("BETWEEN", [node.this, node.args["low"], node.args["high"]])
    elif isinstance(node, exp.In):
        _check_compared("IN", [node.this, *node.expressions])
    elif type(node) in PARTS_OF_DATES:
        _check_part(node)
    elif isinstance(node, domains.PATTERNS):
        domains.check_groups(node)
    if isinstance(node, TEXT_FUNCTIONS):
        kind = _certain(node.this)
        if kind in NUMBERS or kind in TIMES or kind == Type.BOOLEAN:
            raise BigQueryError(
                "invalidQuery",
                f"No matching signature for function {node.sql_name()} for argument "
                f"types: {_name(kind)}",
            )
    elif isinstance(node, exp.Bracket) and _certain(node.this) in typing.TEXT:
        raise BigQueryError(
            "invalidQuery", "Element access using [] is not supported on STRING"
        )


def _certain(node: Any) -> Any:
    """The type of a value, where it is beyond doubt."""
    node = node.unnest()
    if isinstance(node, (exp.DateAdd, exp.DateSub)):
        return Type.DATE if _certain(node.this) == Type.DATE else None
    if isinstance(node, (exp.TimestampAdd, exp.TimestampSub)):
        return Type.TIMESTAMPTZ if _certain(node.this) == Type.TIMESTAMPTZ else None
    return _kind(node) if isinstance(node, CERTAIN) else None


def _check_compared(operator: str, values: list[Any]) -> None:
    """A DATE is a DATETIME, but not a TIMESTAMP; a literal becomes any time."""
    found = {}
    for value in values:
        literal = isinstance(value, exp.Literal) and value.is_string
        kind = None if literal else _certain(value)
        if kind is not None:
            found[COMPARED.get(kind)] = kind
        elif literal:
            found.setdefault(LITERAL, Type.TEXT)
    if None in found:
        return
    if LITERAL in found and found.keys() & {"DATE", "DATETIME", "TIMESTAMP", "TIME"}:
        del found[LITERAL]
    elif LITERAL in found:
        found["TEXT"] = found.pop(LITERAL)
    if len(found) > 1 and found.keys() != {"DATE", "DATETIME"}:
        types = ", ".join(map(_name, found.values()))
        raise BigQueryError(
            "invalidQuery",
            f"No matching signature for operator {operator} for argument types: "
            f"{types}",
        )


def _check_part(node: Any) -> None:
    part = node.text("unit").upper()
    if part in PARTS_OF_TIME and _certain(node.this) == Type.DATE:
        name = PARTS_OF_DATES[type(node)]
        raise BigQueryError(
            "invalidQuery",
            f"{name} does not support the {part} date part when the argument is DATE "
            "type",
        )


def _kind(node: Any) -> Any:
    # What local-bigquery makes of WITH OFFSET, with the type of the element.
    offset = isinstance(node, exp.Column) and (node.table, node.name) == ("_u", "_i")
    if offset or not isinstance(node, exp.Expression):
        return None
    return typing.kind(node)


def _name(kind: Any) -> str:
    return str(exp.DataType(this=kind).sql(dialect="bigquery"))


def _family(node: Any) -> frozenset[Any] | None:
    """What its type may become; nothing for NULL, which becomes any type."""
    kind = None if isinstance(node, exp.Null) else _kind(node)
    return next((family for family in FAMILIES if kind in family), None)


def _check_numbers(node: Any) -> None:
    for side in (node.this, node.expression):
        if _kind(side) in (*typing.TEXT, Type.BOOLEAN):
            if _is_date_sum(node):
                continue
            types = ", ".join(_named(s) for s in (node.this, node.expression))
            raise BigQueryError(
                "invalidQuery",
                f"No matching signature for operator {OPERATORS[type(node)]} for "
                f"argument types: {types}",
            )


def _is_date_sum(node: Any) -> bool:
    """Whether it is a date, as text, and days or an interval."""
    for side in (node.this, node.expression):
        date = isinstance(side, exp.Literal) and side.is_string
        if isinstance(side, exp.Parameter) or (date and DATE.match(side.this)):
            return isinstance(node, (exp.Add, exp.Sub))
    return False


def _named(node: Any) -> str:
    kind = _kind(node)
    return _name(kind) if kind else "value"


def _check_bool(node: Any, where: str) -> None:
    kind = _kind(node)
    family = _family(node)
    if family is None or kind == Type.BOOLEAN or isinstance(node, exp.Null):
        return
    raise BigQueryError(
        "invalidQuery", f"{where} should be of type BOOL, but is of type {_name(kind)}"
    )


def _check_common(name: str, values: list[Any]) -> None:
    """Values of which one becomes the result."""
    families = {family for value in values if (family := _family(value))}
    times = {frozenset({kind}) for kind in TIMES}
    texts = [v for v in values if _family(v) == frozenset(typing.TEXT)]
    if families & times and all(isinstance(text, exp.Literal) for text in texts):
        families -= {frozenset(typing.TEXT)}  # a literal becomes a time
    if len(families) > 1:
        types = ", ".join(_name(kind) for v in values if (kind := _kind(v)))
        raise BigQueryError(
            "invalidQuery",
            f"No matching signature for {name} for argument types: {types}",
        )


def _check_columns(node: Any) -> None:
    left, right = (_selected(side) for side in (node.this, node.expression))
    if left is None or right is None or node.args.get("by_name"):
        return
    for at, pair in enumerate(zip(left, right, strict=False), 1):
        kinds = [_kind(value) for value in pair]
        families = {family for value in pair if (family := _family(value))}
        if len(families) > 1 and not any(_is_nothing(value) for value in pair):
            types = ", ".join(map(_name, kinds))
            raise BigQueryError(
                "invalidQuery",
                f"Column {at} in a set operation has incompatible types: {types}",
            )


def _is_nothing(value: Any) -> bool:
    value = value.unalias()
    return isinstance(value, (exp.Null, exp.Literal))


def _selected(node: Any) -> list[Any] | None:
    """The values of a SELECT list without stars, if their order is known."""
    while isinstance(node, (exp.Subquery, exp.Paren)):
        node = node.this
    if not isinstance(node, exp.Select) or node.is_star or node.args.get("kind"):
        return None
    return list(node.expressions)
