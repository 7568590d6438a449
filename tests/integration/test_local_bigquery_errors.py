"""Errors of the local BigQuery: BigQuery's words, and where in the SQL."""

import re

import pytest
from google.api_core.exceptions import GoogleAPICallError

pytestmark = pytest.mark.integration

# Words that only an error of DuckDB or of its parser has.
INTERNALS = re.compile(
    r"bq\.main|duck|sqlglot|LINE \d|Binder|Candidate|VARCHAR|DOUBLE|BIGINT|INTEGER|"
    r"TokenType|alias map|DECIMAL\("
)


@pytest.fixture(scope="module", autouse=True)
def table(client):
    client.create_dataset("d")
    client.query_and_wait(
        "CREATE TABLE d.t (fuelType STRING, level INT64, s STRUCT<x INT64>)"
    )


def message_of(client, sql: str) -> tuple[str, str]:
    with pytest.raises(GoogleAPICallError) as refused:
        client.query_and_wait(sql, retry=None, job_retry=None)
    [problem] = refused.value.errors
    return problem["reason"], problem["message"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nosuch FROM d.t", "Unrecognized name: nosuch at [1:8]"),
        (
            "SELECT fuelTyp FROM d.t",
            "Unrecognized name: fuelTyp; Did you mean fuelType? at [1:8]",
        ),
        (
            "SELECT level\nFROM d.t\nWHERE nosuch = 1",
            "Unrecognized name: nosuch at [3:7]",
        ),
        ("SELECT t.nosuch FROM d.t", "Name nosuch not found inside t at [1:10]"),
        ("SELECT q.level FROM d.t", "Unrecognized name: q at [1:8]"),
        (
            "SELECT s.nosuch FROM d.t",
            "Field name nosuch does not exist in STRUCT at [1:10]",
        ),
        (
            "SELECT level FROM d.t AS a, d.t AS b",
            "Column name level is ambiguous at [1:8]",
        ),
        (
            "SELECT level, COUNT(*) FROM d.t",
            "SELECT list expression references column level which is neither grouped "
            "nor aggregated at [1:8]",
        ),
        (
            "INSERT INTO d.t (nosuch) VALUES (1)",
            "Column nosuch is not present in the table at [1:18]",
        ),
        ("SELECT nofunction(1)", "Function not found: nofunction at [1:8]"),
        ("SELECT UPPER(1)", "No matching signature for function UPPER at [1:8]"),
        (
            "SELECT level + fuelType FROM d.t",
            "No matching signature for operator + for argument types: INT64, STRING",
        ),
        ("SELECT 1 +", "Syntax error: Unexpected end of script at [1:11]"),
        (
            "SELECT (1 FROM d.t",
            'Syntax error: Expected ")" but got keyword FROM at [1:11]',
        ),
        (
            "SELECT level a b FROM d.t",
            'Syntax error: Unexpected identifier "b" at [1:16]',
        ),
        ("SELECT 'abc", "Syntax error: Unclosed string literal at [1:8]"),
        ("SELECT CAST('x' AS FLOAT64)", "Bad double value: x"),
        ("SELECT CAST('x' AS NUMERIC)", "Invalid NUMERIC value: x"),
        ("SELECT CAST('x' AS TIMESTAMP)", "Invalid timestamp: 'x'"),
        (
            "SELECT DATE '2026-02-30'",
            'Could not cast literal "2026-02-30" to type DATE at [1:13]',
        ),
        ("SELECT 9223372036854775807 + 1", "int64 overflow: 9223372036854775807 + 1"),
        ("SELECT PARSE_DATE('%F', 'x')", 'Failed to parse input string "x"'),
        (
            "SELECT REGEXP_CONTAINS('a', '(')",
            "Cannot parse regular expression: missing ): (",
        ),
        (
            "SELECT 1 UNION ALL SELECT 1, 2",
            "Queries in a set operation have mismatched column count",
        ),
    ],
)
def test_a_statement_that_fails_says_why_and_where(client, sql, message):
    assert message_of(client, sql) == ("invalidQuery", message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("d.nosuch", "Table gb-iris:d.nosuch was not found"),
        ("nods.t", "Dataset gb-iris:nods was not found"),
    ],
)
def test_a_table_that_does_not_exist_is_named(client, name, message):
    reason, text = message_of(client, f"SELECT * FROM {name}")
    assert (reason, message in text) == ("notFound", True)


def test_a_table_of_another_project_is_not_accessible(client):
    reason, text = message_of(client, "SELECT * FROM `other-project.d.t`")
    assert (reason, "Table other-project:d.t" in text) == ("accessDenied", True)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1;\n\nSELECT\n  nosuch FROM d.t",
        "DECLARE x INT64 DEFAULT 1;\n\nBEGIN\n  SELECT nosuch; END",
    ],
)
def test_a_position_in_a_script_is_that_of_the_whole_script(client, sql):
    _, text = message_of(client, sql)
    line = next(i for i, text in enumerate(sql.split("\n"), 1) if "nosuch" in text)
    assert f"nosuch at [{line}:" in text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT FORMAT_TIMESTAMP('%F', 1)",
        "SELECT EXTRACT(FOO FROM CURRENT_DATE())",
        "SELECT JSON_VALUE(1, '$.a')",
        "SELECT 1 FROM",
        "SELECT * FROM d.t WHERE",
        "SELECT level FROM d.t QUALIFY ROW_NUMBER() OVER (ORDER BY nosuch) = 1",
        "SELECT * FROM d.t JOIN d.t AS u USING (nosuch)",
        "SELECT * EXCEPT (nosuch) FROM d.t",
        "SELECT SUM(SUM(level)) FROM d.t",
        "UPDATE d.t SET nosuch = 1 WHERE TRUE",
        "SELECT (SELECT AS VALUE 1, 2)",
        "SELECT CAST(STRUCT(1 AS a) AS INT64)",
        "SELECT SUM(fuelType) FROM d.t",
        "SELECT SUBSTR(1, 2)",
    ],
)
def test_no_error_shows_the_internals_of_the_server(client, sql):
    assert not INTERNALS.search(message_of(client, sql)[1])
