"""Formats of rows, from batches as Arrow has them."""

import io
import json

import pyarrow
import pytest
from google.cloud.bigquery import SchemaField
from pyarrow import parquet

from command.usage import UsageError
from sql.query import formats
from sql.query.formats import FORMATS, Answer, csv_line

SCHEMA = [SchemaField("n", "INTEGER"), SchemaField("text", "STRING")]


def batch(*rows: tuple) -> pyarrow.RecordBatch:
    columns = list(zip(*rows, strict=True))
    arrays = [pyarrow.array(columns[0]), pyarrow.array(columns[1], pyarrow.string())]
    return pyarrow.RecordBatch.from_arrays(arrays, ["n", "text"])


def written(form: str, *batches: pyarrow.RecordBatch) -> tuple[int, bytes]:
    stream = io.BytesIO()
    count = FORMATS[form](Answer(SCHEMA, batches), stream, None)
    return count, stream.getvalue()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("json", '{"n": 1, "text": "£"}\n{"n": 2, "text": null}\n'),
        ("csv", "n,text\n1,£\n2,\n"),
        ("table", "n  text\n-  ----\n1  £\n2  NULL\n"),
    ],
)
def test_rows_of_several_batches_are_one_text(form, expected):
    count, content = written(form, batch((1, "£")), batch((2, None)))
    assert (count, content.decode()) == (2, expected)


def test_parquet_has_the_types_of_the_rows():
    count, content = written("parquet", batch((1, "a")), batch((2, None)))
    table = parquet.read_table(io.BytesIO(content))
    assert count == 2
    assert table.schema.types == [pyarrow.int64(), pyarrow.string()]
    assert table.to_pylist() == [{"n": 1, "text": "a"}, {"n": 2, "text": None}]


def test_parquet_gathers_small_batches_into_groups(monkeypatch):
    monkeypatch.setattr(formats, "GROUP_ROWS", 2)
    _, content = written("parquet", *(batch((n, "a")) for n in range(5)))
    assert parquet.ParquetFile(io.BytesIO(content)).metadata.num_row_groups == 3


@pytest.mark.parametrize("form", FORMATS)
def test_no_rows_are_a_readable_file(form):
    empty = batch((1, "a")).slice(0, 0)
    count, content = written(form, empty)
    expected = {"json": b"", "csv": b"n,text\n", "table": b"n  text\n-  ----\n"}
    assert count == 0
    assert form == "parquet" or content == expected[form]
    if form == "parquet":
        assert parquet.read_table(io.BytesIO(content)).num_rows == 0


def test_parquet_that_breaks_off_is_not_readable(monkeypatch):
    monkeypatch.setattr(formats, "GROUP_ROWS", 1)

    def batches():
        yield batch((1, "a"))
        raise KeyboardInterrupt

    stream = io.BytesIO()
    with pytest.raises(KeyboardInterrupt):
        FORMATS["parquet"](Answer(SCHEMA, batches()), stream, None)
    with pytest.raises(pyarrow.ArrowInvalid):
        parquet.read_table(io.BytesIO(stream.getvalue()))


def test_parquet_refuses_an_interval_with_the_name_of_its_column():
    schema = [SchemaField("waited", "INTERVAL")]
    with pytest.raises(UsageError, match="cast the column waited to STRING"):
        FORMATS["parquet"](Answer(schema, []), io.BytesIO(), None)


def test_nested_values_of_csv_are_json():
    inner = SchemaField("a", "INTEGER")
    schema = [SchemaField("r", "RECORD", mode="REPEATED", fields=[inner])]
    rows = pyarrow.RecordBatch.from_pylist([{"r": [{"a": 1}]}])
    stream = io.BytesIO()
    FORMATS["csv"](Answer(schema, [rows]), stream, None)
    assert json.loads(
        stream.getvalue().decode().splitlines()[1][1:-1].replace('""', '"')
    ) == [{"a": 1}]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([None, ""], ',""\n'),
        ([None], '""\n'),  # an empty line would be no row
        (
            ["a,b", 'say "x"', "two\nlines", " padded"],
            '"a,b","say ""x""","two\nlines"," padded"\n',
        ),
    ],
)
def test_csv_quotes_what_a_reader_would_change(values, line):
    assert csv_line(values) == line
