"""Rows as Avro, the form in which BigQuery loads files: schemas and values.

Dates are days and times are microseconds since 1970, as Avro's logical types have them
(https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro).
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import fastavro

from pipeline.registry import METADATA_COLUMNS, Column, Dataset

Row = dict[str, Any]
Converter = Callable[[Any], Any]

_AVRO_TYPES: dict[str, Any] = {
    "STRING": "string",
    "INT64": "long",
    "FLOAT64": "double",
    "BOOL": "boolean",
    "DATE": {"type": "int", "logicalType": "date"},
    "TIMESTAMP": {"type": "long", "logicalType": "timestamp-micros"},
}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
# A message, and often a backlog, repeats its times.
_CACHED_TIMES = 65_536


def schema_of(dataset: Dataset) -> Any:
    """The parsed Avro schema of a dataset's table, metadata columns included."""
    columns = dataset.columns + METADATA_COLUMNS
    return fastavro.parse_schema(_record(columns, "row"))


def _record(columns: Iterable[Column], name: str) -> dict[str, Any]:
    fields = [_field(column, f"{name}_{column.name}") for column in columns]
    return {"type": "record", "name": name, "fields": fields}


def _field(column: Column, path: str) -> dict[str, Any]:
    kind = (
        _record(column.fields, path)
        if column.type == "RECORD"
        else _AVRO_TYPES[column.type]
    )
    if column.mode == "REPEATED":
        array = {"type": "array", "items": kind}
        return {"name": column.name, "type": array, "default": []}
    return {"name": column.name, "type": ["null", kind], "default": None}


def converter_of(dataset: Dataset) -> Callable[[Row], None]:
    """What puts the values of a dataset's row into Avro's types, in place.

    The row is a typed one with its metadata, as `insertAll` takes it; a RECORD in it is
    replaced and not changed.
    """
    conversions = _conversions(dataset.columns + METADATA_COLUMNS)

    def convert_row(row: Row) -> None:
        for name, convert in conversions:
            value = row.get(name)
            if value is not None:
                row[name] = convert(value)

    return convert_row


def _conversions(columns: Iterable[Column]) -> tuple[tuple[str, Converter], ...]:
    """The columns whose values change, and how."""
    found = ((column.name, _conversion(column)) for column in columns)
    return tuple((name, convert) for name, convert in found if convert)


def _conversion(column: Column) -> Converter | None:
    convert = _INSTANT_TYPES.get(column.type)
    if column.type == "RECORD":
        inner = _conversions(column.fields)
        convert = functools.partial(_inner, inner) if inner else None
    if convert and column.mode == "REPEATED":
        return functools.partial(_each, convert)
    return convert


def _inner(conversions: tuple[tuple[str, Converter], ...], value: Row) -> Row:
    changed = dict(value)
    for name, convert in conversions:
        if changed.get(name) is not None:
            changed[name] = convert(changed[name])
    return changed


def _each(convert: Converter, values: list[Any]) -> list[Any]:
    return [convert(value) for value in values]


@functools.lru_cache(_CACHED_TIMES)
def _micros(text: str) -> int:
    return (dt.datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


@functools.lru_cache(_CACHED_TIMES)
def _days(text: str) -> int:
    return (dt.date.fromisoformat(text) - _EPOCH.date()).days


_INSTANT_TYPES: Mapping[str, Converter] = {"DATE": _days, "TIMESTAMP": _micros}


def from_avro(value: Any) -> Any:
    """A row as a reader gives it back, in the values that `insertAll` takes.

    Columns without a value are left out.
    """
    if isinstance(value, dict):
        present = ((name, inner) for name, inner in value.items() if inner is not None)
        return {name: from_avro(inner) for name, inner in present}
    if isinstance(value, list):
        return [from_avro(inner) for inner in value]
    if isinstance(value, dt.datetime):
        return value.isoformat().removesuffix("+00:00") + "Z"
    if isinstance(value, dt.date):
        return value.isoformat()
    return value
