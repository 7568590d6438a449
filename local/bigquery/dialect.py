"""GoogleSQL in the local BigQuery, where DuckDB silently gives another answer.

local-bigquery 0.4.0 translates a statement with sqlglot, rule by rule. These rules run
before and after its own, for:

- a name in GROUP BY that both the SELECT list and a table have: it means the list's;
- the precedence of `~ & ^ |` and shifts;
- `DIV(a + b, c)`, which becomes an operator without brackets, `a + b // c`;
- the cast of text that is not an INT64 or BOOL, and of a quotient to INT64;
- DATE functions of a TIMESTAMP or DATETIME, the hours between two times, the
  milliseconds of a second, and a local time that occurs twice on one day;
- the last days of months in an array of dates;
- commas between thousands, and substrings from position 0.
"""

import re
from collections.abc import Iterator
from typing import Any

from local_bigquery.sql import (  # type: ignore[import-not-found]  # in .venv-bigquery
    translate,
)
from local_bigquery.sql.dialect import (  # type: ignore[import-not-found]  # in .venv-bigquery
    BigQueryDialect,
)
from local_bigquery.sql.rules import (  # type: ignore[import-not-found]  # in .venv-bigquery
    datetime,
    typing,
)
from sqlglot import exp  # type: ignore[import-not-found]  # in .venv-bigquery
from sqlglot.tokens import (  # type: ignore[import-not-found]  # in .venv-bigquery
    TokenType,
)

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
CREATE MACRO bq.main._is_int64(t) AS typeof(t) <> 'VARCHAR' OR
    regexp_full_match(CAST(t AS VARCHAR), '\s*[+-]?([0-9]+|0[xX][0-9a-fA-F]+)\s*');
CREATE MACRO bq.main._is_bool(t) AS typeof(t) <> 'VARCHAR' OR
    lower(CAST(t AS VARCHAR)) IN ('true', 'false');
"""

# The last one binds most tightly.
BITWISE_LEVELS = [
    (TokenType.PIPE, exp.BitwiseOr),
    (TokenType.CARET, exp.BitwiseXor),
    (TokenType.AMP, exp.BitwiseAnd),
]
GROUPINGS = exp.Tuple, exp.Paren, exp.Rollup, exp.Cube, exp.GroupingSets
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
# Some functions return text whose type is not known.
UNCHECKED = {*typing.TEXT, exp.DataType.Type.UNKNOWN, None}
CHECKS = {
    exp.DataType.Type.BIGINT: ("_is_int64", "int64"),
    exp.DataType.Type.BOOLEAN: ("_is_bool", "bool"),
}

parse_bitwise = BigQueryDialect.Parser._parse_bitwise
from_local, extract = datetime.from_local, datetime._extract


def _div(arguments: list[Any]) -> Any:
    """`DIV` as an operator, with its sides and itself in brackets."""
    dividend, divisor = (exp.Paren(this=each) for each in arguments)
    return exp.Paren(this=exp.IntDiv(this=dividend, expression=divisor))


def _complement(parser: Any) -> Any:
    """`~` of its value alone; DuckDB would include a sum or product that follows."""
    value = exp.Paren(this=parser._parse_unary())
    return exp.Paren(this=exp.BitwiseNot(this=value))


def _parse_bitwise(parser: Any, level: int = 0) -> Any:
    """An expression of `|`, `^`, `&` and shifts, each binding tighter than the last."""
    if level == len(BITWISE_LEVELS):
        return parse_bitwise(parser)
    value = _parse_bitwise(parser, level + 1)
    token, operator = BITWISE_LEVELS[level]
    while parser._match(token):
        right = _parse_bitwise(parser, level + 1)
        value = exp.Paren(this=operator(this=value, expression=right))
    return value


def _group_by_aliases(tree: Any, _: object) -> Any:
    """Names in GROUP BY as positions: the SELECT list comes before the table."""
    for group in list(tree.find_all(exp.Group)):
        select = group.parent
        listed = {
            item.alias.casefold(): (position, item.this)
            for position, item in enumerate(select.expressions, 1)
            if isinstance(item, exp.Alias)
        }
        # Positions do not fit an array of structs (one column) or a star (many).
        in_order = not (select.args.get("kind") or select.is_star)
        for key in list(_grouped_names(group)):
            if found := listed.get(key.name.casefold()):
                position = exp.Literal.number(found[0])
                key.replace(position if in_order else found[1].copy())
        if having := select.args.get("having"):
            for name in list(_own_names(having)):
                if found := listed.get(name.name.casefold()):
                    name.replace(exp.Paren(this=found[1].copy()))
    return tree


def _own_names(having: Any) -> Iterator[Any]:
    """Names of a HAVING that are not inside an aggregate or a query."""
    for name in having.find_all(exp.Column):
        around = name.find_ancestor(exp.AggFunc, exp.Query, exp.Having)
        if around is having and not name.table:
            yield name


def _grouped_names(node: Any) -> Iterator[Any]:
    for item in node.iter_expressions():
        if isinstance(item, exp.Column) and not item.table:
            yield item
        elif isinstance(item, GROUPINGS):
            yield from _grouped_names(item)


def _times(tree: Any, context: Any) -> Any:
    """Makes the types of times, and local times, explicit for DuckDB."""
    if tree.find(*DATE_FUNCTIONS, exp.Sub):
        typing.annotate(tree, context)
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
        zone = node.args.get("zone")
        if zone and not isinstance(node.parent, exp.SafeFunc):
            local = exp.cast(node.this, "TIMESTAMP")
            node.replace(exp.cast(_from_local(local, zone), "TIMESTAMPTZ"))
    return tree


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


def _thousands(node: Any, _: object) -> Any:
    """`FORMAT` with DuckDB's flag for commas between thousands."""
    template = node.this if isinstance(node, exp.Format) else None
    if isinstance(template, exp.Literal):
        flags = re.sub(r"%([-+ #0]*)'", r"%\1,", template.this)
        template.replace(exp.Literal.string(flags))
    return node


