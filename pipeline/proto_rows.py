"""Rows as protocol buffers, the form that the Storage Write API takes.

Dates are days and times are microseconds since 1970, as in Avro
(https://cloud.google.com/bigquery/docs/supported-data-types).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from pipeline.avro_rows import Row, converter_of
from pipeline.registry import METADATA_COLUMNS, Column, Dataset

_TYPES = {
    "STRING": FieldDescriptorProto.TYPE_STRING,
    "INT64": FieldDescriptorProto.TYPE_INT64,
    "FLOAT64": FieldDescriptorProto.TYPE_DOUBLE,
    "BOOL": FieldDescriptorProto.TYPE_BOOL,
    "DATE": FieldDescriptorProto.TYPE_INT32,
    "TIMESTAMP": FieldDescriptorProto.TYPE_INT64,
    "RECORD": FieldDescriptorProto.TYPE_MESSAGE,
}


@functools.cache
def descriptor_of(dataset: Dataset) -> DescriptorProto:
    """The message type of a dataset's rows, metadata columns included.

    It holds the types of its RECORDs, as the API wants it: one that needs no other.
    """
    return _message("Row", dataset.columns + METADATA_COLUMNS)


def _message(name: str, columns: Iterable[Column]) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for number, column in enumerate(columns, start=1):
        repeated = column.mode == "REPEATED"
        # Without `optional`, proto2's as well, a missing value would be 0 or "".
        field = message.field.add(
            name=column.name,
            number=number,
            type=_TYPES[column.type],
            label=FieldDescriptorProto.LABEL_REPEATED
            if repeated
            else FieldDescriptorProto.LABEL_OPTIONAL,
        )
        if column.type == "RECORD":
            # A nested type has a name of its own beside the fields.
            field.type_name = f"{column.name}_record"
            inner = _message(field.type_name, column.fields)
            message.nested_type.add().CopyFrom(inner)
    return message


@functools.cache
def serializer_of(dataset: Dataset) -> Callable[[Row], bytes]:
    """What makes a message of a row, as `insertAll` takes it; the row is not changed.

    What it returns raises ValueError, with the column's name, for a value that the
    column's type cannot hold.
    """
    file = FileDescriptorProto(name=f"{dataset.table}.proto", syntax="proto2")
    file.message_type.add().CopyFrom(descriptor_of(dataset))
    pool = DescriptorPool()
    pool.Add(file)
    message = GetMessageClass(pool.FindMessageTypeByName("Row"))
    convert = converter_of(dataset)

    def serialize(row: Row) -> bytes:
        values = dict(row)
        convert(values)
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
