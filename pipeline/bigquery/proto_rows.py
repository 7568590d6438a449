"""Rows as protocol buffers, the form that the Storage Write API accepts.

Dates are days and times are microseconds since 1970
(https://cloud.google.com/bigquery/docs/supported-data-types).
"""

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from pipeline.core.coercion import Row
from pipeline.registry import METADATA_COLUMNS, Column, Dataset

Converter = Callable[[Any], Any]
Conversions = tuple[tuple[str, Converter], ...]

_TYPES = {
    "STRING": FieldDescriptorProto.TYPE_STRING,
    "INT64": FieldDescriptorProto.TYPE_INT64,
    "FLOAT64": FieldDescriptorProto.TYPE_DOUBLE,
    "BOOL": FieldDescriptorProto.TYPE_BOOL,
    "DATE": FieldDescriptorProto.TYPE_INT32,
    "TIMESTAMP": FieldDescriptorProto.TYPE_INT64,
    "RECORD": FieldDescriptorProto.TYPE_MESSAGE,
}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
# A message, and often a backlog, repeats its times.
_CACHED_TIMES = 65_536


@functools.cache
def descriptor_of(dataset: Dataset) -> DescriptorProto:
    """The message type of a dataset's rows, metadata columns included.

    The types of its RECORDs are inside of it, as the API requires.
    """
    return _message("Row", dataset.columns + METADATA_COLUMNS)


def _message(name: str, columns: Iterable[Column]) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for number, column in enumerate(columns, start=1):
        repeated = column.mode == "REPEATED"
        # Without `optional` a missing value would be 0 or "".
        field = message.field.add(
            name=column.name,
            number=number,
            type=_TYPES[column.type],
            label=FieldDescriptorProto.LABEL_REPEATED
            if repeated
            else FieldDescriptorProto.LABEL_OPTIONAL,
        )
        if column.type == "RECORD":
            # The name of a nested type must differ from those of the fields.
            field.type_name = f"{column.name}_record"
            inner = _message(field.type_name, column.fields)
            message.nested_type.add().CopyFrom(inner)
    return message


@functools.cache
def serializer_of(dataset: Dataset) -> Callable[[Row], bytes]:
    """A function that makes a message of a row, which it does not change.

    The row has the values that `insertAll` accepts. The function raises ValueError,
    with the column's name, for a value that the column's type cannot hold.
    """
    file = FileDescriptorProto(name=f"{dataset.table}.proto", syntax="proto2")
    file.message_type.add().CopyFrom(descriptor_of(dataset))
    pool = DescriptorPool()
    pool.Add(file)
    message = GetMessageClass(pool.FindMessageTypeByName("Row"))
    conversions = _conversions(dataset.columns + METADATA_COLUMNS)

    def serialize(row: Row) -> bytes:
        values = _converted(conversions, row)
        try:
            return _bytes(values)
        except (TypeError, ValueError):
            for name, value in values.items():
                _named(name, value)
            raise

    def _bytes(values: Row) -> bytes:
        return bytes(message(**values).SerializeToString())

    def _named(name: str, value: Any) -> None:
        try:
            _bytes({name: value})
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error

    return serialize


def _conversions(columns: Iterable[Column]) -> Conversions:
    """The columns whose values must be converted, and how."""
    found = ((column.name, _conversion(column)) for column in columns)
    return tuple((name, convert) for name, convert in found if convert)


def _conversion(column: Column) -> Converter | None:
    convert = _INSTANT_TYPES.get(column.type)
    if column.type == "RECORD":
        inner = _conversions(column.fields)
        convert = functools.partial(_converted, inner) if inner else None
    if convert and column.mode == "REPEATED":
        return functools.partial(_each, convert)
    return convert


def _converted(conversions: Conversions, row: Row) -> Row:
    changed = dict(row)
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
