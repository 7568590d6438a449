"""Values of rows as JSON and as texts."""

import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from google.cloud.bigquery import SchemaField

from sql.query.values import converter, decimal_text, interval, plain, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 5, 6, 2, 31, tzinfo=UTC), "2026-05-06T02:31:00Z"),
        (datetime(2026, 5, 6, 2, 31, 0, 5000, UTC), "2026-05-06T02:31:00.005000Z"),
        (datetime(2026, 5, 6, 2, 31), "2026-05-06T02:31:00"),  # noqa: DTZ001 - DATETIME
        (date(2026, 5, 6), "2026-05-06"),
        (time(2, 31), "02:31:00"),
        (b"\x00\xff", "AP8="),
        (Decimal("1.500000000"), "1.5"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (True, True),
        (350.0, 350.0),
        (None, None),
        (
            {"start": date(2026, 5, 6), "end": None},
            {"start": "2026-05-06", "end": None},
        ),
    ],
)
def test_a_value_has_one_json_form(value, expected):
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "0"),
        ("0E-9", "0"),
        ("100", "100"),
        ("100.000000000", "100"),
        ("-0.100000000", "-0.1"),
        ("1E+20", "100000000000000000000"),
    ],
)
def test_a_numeric_has_no_zeros_of_arrow(value, expected):
    assert decimal_text(Decimal(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((0, 1, 0), "0-0 1 0:0:0"),
        ((14, -2, 3_661_500_000_000), "1-2 -2 1:1:1.5"),
        ((-14, 0, -60_000_000_000), "-1-2 0 -0:1:0"),
    ],
)
def test_an_interval_is_written_as_bigquery_does(value, expected):
    assert interval(value) == expected


def test_json_inside_records_is_a_value_and_not_text():
    inner = SchemaField("j", "JSON", mode="REPEATED")
    record = SchemaField("r", "RECORD", mode="REPEATED", fields=[inner])
    assert converter(record)([{"j": ['{"a": 1}', "null"]}]) == [{"j": [{"a": 1}, None]}]


@pytest.mark.parametrize("kind", ["RECORD", "JSON", "INTERVAL", "STRING"])
def test_null_of_every_kind_is_null(kind):
    assert converter(SchemaField("x", kind))(None) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (True, "true"), (49.97, "49.97"), ([1, "£"], '[1, "£"]')],
)
def test_a_cell_is_text(value, expected):
    assert text(value) == expected
