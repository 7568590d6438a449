"""Values of rows as JSON."""

import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from local.query import plain

ENDLESS = """
import itertools, sys

from local.query import print_rows
print(print_rows(map(str, itertools.count())) > 1, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 5, 6, 2, 31, tzinfo=UTC), "2026-05-06T02:31:00Z"),
        (datetime(2026, 5, 6, 2, 31, 0, 5000, UTC), "2026-05-06T02:31:00.005000Z"),
        (datetime(2026, 5, 6, 2, 31), "2026-05-06T02:31:00"),  # noqa: DTZ001 - DATETIME
        (date(2026, 5, 6), "2026-05-06"),
        (time(2, 31), "02:31:00"),
        (b"\x00\xff", "AP8="),
        (Decimal("1.50"), "1.50"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (True, True),
        (350.0, 350.0),
        (None, None),
        ({"a": [{"b": date(2026, 5, 6)}]}, {"a": [{"b": "2026-05-06"}]}),
    ],
)
def test_a_value_has_one_json_form(value, expected):
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


def test_rows_end_silently_when_the_reader_has_left():
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.stderr.read() == "True\n"
    assert process.returncode == 0
