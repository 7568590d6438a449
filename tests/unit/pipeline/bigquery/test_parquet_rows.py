"""Rows as Parquet: what is read back is what was written, for every dataset."""

import io
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.parquet import ParquetFile, ParquetWriter

from pipeline.bigquery.parquet_rows import from_parquet, schema_of, table_of
from pipeline.core.batches import columns_of
from pipeline.registry import METADATA_COLUMNS, Column, load_registry
from tests.unit.pipeline.bigquery.rows_fixture import (
    batch_of_body,
    comparable,
    generated_body,
    generated_rows,
    rows_of,
)

REGISTRY = load_registry()
SAMPLES = Path(__file__).parents[4] / "local" / "samples"
TIMES = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z"]
DAYS = ["0001-01-01", "1969-12-31", "9999-12-31"]
# A table of every type and mode.
EVERYTHING = replace(
    REGISTRY["FREQ"],
    columns=(
        Column("text", "STRING"),
        Column("whole", "INT64"),
        Column("number", "FLOAT64"),
        Column("truth", "BOOL"),
        Column("day", "DATE"),
        Column("time", "TIMESTAMP"),
        Column("times", "TIMESTAMP", "REPEATED"),
        Column(
            "inner",
            "RECORD",
            fields=(
                Column("whole", "INT64"),
                Column("time", "TIMESTAMP"),
                Column("days", "DATE", "REPEATED"),
            ),
        ),
        Column("several", "RECORD", "REPEATED", fields=(Column("time", "TIMESTAMP"),)),
    ),
)


def by_column(dataset, rows):
    columns = dataset.columns + METADATA_COLUMNS
    return {one.name: [row.get(one.name) for row in rows] for one in columns}


def through_parquet(dataset, rows):
    """The rows again, after a file of two parts that is read in other ones."""
    written = io.BytesIO()
    with ParquetWriter(written, schema_of(dataset)) as writer:
        for part in (rows[:3], rows[3:]):
            writer.write_table(table_of(dataset, by_column(dataset, part)))
    batches = ParquetFile(written).iter_batches(2)
    return [from_parquet(row) for batch in batches for row in batch.to_pylist()]


def everything_again(*rows):
    """The rows again, without the columns that are empty lists."""
    return [
        {name: value for name, value in row.items() if value != []}
        for row in through_parquet(EVERYTHING, list(rows))
    ]


@pytest.mark.parametrize("name", list(REGISTRY))
def test_rows_of_every_dataset_come_back(name):
    dataset = REGISTRY[name]
    rows = generated_rows(dataset)
    assert through_parquet(dataset, rows) == [comparable(dataset, row) for row in rows]


@pytest.mark.parametrize("name", list(REGISTRY))
def test_the_columns_of_messages_are_those_of_their_rows(name):
    batch = batch_of_body(name, generated_body(REGISTRY[name]))
    rows = list(map(batch.values_of, batch.records)) * 2
    for column, values in columns_of([batch, batch]).items():
        assert list(values) == [row.get(column) for row in rows]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*")), ids=lambda p: p.name)
def test_real_rows_come_back(path):
    dataset = REGISTRY[path.parent.name]
    rows = rows_of(dataset.name, path.read_bytes())
    assert through_parquet(dataset, rows) == [comparable(dataset, row) for row in rows]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("text", ["", "Ærø 電力 \U0001f50c", "a\0b\n"]),
        ("whole", [-(2**63), 0, 2**63 - 1]),
        ("number", [0.1, 5e-324, 1.7976931348623157e308, 2**53, -1]),
        ("truth", [False, True]),
        ("day", DAYS),
        ("time", TIMES),
        ("times", [TIMES]),
        ("inner", [{"days": DAYS}, {"whole": 0, "time": TIMES[0], "days": []}]),
        ("several", [[{"time": TIMES[0]}, {}, {"time": TIMES[2]}]]),
    ],
)
def test_values_at_the_ends_come_back_beside_rows_without(column, values):
    rows = [row for value in values for row in ({column: value}, {})]
    assert everything_again(*rows) == rows


def test_a_missing_record_is_not_one_without_values():
    given = [{"inner": None}, {"inner": {}}, {"inner": {"time": None, "days": None}}]
    empty = {"inner": {"days": []}}
    assert everything_again(*given) == [{}, empty, empty]


def test_a_missing_list_is_an_empty_one():
    [row] = through_parquet(EVERYTHING, [{"times": None}])
    assert row == {"times": [], "several": []}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("whole", 2**63),
        ("number", 2**53 + 1),
        ("text", 1),
        ("time", "2026-05-08T01:02:03.0000001Z"),
        ("day", "2026-02-30"),
    ],
)
def test_what_a_column_cannot_hold_is_an_error_and_not_another_value(column, value):
    with pytest.raises((pa.ArrowException, OverflowError)):
        table_of(EVERYTHING, by_column(EVERYTHING, [{column: value}]))
