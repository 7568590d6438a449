"""What the user reads of BigQuery's errors."""

import pytest
from google.api_core.exceptions import BadRequest, from_http_status

from sql.query.mistakes import message_of, near_names

TABLES = [
    f"bmrs_{name}_{kind}"
    for name in ("freq", "fuelhh", "fuelinst", "mels", "mils", "uou2t14d")
    for kind in ("iris", "latest", "unified")
] + ["gb_units", "iris_ledger"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bmrs_fuelins_unified", ["bmrs_fuelinst_unified"]),
        ("BMRS_FREQ_IRIS", ["bmrs_freq_iris"]),
        ("freq", ["bmrs_freq_iris", "bmrs_freq_latest", "bmrs_freq_unified"]),
        ("gb_unit", ["gb_units"]),
        ("ledger", ["iris_ledger"]),
        ("bmrs_meils_iris", ["bmrs_mels_iris", "bmrs_mils_iris"]),
        ("something_else", []),
        ("", []),
    ],
)
def test_near_names_are_spelt_alike_or_have_the_name_as_a_part(name, expected):
    assert sorted(near_names(name, TABLES)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Syntax error: Unexpected keyword FROM at [1:8]",) * 2,
        ("division by zero: 1 / 0",) * 2,
        (
            "400 POST http://127.0.0.1:9050/bigquery/v2/projects/p/queries: Bad a",
            "Bad a",
        ),
        ("Binder Error: GROUP BY clause\n\nLINE 1: x", "GROUP BY clause LINE 1: x"),
        (
            "Syntax error: missing for <class 'sqlglot.expressions.Where'> at [1:19]",
            "Syntax error at [1:19]",
        ),
        (
            "Table __ducklake_metadata_p.ducklake_table",
            "BigQuery cannot run this statement",
        ),
        ("Internal error: KeyError('x')", "BigQuery cannot run this statement"),
        ("<html><body>502</body></html>", "BigQuery cannot run this statement"),
        ("", "BigQuery cannot run this statement"),
        ("no \x1b[31mcolour", "no \\x1b[31mcolour"),
    ],
)
def test_an_error_is_one_line_without_what_is_inside_a_server(text, expected):
    error = BadRequest(text, errors=[{"message": text}])
    assert message_of(error, "SELECT 1") == expected


def test_what_the_statement_names_is_not_the_inside_of_a_server():
    error = BadRequest("Unrecognized name: Python at [1:8]")
    assert message_of(error, "SELECT python") == "Unrecognized name: Python at [1:8]"


def test_an_error_without_parts_has_its_own_text():
    error = from_http_status(403, "Access Denied: Table p:d.t")
    assert message_of(error, "") == "Access Denied: Table p:d.t"
