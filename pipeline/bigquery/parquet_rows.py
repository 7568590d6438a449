"""Rows as Parquet, the form in which BigQuery loads files: schemas and values.

Of the forms that BigQuery loads, this one stores a table by columns; pyarrow makes and
writes them in C++ (https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet).
"""

import datetime as dt
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.registry import METADATA_COLUMNS, Column, Dataset

_Types = Mapping[str, pa.DataType]
_TYPES: _Types = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}
# The same, with times as the texts that rows hold.
_TEXT_TYPES: _Types = {**_TYPES, "DATE": pa.string(), "TIMESTAMP": pa.string()}


@functools.cache
def schema_of(dataset: Dataset) -> pa.Schema:
    """The schema of a dataset's table, metadata columns included."""
    return pa.schema(_fields(dataset.columns + METADATA_COLUMNS, _TYPES))


def _fields(columns: Iterable[Column], types: _Types) -> list[pa.Field]:
    return [pa.field(column.name, _type(column, types)) for column in columns]


def _type(column: Column, types: _Types) -> pa.DataType:
    kind = (
        pa.struct(_fields(column.fields, types))
        if column.type == "RECORD"
        else types[column.type]
    )
    return pa.list_(kind) if column.mode == "REPEATED" else kind


def table_of(dataset: Dataset, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """A table of a dataset's rows.

    Args:
        columns: The values of all columns, as rows hold them; metadata is among them.
    """
    arrays = [
        _typed(column, pa.array(columns[column.name], _type(column, _TEXT_TYPES)))
        for column in dataset.columns + METADATA_COLUMNS
    ]
    return pa.Table.from_arrays(arrays, schema=schema_of(dataset))


def _typed_fields(columns: Iterable[Column], texts: pa.StructArray) -> list[pa.Array]:
    # `flatten` makes the fields of a RECORD that is null null, too; they were "".
    return list(map(_typed, columns, texts.flatten()))


def _typed(column: Column, texts: pa.Array) -> pa.Array:
    """The array of a column, from one with its times as texts."""
    if column.mode == "REPEATED":
        # A null becomes an empty list, as in BigQuery.
        items = _typed_items(column, texts.values)
        return pa.ListArray.from_arrays(texts.offsets, items)
    return _typed_items(column, texts)


def _typed_items(column: Column, texts: pa.Array) -> pa.Array:
    """The array of a column, or of the elements of its lists."""
    if column.type == "RECORD":
        return pa.StructArray.from_arrays(
            _typed_fields(column.fields, texts),
            fields=_fields(column.fields, _TYPES),
            mask=texts.is_null(),
        )
    if column.type in ("DATE", "TIMESTAMP"):
        return texts.cast(_TYPES[column.type])
    return texts


def from_parquet(value: Any) -> Any:
    """A row that was read from a file, as the values that `insertAll` accepts.

    Columns without a value are left out.
    """
    if isinstance(value, dict):
        present = ((name, inner) for name, inner in value.items() if inner is not None)
        return {name: from_parquet(inner) for name, inner in present}
    if isinstance(value, list):
        return [from_parquet(inner) for inner in value]
    if isinstance(value, dt.datetime):
        return value.isoformat().removesuffix("+00:00") + "Z"
    if isinstance(value, dt.date):
        return value.isoformat()
    return value
