"""Condition: what rows must fulfil, as SQL with parameters for the caller's values."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from google.cloud import bigquery

from command.usage import UsageError
from gb_iris.interval import bound, is_instant
from gb_iris.relation import kind

Parameter = bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter


class Condition(NamedTuple):
    """A condition of a query, and its parameters."""

    sql: str
    parameters: Sequence[Parameter]


def condition(field: bigquery.SchemaField, wanted: Any, name: str) -> Condition:
    """The condition of `where={column: wanted}`.

    Args:
        field: The column.
        wanted: A value, several of which one fits, or None for NULL.
        name: The name of the parameter.

    Raises:
        UsageError: A value does not suit the column.
    """
    if field.mode == "REPEATED" or kind(field) not in _CHECKS:
        raise UsageError(f"where: {field.name} is nested: it cannot be compared")
    if isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes)):
        return _one_of(field, [_value(field, each) for each in wanted], name)
    if (value := _value(field, wanted)) is None:
        return Condition(f"`{field.name}` IS NULL", [])
    parameter = bigquery.ScalarQueryParameter(name, kind(field), value)
    return Condition(f"`{field.name}` = @{name}", [parameter])


def _one_of(field: bigquery.SchemaField, values: list[Any], name: str) -> Condition:
    given = [each for each in values if each is not None]
    text = f"`{field.name}` IN UNNEST(@{name})"
    if len(given) < len(values):
        text = f"({text} OR `{field.name}` IS NULL)"
    parameter = bigquery.ArrayQueryParameter(name, kind(field), given)
    return Condition(text, [parameter])


def _value(field: bigquery.SchemaField, value: Any) -> Any:
    if hasattr(value, "item"):  # of NumPy
        value = value.item()
    if value is None:
        return None
    try:
        return _CHECKS[kind(field)](value)
    except (TypeError, InvalidOperation):
        pass
    except UsageError as error:
        raise UsageError(f"where: {error}") from None
    raise UsageError(f"where: {field.name} is of type {kind(field)}, not {value!r}")


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    """A check of the type: True is not the number 1."""

    def check(value: Any) -> Any:
        if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
            return value
        raise TypeError

    return check


def _day(value: Any) -> dt.date:
    found = bound("a date", value)
    if found is None or is_instant(found):
        raise TypeError
    return found


def _instant(value: Any) -> dt.datetime:
    found = bound("a time", value)
    if not isinstance(found, dt.datetime):
        raise TypeError
    return found


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise TypeError
    return Decimal(value)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "STRING": _exactly(str),
    "INT64": _exactly(int),
    "FLOAT64": _exactly(int, float),
    "BOOL": _exactly(bool),
    "BYTES": _exactly(bytes),
    "DATE": _day,
    "TIMESTAMP": _instant,
    "NUMERIC": _decimal,
    "BIGNUMERIC": _decimal,
}
