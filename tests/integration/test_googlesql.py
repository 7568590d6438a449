"""The local BigQuery answers as the GoogleSQL reference says, or refuses.

The expressions, with their values, are in `tests/fixtures/googlesql/`, by page of the
reference (https://cloud.google.com/bigquery/docs/reference/standard-sql/PAGE).
"""

import json
import re
from pathlib import Path

import pytest
import yaml
from google.api_core.exceptions import GoogleAPICallError

from command.tables_path import TablesPath
from local.bigquery.googlesql.functions import FUNCTIONS
from sql.query.values import plain
from sql.render.statements import statements

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "fixtures" / "googlesql"
# Statements of a page's examples, with the rows that stand below them.
EXAMPLES = [
    pytest.param(example["sql"], example["rows"], id=f"{path.stem}-{number}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for number, example in enumerate(yaml.safe_load(path.read_text()), 1)
]
CALL = re.compile(r"\b([A-Z][A-Z0-9_]+)\(")


def values() -> list[tuple[str, str, object]]:
    """The expressions of `values.txt` as (page, expression, value)."""
    found, page = [], ""
    for line in (FOLDER / "values.txt").read_text().splitlines():
        if line.startswith("== "):
            page = line.removeprefix("== ")
        elif line and not line.startswith("#"):
            expression, _, value = line.rpartition(" => ")
            found.append((page, expression, json.loads(value)))
    return found


VALUES = values()


def rows(client, sql: str) -> list[list[object]]:
    found = client.query_and_wait(sql, retry=None, job_retry=None)
    return [[plain(value) for value in row.values()] for row in found]


@pytest.mark.parametrize(
    ("expression", "value"),
    [pytest.param(e, v, id=f"{page}: {e}") for page, e, v in VALUES],
)
def test_an_expression_has_the_value_of_the_reference(client, expression, value):
    assert rows(client, f"SELECT {expression}") == [[value]]


@pytest.mark.parametrize(("sql", "expected"), EXAMPLES)
def test_an_example_returns_the_rows_of_the_reference(client, sql, expected):
    found = rows(client, sql)
    assert sorted(found, key=json.dumps) == sorted(expected, key=json.dumps)


def test_the_table_has_every_function_of_our_own_sql():
    texts = [json.dumps(statements(TablesPath("p", "d")))]
    texts += [path.read_text() for path in ROOT.glob("docs/*.md")]
    texts += [path.read_text() for path in ROOT.glob("sql/**/*.sql")]
    texts += [path.read_text() for path in ROOT.glob("sql/**/*.py")]
    used = {name for text in texts for name in CALL.findall(text)} & FUNCTIONS
    shown = " ".join(expression for _, expression, _ in VALUES)
    shown += " ".join(str(example.values[0]) for example in EXAMPLES)
    assert len(used) > 50
    assert used - set(CALL.findall(shown)) == set()


REFUSED = {
    "now()": "Function not found: now at [1:8]",
    "today()": "Function not found: today at [1:8]",
    "len('a')": "Function not found: len at [1:8]",
    "list_sum([1])": "Function not found: list_sum at [1:8]",
    "getenv('HOME')": "Function not found: getenv at [1:8]",
    "bq.main._raise('x')": "Function not found",
    "TRY_CAST('1' AS INT64)": "Function not found: TRY_CAST at [1:8]",
    "COLUMNS('a')": "Function not found: COLUMNS at [1:8]",
    "1::float": 'Unexpected "::" at [1:9]',
    "'1'::int64": 'Unexpected "::" at [1:11]',
    "5 % 3": 'Unexpected "%"',
    "1 == 1": 'Unexpected "=="',
    "{'a': 1}": 'Unexpected "{"',
    '1 AS "x"': 'Unexpected string literal "x" at [1:13]',
    "1 AS select": "Unexpected keyword SELECT",
    "1,, 2": 'Unexpected ","',
    '* FROM "table"': 'Unexpected string literal "table" at [1:15]',
    "* FROM '/etc/passwd'": 'Unexpected string literal "/etc/passwd"',
    "* FROM read_csv('/etc/passwd')": "Table-valued function not found: read_csv",
    "* FROM read_parquet('x')": "Table-valued function not found: read_parquet",
    "* FROM duckdb_tables()": "Table-valued function not found: duckdb_tables",
    "* FROM generate_series(1, 3)": "Table-valued function not found",
    "* FROM `emulator.main.jobs`": "Access Denied: Table emulator:main.jobs",
    "CAST(1 AS VARCHAR)": "Type not found: VARCHAR at [1:18]",
    "CAST(1 AS FLOAT)": "Type not found: FLOAT",
    "INTERVAL '1 hour'": 'Unexpected string literal "1 hour"',
    "INTERVAL 1 hours": "A valid date part name is required but found hours",
    "'a' ILIKE 'A'": "ILIKE is not supported: use LOWER(..) LIKE",
    "COUNT(*) FILTER (WHERE TRUE) FROM UNNEST([1])": "FILTER is not supported",
    "DISTINCT ON (x) x FROM UNNEST([1]) AS x": "DISTINCT ON is not supported",
    "* EXCLUDE (x) FROM UNNEST([1]) AS x": "Unexpected",
    "x FROM UNNEST([1]) AS x USING SAMPLE 1": "USING SAMPLE is not supported",
    "x FROM UNNEST([1]) AS x LIMIT 10%": 'Unexpected "%"',
    "1 WHERE TRUE": "Query without FROM clause cannot have a WHERE clause",
    "x AS y, y + 1 FROM UNNEST([1]) AS x": "Unrecognized name: y at [1:16]",
    "x AS y FROM UNNEST([1]) AS x WHERE y > 0": "Unrecognized name: y at [1:43]",
    "COALESCE(1, 'a')": "No matching signature for COALESCE",
    "IF(TRUE, 1, 'a')": "No matching signature for IF",
    "IF(TRUE, 1)": "No matching signature for function IF",
    "COUNT() FROM UNNEST([1])": "No matching signature for function COUNT",
    "'1' + 1": "No matching signature for operator +",
    "NOT 1": "should be of type BOOL",
    "1 = '1'": "No matching signature for operator =",
    "TIMESTAMP '2026-05-06 12:00:00 BST'": "Invalid time zone: BST",
    "CURRENT_DATE('BST')": "Invalid time zone: BST",
    "DATETIME(CURRENT_TIMESTAMP(), 'BST')": "Invalid time zone: BST",
    "TIMESTAMP '2026-05-06 12:00:00' < 'yesterday'": "Invalid timestamp: 'yesterday'",
    "DATE '2026-05-06' = 'epoch'": 'Could not cast literal "epoch" to type DATE',
    "CAST('2026-05-06 12:00:00' AS DATE)": "Could not cast literal",
    "TO_JSON_STRING(INTERVAL 1 DAY)": "no JSON of an INTERVAL: use CAST(.. AS STRING)",
    "JSON_SET(JSON '{}', '$.a', 1)": "the local BigQuery has no JSON_SET",
    "PARSE_TIMESTAMP('%s', '1')": "cannot read the element %s of a time",
    "FORMAT(x, 1) FROM UNNEST(['%d']) AS x": "needs a literal as the first argument",
    "ARRAY_CONCAT_AGG(x LIMIT 1) FROM (SELECT [1] AS x)": "has no LIMIT",
    "STRING_AGG(x, b'-') FROM UNNEST([b'a']) AS x": "has no STRING_AGG of BYTES",
    "[x + 1 FOR x IN [1, 2]]": "a list with FOR is not supported: use ARRAY(SELECT ..)",
    "[1, 2, 3][1:2]": "[a:b] is not supported: use ARRAY_SLICE or SUBSTR",
    "'abc'[1]": "Element access using [] is not supported on STRING",
    "x FROM (FROM UNNEST([1]) AS x SELECT x)": "Unexpected keyword SELECT",
    "$$abc$$": 'Unexpected "$" at [1:8]',
    "'a' COLLATE NOCASE": "COLLATE needs a name in quotes: 'und:ci'",
    "IF(1, 'a', 'b')": "condition of IF should be of type BOOL, but is of type INT64",
    "LENGTH(12)": "No matching signature for function LENGTH for argument types: INT64",
    "DATE '2026-05-06' < TIMESTAMP '2026-05-06'": "for argument types: DATE, TIMESTAMP",
    "CURRENT_TIMESTAMP() >= CURRENT_DATE()": "for argument types: TIMESTAMP, DATE",
    "DATETIME '2026-05-06' = TIMESTAMP '2026-05-06'": "types: DATETIME, TIMESTAMP",
    "x BETWEEN CURRENT_DATE() AND x FROM (SELECT TIMESTAMP '2026-05-06' AS x)": (
        "No matching signature for operator BETWEEN for argument types"
    ),
    "x IN (1) FROM UNNEST(['1']) AS x": "for argument types: STRING, INT64",
    "DATE_ADD(DATE '2026-05-06', INTERVAL 1 HOUR)": (
        "DATE_ADD does not support the HOUR date part when the argument is DATE type"
    ),
    "DATE_DIFF(CURRENT_DATE(), CURRENT_DATE(), MINUTE)": "not support the MINUTE date",
    "POW(0, -1)": "Floating point error in function: POW",
    "EXP(1000)": "Floating point error in function: EXP",
    "ATANH(1)": "Argument of ATANH must be between -1 and 1",
    "LEFT('abc', -1)": "Argument of LEFT must not be negative",
    "RIGHT('abc', -1)": "Argument of RIGHT must not be negative",
    "REPEAT('a', -1)": "Argument of REPEAT must not be negative",
    "LPAD('abc', -1)": "must not be negative",
    "SUBSTR('abc', 1, -1)": "must not be negative",
    "INSTR('abc', 'b', 0)": "The position of INSTR must not be 0",
    "INSTR('abc', 'b', 1, 0)": "The occurrence of INSTR must be positive",
    "REGEXP_EXTRACT('a1', r'(a)(1)')": "must not have more than 1 capturing group",
    "REGEXP_REPLACE('abc', 'b', r'\\2')": "Invalid REGEXP_REPLACE pattern",
    "JSON_VALUE(JSON '{\"a\":1}', 'a')": "JSONPath must start with '$'",
    "ST_GEOGPOINT(0, 51)": (
        "the local BigQuery has no GEOGRAPHY: ST_GEOGPOINT at [1:8] works in BigQuery"
    ),
    "CAST(NULL AS GEOGRAPHY)": "the local BigQuery has no GEOGRAPHY: GEOGRAPHY at [1:",
}


def message_of(client, sql: str) -> str:
    with pytest.raises(GoogleAPICallError) as refused:
        client.query_and_wait(sql, retry=None, job_retry=None)
    [problem] = refused.value.errors
    return str(problem["message"])


@pytest.mark.parametrize("expression", REFUSED)
def test_what_bigquery_refuses_is_refused_in_one_line(client, expression):
    message = message_of(client, f"SELECT {expression}")
    assert REFUSED[expression] in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.db' AS x",
        "DETACH x",
        "PRAGMA database_list",
        "INSTALL spatial",
        "LOAD spatial",
        "SET threads = 4",
        "USE d",
        "DESCRIBE t",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "VALUES (1)",
        "CHECKPOINT",
        "VACUUM",
        "CREATE MACRO f(x) AS x",
        "CREATE SEQUENCE s",
        "CREATE TYPE m AS ENUM ('a')",
        "EXPORT DATABASE 'x'",
        "SELECT 1; PRAGMA database_list",
    ],
)
def test_a_statement_of_duckdb_is_refused(client, statement):
    message = message_of(client, statement)
    assert re.search("Syntax error|not supported|has no|Undeclared", message)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM d.t NATURAL JOIN d.t AS u",
        "SELECT a FROM d.t SEMI JOIN d.t AS u USING (a)",
        "SELECT a FROM d.t OFFSET 1",
        "SELECT a FROM d.t FETCH FIRST 1 ROWS ONLY",
        "SELECT a FROM d.t UNION ALL SELECT b FROM d.t",
        "SELECT a FROM d.t WHERE b",
        "INSERT OR REPLACE INTO d.t (a) VALUES (1)",
        "UPDATE d.t SET a = 1 WHERE TRUE RETURNING a",
        "CREATE TABLE d.u (a VARCHAR)",
        "SELECT a AS x FROM d.t WHERE x = 1",
    ],
)
def test_a_clause_that_bigquery_does_not_have_is_refused(client, sql):
    client.create_dataset("d", exists_ok=True)
    client.query_and_wait("CREATE TABLE IF NOT EXISTS d.t (a INT64, b STRING)")
    message_of(client, sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TEMP FUNCTION f(x INT64) AS (x + 1); SELECT f(1)", [[2]]),
        ("DECLARE x INT64 DEFAULT 3; SET x = x + 1; SELECT x", [[4]]),
        ("SELECT x FROM UNNEST([1, 2]) AS x |> WHERE x > 1", [[2]]),
        ("SELECT x AS y FROM UNNEST([1]) AS x GROUP BY y HAVING y = 1", [[1]]),
        ("SELECT x AS y FROM UNNEST([2, 1]) AS x ORDER BY y", [[1], [2]]),
        ("SELECT 1 AS x, FROM UNNEST([1])", [[1]]),
    ],
)
def test_what_bigquery_accepts_is_accepted(client, sql, expected):
    assert rows(client, sql) == expected


