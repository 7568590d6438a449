"""Rows as Parquet, the form in which BigQuery loads files: schemas and values.

Of the forms that BigQuery loads, this one holds a table by columns, which pyarrow makes
and writes in C++ (https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet).
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from pipeline.proofs import Row
from pipeline.registry import METADATA_COLUMNS, Column, Dataset

_TYPES: Mapping[str, pa.DataType] = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}


@functools.cache
def schema_of(dataset: Dataset) -> pa.Schema:
    """The schema of a dataset's table, metadata columns included."""
    return pa.schema(_fields(dataset.columns + METADATA_COLUMNS))


def _fields(columns: Iterable[Column]) -> list[pa.Field]:
    return [pa.field(column.name, _type(column)) for column in columns]


def _type(column: Column) -> pa.DataType:
    kind = (
        pa.struct(_fields(column.fields))
        if column.type == "RECORD"
        else _TYPES[column.type]
    )
    return pa.list_(kind) if column.mode == "REPEATED" else kind


def table_of(dataset: Dataset, rows: Sequence[Row]) -> pa.Table:
    """A table of a dataset's rows.

    The rows are typed ones with their metadata, as `insertAll` takes them.
    """
    arrays = _arrays(dataset.columns + METADATA_COLUMNS, rows)
    return pa.Table.from_arrays(arrays, schema=schema_of(dataset))


def _arrays(columns: Iterable[Column], rows: Sequence[Row]) -> list[pa.Array]:
    return [
        _array(column, [row.get(column.name) for row in rows]) for column in columns
    ]


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    if column.mode != "REPEATED":
        return _single(column, values)
    # No list is an empty one, as in BigQuery.
    lists = [value or [] for value in values]
    ends = accumulate(map(len, lists), initial=0)
    items = _single(column, list(chain.from_iterable(lists)))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), items)


def _single(column: Column, values: Sequence[Any]) -> pa.Array:
    """An array of what a column holds, or of what is in the lists that it holds."""
    if column.type == "RECORD":
        # pyarrow's own cast takes a time inside of a null RECORD for an empty text.
        inner = _arrays(column.fields, [value or {} for value in values])
        absent = pa.array([value is None for value in values], pa.bool_())
        fields = _fields(column.fields)
        return pa.StructArray.from_arrays(inner, fields=fields, mask=absent)
    if column.type in ("DATE", "TIMESTAMP"):
        return pa.array(values, pa.string()).cast(_TYPES[column.type])
    return pa.array(values, _TYPES[column.type])


def from_parquet(value: Any) -> Any:
    """A row as a reader gives it back, in the values that `insertAll` takes.

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
