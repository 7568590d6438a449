"""Literals: numbers as they are written in JSON, where a double would change them.

A double keeps 15 digits of any decimal number. FLOAT64 columns have no more. `extra`
and dead letters are text: they keep each number as it came.
"""

import json
import re
from typing import Any

import orjson

# More than 15 digits with a point or an exponent, or an exponent of three digits. No
# time has these. A text may have them, which costs only time.
_MAY_CHANGE = re.compile(rb"[0-9.]{17}|[0-9]{16}[eE]|[0-9][eE][+-]?[0-9]{3}")
# Longer integers may be beyond 64 bits, which orjson does not write.
_MAX_INTEGER_DIGITS = 18
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS


class Literal(str):
    """A number (or NaN, Infinity) as it is written."""

    __slots__ = ()


def may_change(text: bytes) -> bool:
    """Whether some number of a JSON text may not come back from a double."""
    return _MAY_CHANGE.search(text) is not None


def parsed(text: bytes | str) -> Any:
    """What `json.loads` returns, with a `Literal` for each number that may change.

    Others stay numbers, so that a record is the same beside any other.

    Raises:
        ValueError: The text is not JSON, or not UTF-8.
        RecursionError: It is nested too deeply.
    """
    text = text.decode() if isinstance(text, bytes) else text
    return json.loads(
        text, parse_float=_decimal, parse_int=_integer, parse_constant=Literal
    )


def json_text(value: Any, *, sort_keys: bool = False) -> bytes:
    """The JSON of a parsed value, its literals as they were written.

    Raises:
        TypeError: It has half a surrogate pair, or is nested too deeply for orjson.
    """
    option = _OPTIONS | orjson.OPT_SORT_KEYS if sort_keys else _OPTIONS
    return orjson.dumps(value, default=_written, option=option)


def plain_numbers(value: Any) -> Any:
    """The value with numbers instead of literals, for what orjson cannot write."""
    if type(value) is dict:
        return {name: plain_numbers(inner) for name, inner in value.items()}
    if type(value) is list:
        return [plain_numbers(inner) for inner in value]
    return json.loads(value) if type(value) is Literal else value


def _integer(digits: str) -> int | Literal:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else Literal(digits)


def _decimal(text: str) -> float | Literal:
    return Literal(text) if may_change(text.encode()) else float(text)


def _written(value: Any) -> orjson.Fragment:
    if type(value) is Literal:
        return orjson.Fragment(str(value))
    raise TypeError