def test_a_function_of_the_user_is_found_by_its_dataset(client):
    client.create_dataset("functions", exists_ok=True)
    client.query_and_wait(
        "CREATE OR REPLACE FUNCTION functions.twice(x INT64) AS (x * 2)"
    )
    assert rows(client, "SELECT functions.twice(4)") == [[8]]


def test_a_javascript_function_is_called_for_each_row(client):
    function = "CREATE TEMP FUNCTION next(n FLOAT64) RETURNS FLOAT64 LANGUAGE js"
    sql = f"{function} AS 'return n + 1'; SELECT next(n) FROM UNNEST([1.0, 2.5]) AS n"
    assert sorted(row[0] for row in client.query_and_wait(sql)) == [2.0, 3.5]


@pytest.mark.parametrize("quoted", ["functions.upto", "`gb-iris.functions.upto`"])
def test_a_table_function_of_the_user_is_found_by_its_dataset(client, quoted):
    client.create_dataset("functions", exists_ok=True)
    client.query_and_wait(
        "CREATE OR REPLACE TABLE FUNCTION functions.upto(n INT64) AS "
        "SELECT x FROM UNNEST(GENERATE_ARRAY(1, n)) AS x"
    )
    assert rows(client, f"SELECT x FROM {quoted}(2) ORDER BY x") == [[1], [2]]


def test_text_of_a_column_is_a_time_as_in_a_literal(client):
    found = rows(
        client,
        "SELECT SAFE_CAST(x AS TIMESTAMP) FROM UNNEST(["
        "'2026-10-25 01:30:00 Europe/London', '2026-10-25 01:30:00 BST', "
        "'2026-05-06T12:00:00Z', 'epoch']) AS x WITH OFFSET AS place ORDER BY place",
    )
    expected = ["2026-10-25T00:30:00Z", None, "2026-05-06T12:00:00Z", None]
    assert found == [[value] for value in expected]


def test_a_whole_row_is_json_as_its_columns_are(client):
    found = rows(
        client,
        "SELECT TO_JSON_STRING(t) FROM (SELECT 1.0 AS Level, "
        "TIMESTAMP '2026-05-06 12:00:00' AS start, NUMERIC '1.50' AS price, "
        "[STRUCT(2.5 AS mW)] AS steps) AS t",
    )
    assert found == [
        [
            '{"Level":1,"start":"2026-05-06T12:00:00Z","price":"1.5","steps":[{"mW":2.5}]}'
        ]
    ]