def _from_first(node: Any, _: object) -> Any:
    """`SUBSTR(text, 0, n)`, which BigQuery treats as from 1."""
    start = node.args.get("start") if isinstance(node, exp.Substring) else None
    if isinstance(start, exp.Literal) and start.name == "0":
        start.replace(exp.convert(1))
    return node


def _quotient_to_int64(node: Any, _: object) -> Any:
    """The cast of a quotient, whose type is lost; DuckDB would round 2.5 down."""
    if isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.BIGINT:
        value = node.this
        while isinstance(value, (exp.Paren, exp.Case)):  # the case is for 0
            inner = "this" if isinstance(value, exp.Paren) else "default"
            value = value.args.get(inner)
        if isinstance(value, exp.Div):
            node.set("this", exp.func("round", node.this))
    return node


def _text_to_value(node: Any, _: object) -> Any:
    """A cast of text; DuckDB would round '12.5' to INT64, and accept 'yes' as TRUE."""
    check = CHECKS.get(node.to.this) if isinstance(node, exp.Cast) else None
    if check is None or typing.kind(node.this) not in UNCHECKED:
        return node
    name, label = check
    text = node.this.copy()
    wrong = exp.Not(this=datetime.macro(name, text))
    refusal = exp.DPipe(this=exp.convert(f"Bad {label} value: "), expression=text)
    instead = (
        exp.null() if isinstance(node, exp.TryCast) else exp.func("_raise", refusal)
    )
    return exp.Case(ifs=[exp.If(this=wrong, true=instead)], default=node)


def install() -> None:
    """Adds the rules, which use the macros of `MACROS_SQL`."""
    parser = BigQueryDialect.Parser
    parser.FUNCTIONS["DIV"] = _div
    parser.UNARY_PARSERS = {**parser.UNARY_PARSERS, TokenType.TILDE: _complement}
    parser.BITWISE, parser._parse_bitwise = {}, _parse_bitwise
    datetime.from_local, datetime._extract = _from_local, _extract
    rules = translate.STATEMENT_RULES
    rules.insert(0, _group_by_aliases)
    rules.insert(rules.index(datetime.datetime), _times)
    translate.NODE_RULES[:0] = [_thousands, _from_first]
    translate.NODE_RULES += [_quotient_to_int64, _text_to_value]
