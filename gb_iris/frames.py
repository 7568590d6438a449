"""Frames: rows in Arrow as the kind of table that the caller works with.

| BigQuery  | Arrow                  | pandas              | polars              |
|-----------|------------------------|---------------------|---------------------|
| STRING    | string                 | string              | String              |
| INT64     | int64                  | Int64               | Int64               |
| FLOAT64   | double                 | float64             | Float64             |
| BOOL      | bool                   | boolean             | Boolean             |
| DATE      | date32                 | date32[pyarrow]     | Date                |
| TIMESTAMP | timestamp[us, UTC]     | datetime64[us, UTC] | Datetime[us, UTC]   |
| NUMERIC   | decimal128(38, 9)      | decimal[pyarrow]    | Decimal(38, 9)      |
| others    | binary, list, struct   | the same [pyarrow]  | Binary, List, Struct|

FLOAT64 is NumPy's in pandas, which all charts know: no value of a table is NaN, so that
NaN means NULL.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
from google.cloud import bigquery

from command.usage import UsageError
from gb_iris.relation import kind

_TYPES = {
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "FLOAT64": pa.float64(),
    "BOOL": pa.bool_(),
    "BYTES": pa.binary(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "NUMERIC": pa.decimal128(38, 9),
}


def arrow(rows: pa.Table, fields: Sequence[bigquery.SchemaField]) -> pa.Table:
    """The rows with the types that their columns have, from any BigQuery."""
    wanted = [
        pa.field(field.name, arrow_type(field) or column.type)
        for field, column in zip(fields, rows.columns, strict=True)
    ]
    return rows.cast(pa.schema(wanted))


def arrow_type(field: bigquery.SchemaField) -> pa.DataType | None:
    """The Arrow type of a column; None where it stays what it is."""
    if field.fields:
        inner = [(each.name, arrow_type(each)) for each in field.fields]
        single = None if any(type_ is None for _, type_ in inner) else pa.struct(inner)
    else:
        single = _TYPES.get(kind(field))
    repeated = field.mode == "REPEATED" and single is not None
    return pa.list_(single) if repeated else single


def as_arrow(rows: pa.Table) -> pa.Table:
    return rows


def as_pandas(rows: pa.Table) -> Any:
    import pandas as pd

    own = {
        pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype("pyarrow"),
        # These have a NULL of their own: NaN, NaT.
        pa.float64(): None,
        pa.timestamp("us", tz="UTC"): None,
        pa.timestamp("us"): None,
    }

    def dtype(type_: pa.DataType) -> Any:
        return own[type_] if type_ in own else pd.ArrowDtype(type_)

    return rows.to_pandas(types_mapper=dtype)


def as_polars(rows: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(rows)


FORMATS = {"pandas": as_pandas, "polars": as_polars, "arrow": as_arrow}


def known_format(name: str) -> str:
    """The name of a format.

    Raises:
        UsageError: It is not one, or its library is not installed.
    """
    if name not in FORMATS:
        raise UsageError(f"format: {name!r} is not pandas, polars or arrow")
    if name != "arrow" and not _is_installed(name):
        raise UsageError(
            f"format: {name} is not installed; `pip install {name}` does it"
        )
    return name


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:  # this process leaves it out
        return False
