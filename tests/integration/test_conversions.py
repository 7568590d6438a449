"""Values of other programs' tables as the registry's types, worked out by hand."""

from datetime import UTC, date, datetime

import pytest

from pipeline.registry import Column
from sql.views.conversions import converted, keeps_order, with_extra

pytestmark = pytest.mark.integration


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


AT = utc(2022, 7, 1, 1, 34)
DAY = date(2025, 10, 26)
# The found type, the value in SQL, the wanted type, and what it is to be.
CASES = [
    ("STRING", "'2022-07-01T01:34:00Z'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01T01:34:00.000Z'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01T01:34:00.0000000+00:00'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01T01:34:00'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01 01:34:00'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01T02:34:00+01:00'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01 02:34:00 BST'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01T02:34:00BST'", "TIMESTAMP", AT),
    ("STRING", "'2022-07-01'", "TIMESTAMP", utc(2022, 7, 1)),
    ("STRING", "'soon'", "TIMESTAMP", None),
    ("STRING", "''", "TIMESTAMP", None),
    ("STRING", "CAST(NULL AS STRING)", "TIMESTAMP", None),
    ("DATETIME", "DATETIME '2022-07-01 01:34:00'", "TIMESTAMP", AT),
    ("DATE", "DATE '2022-07-01'", "TIMESTAMP", utc(2022, 7, 1)),
    ("STRING", "'2025-10-26'", "DATE", DAY),
    ("STRING", "'2025-10-26T00:00:00'", "DATE", DAY),
    ("STRING", "'2025-10-26 00:00:00'", "DATE", DAY),
    ("STRING", "'2025-10-26T00:00:00.000Z'", "DATE", DAY),
    ("STRING", "'26/10/2025'", "DATE", None),
    ("DATETIME", "DATETIME '2025-10-26 00:00:00'", "DATE", DAY),
    ("TIMESTAMP", "TIMESTAMP '2025-10-26 00:00:00+00'", "DATE", DAY),
    ("STRING", "'12'", "INT64", 12),
    ("STRING", "'-12.0'", "INT64", -12),
    ("STRING", "'12.5'", "INT64", None),
    ("STRING", "'99999999999999999999'", "INT64", None),
    ("FLOAT64", "12.0", "INT64", 12),
    ("FLOAT64", "12.5", "INT64", None),
    ("FLOAT64", "CAST('NaN' AS FLOAT64)", "INT64", None),
    ("NUMERIC", "NUMERIC '12'", "INT64", 12),
    ("STRING", "'-0.25'", "FLOAT64", -0.25),
    ("STRING", "'nan'", "FLOAT64", None),
    ("INT64", "7", "FLOAT64", 7.0),
    ("STRING", "'True'", "BOOL", True),
    ("STRING", "'false'", "BOOL", False),
    ("STRING", "'F'", "BOOL", False),
    ("STRING", "'1.0'", "BOOL", True),
    ("STRING", "'maybe'", "BOOL", None),
    ("INT64", "0", "BOOL", False),
    ("INT64", "2", "BOOL", None),
    ("FLOAT64", "1.0", "BOOL", True),
    ("INT64", "7", "STRING", "7"),
    ("BOOL", "TRUE", "STRING", "true"),
]
PROFILE = Column(
    "profile",
    "RECORD",
    "REPEATED",
    fields=(
        Column("startTime", "TIMESTAMP"),
        Column("capacity", "FLOAT64"),
        Column("reasons", "STRING", "REPEATED"),
    ),
)
TEXT = Column("x", "STRING")
JSON = (
    """'[{"capacity": 2, "startTime": "2022-07-01T01:34:00Z", "reasons": ["a", "b"]}"""
    """, {"capacity": "1.5"}]'"""
)


def selected(client, expression: str, source: str) -> object:
    [row] = client.query_and_wait(f"SELECT {expression} AS y FROM (SELECT {source})")
    return row.y


def test_values_are_converted_without_loss_or_are_null(client):
    """All at once: a statement each would take a minute."""
    expressions = []
    for number, (kind, value, wanted, _) in enumerate(CASES):
        expression = converted("x", Column("x", kind), Column("y", wanted))
        expressions.append(
            f"(SELECT {expression} FROM (SELECT {value} AS x)) AS y{number}"
        )
    [row] = client.query_and_wait(f"SELECT {', '.join(expressions)}")
    found = dict(zip(CASES, row.values(), strict=True))
    assert found == {case: case[-1] for case in CASES}


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("FLOAT64", "STRING"),
        ("TIMESTAMP", "STRING"),
        ("DATE", "INT64"),
        ("BOOL", "DATE"),
    ],
)
def test_what_has_no_lossless_form_is_not_guessed(kind, wanted):
    assert converted("x", Column("x", kind), Column("y", wanted)) is None


def test_json_text_becomes_records_in_their_order(client):
    expression = converted("x", TEXT, PROFILE)
    assert selected(client, expression, f"{JSON} AS x") == [
        {"startTime": AT, "capacity": 2.0, "reasons": ["a", "b"]},
        {"startTime": None, "capacity": 1.5, "reasons": []},
    ]
    for nothing in ("'no json'", "'{}'", "CAST(NULL AS STRING)"):
        assert selected(client, expression, f"{nothing} AS x") == []


def test_records_are_converted_field_by_field(client):
    found = Column(
        "x",
        "RECORD",
        "REPEATED",
        fields=(Column("capacity", "INT64"), Column("STARTTIME", "STRING")),
    )
    value = "[STRUCT(2 AS capacity, '2022-07-01T01:34:00Z' AS STARTTIME)] AS x"
    assert selected(client, converted("x", found, PROFILE), value) == [
        {"startTime": AT, "capacity": 2.0, "reasons": []}
    ]
    one = Column("y", "RECORD", fields=PROFILE.fields[:2])
    single = Column("x", "RECORD", fields=found.fields)
    value = "STRUCT(2 AS capacity, '2022-07-01' AS STARTTIME) AS x"
    assert selected(client, converted("x", single, one), value) == {
        "startTime": utc(2022, 7, 1),
        "capacity": 2.0,
    }
    assert converted("x", single, PROFILE) is None


def test_a_column_falls_back_to_extra(client):
    extra = """'{"mw": 12.5, "tags": ["a"], "on": true}' AS extra"""
    for column, empty, expected in (
        (Column("mw", "FLOAT64"), "CAST(NULL AS FLOAT64)", 12.5),
        (Column("on", "BOOL"), "CAST(NULL AS BOOL)", True),
        (Column("tags", "STRING", "REPEATED"), "CAST([] AS ARRAY<STRING>)", ["a"]),
        (Column("no", "INT64"), "CAST(NULL AS INT64)", None),
        (Column("mw", "FLOAT64"), "1.0", 1.0),
        (Column("tags", "STRING", "REPEATED"), "['b']", ["b"]),
    ):
        source = f"{empty} AS `{column.name}`, {extra}"
        assert selected(client, with_extra(column), source) == expected


def test_days_and_times_prune_and_text_does_not():
    day = Column("settlementDate", "DATE")
    assert keeps_order(Column("settlementDate", "DATETIME"), day)
    assert not keeps_order(Column("settlementDate", "STRING"), day)
