"""Rows as protocol buffers: a reader finds what was written, for every dataset."""

import datetime as dt

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from pipeline.bigquery.proto_rows import descriptor_of, serializer_of
from pipeline.registry import METADATA_COLUMNS, load_registry
from tests.unit.pipeline.bigquery.rows_fixture import comparable, generated_rows

REGISTRY = load_registry()
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def read(dataset, data):
    """A row as BigQuery reads it: by the descriptor that is sent, and the columns."""
    pool = DescriptorPool()
    file = FileDescriptorProto(name="read.proto", syntax="proto2")
    file.message_type.add().CopyFrom(descriptor_of(dataset))
    pool.Add(file)
    message = GetMessageClass(pool.FindMessageTypeByName("Row")).FromString(data)
    return values_of(message, dataset.columns + METADATA_COLUMNS)


def values_of(message, columns):
    found = {}
    for column in columns:
        value = getattr(message, column.name)
        if column.mode == "REPEATED":
            found[column.name] = [value_of(inner, column) for inner in value]
        elif message.HasField(column.name):
            found[column.name] = value_of(value, column)
    return found


def value_of(value, column):
    if column.type == "RECORD":
        return values_of(value, column.fields)
    if column.type == "DATE":
        return (EPOCH.date() + dt.timedelta(days=value)).isoformat()
    if column.type == "TIMESTAMP":
        moment = EPOCH + dt.timedelta(microseconds=value)
        return moment.isoformat().removesuffix("+00:00") + "Z"
    return value


@pytest.mark.parametrize("name", list(REGISTRY))
def test_rows_of_every_dataset_come_back(name):
    dataset = REGISTRY[name]
    serialize = serializer_of(dataset)
    for row in generated_rows(dataset):
        before = dict(row)
        assert read(dataset, serialize(row)) == comparable(dataset, row)
        assert row == before


def test_a_missing_value_is_not_a_zero_and_a_zero_is_not_missing():
    dataset = REGISTRY["FREQ"]
    serialize = serializer_of(dataset)
    assert read(dataset, serialize({"frequency": None})) == {}
    assert read(dataset, serialize({"frequency": 0.0})) == {"frequency": 0.0}


def test_an_instant_is_microseconds_and_a_day_is_days():
    fields = {field.name: field for field in descriptor_of(REGISTRY["FUELINST"]).field}
    assert fields["publishTime"].type == FieldDescriptorProto.TYPE_INT64
    assert fields["settlementDate"].type == FieldDescriptorProto.TYPE_INT32


def test_the_descriptor_needs_no_other_for_its_records():
    for dataset in REGISTRY.values():
        descriptor = descriptor_of(dataset)
        nested = {inner.name for inner in descriptor.nested_type}
        asked = {field.type_name for field in descriptor.field if field.type_name}
        assert asked == nested


@pytest.mark.parametrize("wrong", ["ten", {"a": 1}, "\ud800"])
def test_a_value_that_the_column_cannot_hold_is_refused(wrong):
    column = "message_id" if wrong == "\ud800" else "frequency"
    with pytest.raises(ValueError, match=f"^{column}: "):
        serializer_of(REGISTRY["FREQ"])({column: wrong})
