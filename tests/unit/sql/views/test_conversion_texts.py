"""Text as BigQuery's casts take it; the local BigQuery takes more than that."""

import re

import pytest

from pipeline.registry import Column
from sql.views.conversions import converted


def cast_text(text: str, wanted: str) -> str:
    """What is left of a text for the cast."""
    sql = converted("x", Column("x", "STRING"), Column("y", wanted))
    pattern, replacement = re.search(
        r"REGEXP_REPLACE\(x, r'(.*?)', r?'(.*?)'\)", sql
    ).groups()
    return re.sub(pattern, replacement, text)


@pytest.mark.parametrize(
    ("text", "cast"),
    [
        ("2022-07-01T01:34:00.0000000+00:00", "2022-07-01T01:34:00.000000+00:00"),
        ("2022-07-01T01:34:00.1234560Z", "2022-07-01T01:34:00.123456Z"),
        # Finer than a microsecond: refused by the cast, and not cut off.
        ("2022-07-01T01:34:00.1234567Z", "2022-07-01T01:34:00.1234567Z"),
        ("2022-07-01T01:34:00.000Z", "2022-07-01T01:34:00.000Z"),
        ("2022-07-01 01:34:00", "2022-07-01 01:34:00"),
    ],
)
def test_a_time_has_six_decimals_at_most_and_loses_only_zeros(text, cast):
    assert cast_text(text, "TIMESTAMP") == cast


@pytest.mark.parametrize(
    ("text", "cast"),
    [
        ("2025-10-26", "2025-10-26"),
        ("2025-10-26T00:00:00", "2025-10-26"),
        ("2025-10-26 00:00", "2025-10-26"),
        ("2025-10-26 00:00:00.000000", "2025-10-26"),
        ("2025-10-26T00:00:00.000Z", "2025-10-26"),
        ("2025-10-26T00:00:00+00:00", "2025-10-26"),
        # Not a midnight: refused by the cast.
        ("2025-10-26T01:00:00Z", "2025-10-26T01:00:00Z"),
        ("2025-10-26T00:00:00+01:00", "2025-10-26T00:00:00+01:00"),
    ],
)
def test_a_date_is_a_date_or_a_midnight(text, cast):
    assert cast_text(text, "DATE") == cast
