"""The identity of a record: equal ids mean identical records.

The id is a 128-bit hash (XXH3) of the dataset's name and the record's canonical JSON:
keys sorted, nulls dropped, and a whole number written without a fraction, as RFC 8785
writes it, because IRIS writes 350 and 350.0 for the same value. It does not depend on
the registry, so a replay after a correction of a column has the same id.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import orjson
import xxhash

from pipeline.core.reasons import Reason
from pipeline.core.values import ValueRefused

_SORTED = orjson.OPT_SORT_KEYS
# From here on a parsed float may be an integer that the fast parser rounded.
_ROUNDED_FROM = 2.0**63


class InexactNumberError(ValueError):
    """A number that the fast parser may have rounded: parse the text exactly."""


def record_id(dataset: str, record: dict[str, Any]) -> str:
    """Returns the id of a record: 32 hexadecimal digits.

    Raises:
        ValueRefused: The record contains NaN, Infinity or text that is not UTF-8.
        RecursionError: It is nested too deeply.
    """
    return hash_of(salt_of(dataset) + canonical_json(record))


def salt_of(dataset: str) -> bytes:
    """The beginning of what is hashed: the same record of two datasets has two ids."""
    return dataset.encode() + b"\n"


# Returns the id of a record: of its dataset's salt with its canonical JSON.
hash_of: Callable[[bytes], str] = xxhash.xxh3_128_hexdigest


def canonical_json(record: dict[str, Any], *, exact: bool = True) -> bytes:
    """The canonical JSON of any record.

    Args:
        record: A parsed JSON object.
        exact: Whether the parser kept every integer exactly; if not, a very large
            float raises.

    Raises:
        InexactNumberError: `exact` is false and a number may have been rounded.
        ValueRefused: The record contains NaN, Infinity or text that is not UTF-8.
    """
    canonical = canonical_form(record, exact)
    try:
        return orjson.dumps(canonical, option=_SORTED)
    except TypeError:
        # Integers beyond 64 bits, half a surrogate pair, or nesting beyond 254 levels:
        # the standard library writes them all.
        return json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()


def canonical_form(value: Any, exact: bool) -> Any:
    """The value whose JSON is canonical, except for the order of keys.

    Raises:
        InexactNumberError: `exact` is false and a number may have been rounded.
        ValueRefused: It contains NaN or Infinity.
    """
    kind = type(value)
    if kind is dict:
        # Most values are texts and integers, and need no call.
        return {
            key: inner
            if type(inner) is str or type(inner) is int
            else canonical_form(inner, exact)
            for key, inner in value.items()
            if inner is not None
        }
    if kind is float:
        return _canonical_float(value, exact)
    if kind is list:
        return [canonical_form(inner, exact) for inner in value]
    return value


def _canonical_float(value: float, exact: bool) -> float:
    if not math.isfinite(value):
        raise ValueRefused(Reason.NOT_FINITE, f"{value} is not a number")
    if not exact and abs(value) >= _ROUNDED_FROM:
        raise InexactNumberError
    return int(value) if value.is_integer() else value
