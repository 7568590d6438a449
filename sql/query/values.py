"""Values of rows as JSON values and as texts.

Timestamps are in RFC 3339 and UTC, dates in ISO form, bytes in base64. NUMERIC is text
in JSON, which would round it, and so are floats that are not finite.
"""

import base64
import json
import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from google.cloud.bigquery import SchemaField

FLOAT_NAMES = {math.inf: "Infinity", -math.inf: "-Infinity"}
NULL = "NULL"
NUMBERS = {"INTEGER", "INT64", "FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC"}
_RECORDS = {"RECORD", "STRUCT"}
# Values of these are JSON values as they are: most columns, which saves a call a cell.
_JSON_ALREADY = {"STRING", "INTEGER", "INT64", "BOOLEAN", "BOOL", "GEOGRAPHY"}

Convert = Callable[[Any], Any]


def converter(field: SchemaField) -> Convert:
    """What turns the values of a column, as Arrow returns them, into JSON values."""
    convert = _scalar(field)
    if field.mode == "REPEATED":
        return lambda values: None if values is None else [convert(v) for v in values]
    return convert


def _scalar(field: SchemaField) -> Convert:
    kind = field.field_type.upper()
    if kind in _RECORDS:
        parts = {part.name: converter(part) for part in field.fields}
        return lambda value: (
            value and {name: parts[name](part) for name, part in value.items()}
        )
    if kind == "JSON":
        return lambda value: None if value is None else json.loads(value)
    if kind == "INTERVAL":
        return lambda value: None if value is None else interval(value)
    return plain


def plain(value: Any) -> Any:
    """Turns a value of Python into a JSON value."""
    match value:
        case datetime() if value.tzinfo:
            return value.isoformat().replace("+00:00", "Z")
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case float() if not math.isfinite(value):
            return FLOAT_NAMES.get(value, "NaN")
        case Decimal():
            return decimal_text(value)
        case list():
            return [plain(part) for part in value]
        case dict():  # a RANGE
            return {name: plain(part) for name, part in value.items()}
        case _:
            return value


def decimal_text(value: Decimal) -> str:
    """A NUMERIC as BigQuery writes it, without the zeros that Arrow adds."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def interval(value: Any) -> str:
    """An INTERVAL (months, days, nanoseconds) as BigQuery writes it: `0-1 2 3:4:5`."""
    months, days, nanoseconds = value
    sign = "-" if months < 0 else ""
    years, months = divmod(abs(months), 12)
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    clock = f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}"
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    before = "-" if nanoseconds < 0 else ""
    return f"{sign}{years}-{months} {days} {before}{clock}{fraction}"


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def text(value: Any) -> str | None:
    """A JSON value as the text of one cell; None for NULL."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case _:
            return json_text(value)


def is_number(field: SchemaField) -> bool:
    return field.mode != "REPEATED" and field.field_type.upper() in NUMBERS


def rows(batch: Any, schema: Sequence[SchemaField]) -> list[tuple[Any, ...]]:
    """The rows of an Arrow batch, their values as JSON values."""
    columns = []
    for field, column in zip(schema, batch.columns, strict=True):
        values = column.to_pylist()
        is_plain = field.mode != "REPEATED" and field.field_type in _JSON_ALREADY
        columns.append(values if is_plain else list(map(converter(field), values)))
    return list(zip(*columns, strict=True))
