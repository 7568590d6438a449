"""Filters of Cloud Logging: as much of their language as the alerts use.

`field = "text"` is equality, `field:"text"` says that the field holds the text, in
either case. AND binds tighter than OR, and parentheses group
(https://cloud.google.com/logging/docs/view/logging-query-language).
"""

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r'\s*(\(|\)|AND\b|OR\b|([\w.]+)\s*(=|:)\s*"((?:[^"\\]|\\.)*)")')


def matches(text: str, entry: Mapping[str, Any]) -> bool:
    """Whether an entry of the log is one that a filter finds."""
    tokens = list(_tokens(text))
    found = _any(tokens, entry)
    assert not tokens, f"{text}: left over: {tokens}"
    return found


def _tokens(text: str) -> Any:
    end = 0
    while end < len(text.rstrip()):
        token = _TOKEN.match(text, end)
        assert token, f"{text}: not understood from {text[end:]!r}"
        end = token.end()
        yield token.groups() if token[2] else token[1]


def _any(tokens: list[Any], entry: Mapping[str, Any]) -> bool:
    found = _all(tokens, entry)
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        found = _all(tokens, entry) or found
    return found


def _all(tokens: list[Any], entry: Mapping[str, Any]) -> bool:
    found = _one(tokens, entry)
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        found = _one(tokens, entry) and found
    return found


def _one(tokens: list[Any], entry: Mapping[str, Any]) -> bool:
    token = tokens.pop(0)
    if token == "(":
        found = _any(tokens, entry)
        assert tokens.pop(0) == ")"
        return found
    _, path, operator, wanted = token
    value: Any = entry
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if not isinstance(value, str):
        return False
    is_equal = value.lower() == wanted.lower()
    return is_equal if operator == "=" else wanted.lower() in value.lower()
