"""Syntax that BigQuery refuses, and that the parser of local-bigquery lets pass.

It reads many dialects: `x::INT64`, `"table"` as a name, `a,, b`, statements of DuckDB.
Functions and types are marked here with the name in the SQL, and `refusals` looks at
it: the parser gives `now()` and `CURRENT_TIMESTAMP()` the same node.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from local_bigquery.errors import BigQueryError, position
from local_bigquery.sql.dialect import BigQueryDialect
from sqlglot.tokens import TokenType

from local.bigquery.googlesql.functions import PARTS, STATEMENTS
from local.bigquery.googlesql.tokens import is_reserved, place_of, unexpected

PARSER = BigQueryDialect.Parser
# Where the name in the SQL is kept.
CALLED, WRITTEN = "called", "written"
NOT_IN_GOOGLESQL = {
    *(TokenType.DCOLON, TokenType.MOD, TokenType.L_BRACE, TokenType.R_BRACE),
    *(TokenType.ARROW, TokenType.DARROW, TokenType.HASH_ARROW, TokenType.COLON_EQ),
    TokenType.DHASH_ARROW,
}
OPEN, CLOSE = {TokenType.L_PAREN}, {TokenType.R_PAREN}
parse, parse_alias = PARSER.parse, PARSER._parse_alias
parse_function_call, parse_types = PARSER._parse_function_call, PARSER._parse_types


def refuse(token: Any, text: str | None = None) -> BigQueryError:
    """An error of syntax that names a token."""
    found = text or unexpected(token)
    return BigQueryError(
        "invalidQuery",
        f"Syntax error: Unexpected {found} at [{place_of(token)}]",
    )


def _parse(parser: Any, tokens: Sequence[Any], sql: str) -> Any:
    """Looks at the tokens before they are parsed."""
    tokens = list(tokens)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type in NOT_IN_GOOGLESQL or token.text == "==":
            raise refuse(token, f'"{token.text}"')
        if token.token_type == TokenType.STAR and _is(following, "EXCLUDE"):
            raise refuse(following)
        if token.token_type == TokenType.VAR and "$" in token.text:
            raise refuse(token, '"$"')
    _check_intervals(tokens)
    for statement in _statements(tokens):
        _check_statement(statement)
    return parse(parser, tokens, sql)


def _is(token: Any, *words: str) -> bool:
    """Whether it is one of the words, without quotes."""
    quoted = (TokenType.STRING, TokenType.IDENTIFIER)
    return (
        token is not None
        and token.token_type not in quoted
        and token.text.upper() in words
    )


def _statements(tokens: list[Any]) -> Iterator[list[Any]]:
    statement: list[Any] = []
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            yield statement
            statement = []
        else:
            statement.append(token)
    yield statement


def _check_statement(tokens: list[Any]) -> None:
    if not tokens:
        return
    first, second = tokens[0], tokens[1] if len(tokens) > 1 else None
    label = second is not None and second.text == ":"
    if not (_is(first, *STATEMENTS) or label):
        raise refuse(first)
    if _is(first, "LOAD") and not _is(second, "DATA"):
        raise refuse(second or first)
    for at, token in enumerate(tokens):
        begins = at == 0 or tokens[at - 1].token_type in OPEN
        if begins and _is(token, "FROM"):
            _check_from_first(tokens[at:])


def _check_from_first(tokens: list[Any]) -> None:
    """A query that begins with FROM has steps, and no SELECT without `|>`."""
    depth, before = 0, tokens[0]
    for token in tokens:
        depth += (token.token_type in OPEN) - (token.token_type in CLOSE)
        if depth < 0:
            return
        if not depth and _is(token, "SELECT") and before.text != "|>":
            raise refuse(token)
        before = token


def _check_intervals(tokens: list[Any]) -> None:
    """`INTERVAL '1 hour'` and `INTERVAL 1 hours` are not GoogleSQL."""
    for at, token in enumerate(tokens[:-1]):
        if not _is(token, "INTERVAL"):
            continue
        value, unit = tokens[at + 1], tokens[at + 2] if at + 2 < len(tokens) else None
        if value.token_type == TokenType.STRING:
            span = at + 3 < len(tokens) and _is(tokens[at + 3], "TO")
            if not (_is(unit, *PARTS) and span):
                raise refuse(value)
        elif (
            value.token_type == TokenType.NUMBER
            and unit
            and unit.token_type == TokenType.VAR  # and not an operator
            and not _is(unit, *PARTS)
        ):
            raise BigQueryError(
                "invalidQuery",
                f"A valid date part name is required but found {unit.text} "
                f"at [{place_of(unit)}]",
            )


def _parse_csv(parser: Any, read: Any, sep: Any = TokenType.COMMA) -> list[Any]:
    """A list; nothing between two commas is an error, and not a shorter list."""
    items = [read()]
    while parser._match(sep):
        if items[-1] is None:
            parser.raise_error("nothing before a comma", parser._prev)
        items.append(read())
    return [item for item in items if item is not None]


def _parse_alias(parser: Any, this: Any, explicit: bool = False) -> Any:
    token, following = parser._curr, parser._next
    if token and token.token_type == TokenType.ALIAS and following:
        wrong = following.token_type in (TokenType.STRING, TokenType.NUMBER)
        if wrong or is_reserved(following):
            parser.raise_error("not a name", following)
    return parse_alias(parser, this, explicit)


def _parse_function_call(parser: Any, *options: Any, **more: Any) -> Any:
    """A call, marked with the name of its function if no path is before it."""
    token, before, following = parser._curr, parser._prev, parser._next
    path = before.token_type == TokenType.DOT if before else False
    safe = path and parser._tokens[parser._index - 2].text.upper() == "SAFE"
    node = parse_function_call(parser, *options, **more)
    called = following and following.token_type == TokenType.L_PAREN
    if node is not None and called and (safe or not path):
        node.meta[CALLED] = (token.text, position(token))
    return node


def _parse_types(parser: Any, *options: Any, **more: Any) -> Any:
    """A type, marked with its name."""
    token = parser._curr
    kind = parse_types(parser, *options, **more)
    if kind is not None and token and WRITTEN not in kind.meta:
        kind.meta[WRITTEN] = (token.text, position(token))
    return kind


def install() -> None:
    PARSER.parse, PARSER._parse_csv = _parse, _parse_csv
    PARSER._parse_alias, PARSER._parse_types = _parse_alias, _parse_types
    PARSER._parse_function_call = _parse_function_call
    # A text is not a name.
    PARSER._parse_string_as_identifier = lambda _: None
