"""Operators: how `~ & ^ |` and shifts bind, and `DIV(a + b, c)` with its brackets."""

from typing import Any

from local_bigquery.sql.dialect import BigQueryDialect
from sqlglot import exp
from sqlglot.tokens import TokenType

# The last one binds most tightly.
BITWISE_LEVELS = [
    (TokenType.PIPE, exp.BitwiseOr),
    (TokenType.CARET, exp.BitwiseXor),
    (TokenType.AMP, exp.BitwiseAnd),
]
parse_bitwise = BigQueryDialect.Parser._parse_bitwise


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


def install() -> None:
    parser = BigQueryDialect.Parser
    parser.FUNCTIONS["DIV"] = _div
    parser.UNARY_PARSERS = {**parser.UNARY_PARSERS, TokenType.TILDE: _complement}
    parser.BITWISE, parser._parse_bitwise = {}, _parse_bitwise
