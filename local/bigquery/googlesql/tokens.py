"""A token of SQL in an error: what it is, and where."""

import re
from typing import Any

from sqlglot.tokens import TokenType

# The page on lexical structure of BigQuery's documentation, reserved keywords.
RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        ALL AND ANY ARRAY AS ASC ASSERT_ROWS_MODIFIED AT BETWEEN BY CASE CAST COLLATE
        CONTAINS CREATE CROSS CUBE CURRENT DEFAULT DEFINE DESC DISTINCT ELSE END ENUM
        ESCAPE EXCEPT EXCLUDE EXISTS EXTRACT FALSE FETCH FOLLOWING FOR FROM FULL GROUP
        GROUPING GROUPS HASH HAVING IF IGNORE IN INNER INTERSECT INTERVAL INTO IS JOIN
        LATERAL LEFT LIKE LIMIT LOOKUP MERGE NATURAL NEW NO NOT NULL NULLS OF ON OR
        ORDER OUTER OVER PARTITION PRECEDING PROTO QUALIFY RANGE RECURSIVE RESPECT
        RIGHT ROLLUP ROWS SELECT SET SOME STRUCT TABLESAMPLE THEN TO TREAT TRUE
        UNBOUNDED UNION UNNEST USING WHEN WHERE WINDOW WITH WITHIN
        """,
    )
)
LITERALS = {TokenType.STRING: "string literal", TokenType.NUMBER: "integer literal"}


def unexpected(token: Any) -> str:
    """A token as BigQuery names it in an error of syntax."""
    if token.token_type in LITERALS:
        quote = '"' if token.token_type == TokenType.STRING else ""
        kind = LITERALS[token.token_type]
        if not quote and re.search("[.eE]", token.text):
            kind = "floating point literal"
        return f'{kind} "{token.text}"'
    if is_reserved(token):
        return f"keyword {token.text.upper()}"
    if token.text[:1].isalpha() or token.text[:1] == "_":
        return f'identifier "{token.text}"'
    return f'"{token.text}"'


def place_of(token: Any) -> str:
    """Where a token begins, `line:column`, its quotes included."""
    return f"{token.line}:{token.col - (token.end - token.start)}"


def is_reserved(token: Any) -> bool:
    """Whether it is a keyword that cannot be a name."""
    quoted = token.token_type in (TokenType.STRING, TokenType.IDENTIFIER)
    return not quoted and token.text.upper() in RESERVED
