"""`query` and `tables`, on a real local BigQuery."""

import csv
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from google.cloud.bigquery import QueryJobConfig
from pyarrow import parquet

from tests.integration.bigquery_fixture import ended_job, running_job
from tests.integration.terminal_fixture import Terminal

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DATASET = "uk_energy_prod"
# More than a page, so that it comes through the Storage Read API.
MANY = (
    "SELECT n, CAST(n AS STRING) AS t FROM UNNEST(GENERATE_ARRAY(1, {})) AS n "
    "ORDER BY n"
)
ENDLESS = (
    "SELECT COUNT(*) AS n FROM numbers AS a, numbers AS b WHERE MOD(a.n * b.n, 7) = 3"
)


@pytest.fixture(scope="module")
def data(client, bigquery_data):
    """The DATA folder of a running server with a few tables."""
    client.create_dataset(DATASET)
    settings = QueryJobConfig(default_dataset=f"{client.project}.{DATASET}")
    for sql in (
        "CREATE TABLE bmrs_fuelinst_iris (generation INT64, ingested_utc TIMESTAMP,"
        " fuelType STRING OPTIONS (description = 'Fuel'))",
        "INSERT INTO bmrs_fuelinst_iris VALUES"
        " (7515, TIMESTAMP '2026-05-06 02:31:00+00', 'CCGT'), (-20, NULL, 'PS')",
        "CREATE VIEW bmrs_fuelinst_unified AS SELECT * FROM bmrs_fuelinst_iris",
        "CREATE TABLE bmrs_freq_iris (frequency FLOAT64)",
        "CREATE TABLE numbers AS SELECT n FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS n",
    ):
        client.query_and_wait(sql, job_config=settings)
    return bigquery_data


def command(data: Path, *arguments: str) -> list[str]:
    name, *rest = arguments
    return [sys.executable, "-m", "local", name, "--data", str(data), *rest]


def run(
    data: Path, *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(data, *arguments),
        cwd=ROOT,
        env={**os.environ, "SQL": ""},
        input=given,
        capture_output=True,
        text=True,
    )


def query(data: Path, *arguments: str, **given) -> subprocess.CompletedProcess[str]:
    return run(data, "query", *arguments, **given)


def test_rows_in_a_pipe_are_json_lines(data):
    done = query(data, "SELECT generation FROM bmrs_fuelinst_unified ORDER BY 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '{"generation": -20}\n{"generation": 7515}\n'


def test_rows_in_a_terminal_are_a_table(data):
    sql = "SELECT fuelType, generation FROM bmrs_fuelinst_unified ORDER BY 1"
    with Terminal(command(data, "query", sql)) as terminal:
        terminal.until("2 rows")
        assert terminal.seen.splitlines() == [
            "fuelType  generation",
            "--------  ----------",
            "CCGT            7515",
            "PS               -20",
            "2 rows",
        ]
        assert terminal.end() == 0


def test_a_terminal_shows_the_first_rows_and_says_how_to_get_all(data):
    with Terminal(command(data, "query", MANY.format(12_345))) as terminal:
        terminal.until("1,000 of 12,345 rows; a file has them all: OUT=rows.csv")
        assert terminal.seen.splitlines()[-2] == "1000  1000"
        assert terminal.end() == 0


def test_a_statement_comes_from_standard_input(data):
    done = query(data, given="SELECT 1 AS a;\n")
    assert done.stdout == '{"a": 1}\n'


def test_a_statement_comes_from_a_file(data, tmp_path):
    file = tmp_path / "a.sql"
    file.write_text("-- a comment\nSELECT 1 AS a", encoding="utf-8")
    assert query(data, "--file", str(file)).stdout == '{"a": 1}\n'


TYPED = """
SELECT TIMESTAMP '2026-05-06 03:31:00+01:00' AS moment, DATE '2026-05-06' AS day,
  NUMERIC '1.50' AS price, 49.97 AS frequency, TRUE AS flag, b'ab' AS bytes,
  CAST(NULL AS INT64) AS nothing, '' AS empty, [STRUCT(1 AS a)] AS nested,
  JSON '{"b": [1]}' AS json
"""


def test_csv_has_times_in_rfc_3339_and_null_apart_from_empty_text(data, tmp_path):
    out = tmp_path / "rows.csv"
    done = query(data, "--out", str(out), TYPED)
    assert (done.returncode, done.stderr) == (0, f"exported to {out}: 1 row\n")
    assert out.read_text(encoding="utf-8").splitlines()[1] == (
        '2026-05-06T02:31:00Z,2026-05-06,1.5,49.97,true,YWI=,,"",'
        '"[{""a"": 1}]","{""b"": [1]}"'
    )


def test_parquet_has_the_real_types(data, tmp_path):
    out = tmp_path / "rows.parquet"
    query(data, "--out", str(out), TYPED)
    table = parquet.read_table(out)
    assert dict(zip(table.column_names, table.schema.types, strict=True)) == {
        "moment": pyarrow.timestamp("us", "UTC"),
        "day": pyarrow.date32(),
        "price": pyarrow.decimal128(38, 9),
        "frequency": pyarrow.float64(),
        "flag": pyarrow.bool_(),
        "bytes": pyarrow.binary(),
        "nothing": pyarrow.int64(),
        "empty": pyarrow.string(),
        "nested": pyarrow.list_(pyarrow.struct([("a", pyarrow.int64())])),
        "json": pyarrow.string(),
    }
    [row] = table.to_pylist()
    assert row["moment"] == datetime(2026, 5, 6, 2, 31, tzinfo=UTC)
    assert row["price"] == Decimal("1.5")


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_a_large_result_comes_whole_and_in_order(data, tmp_path, form):
    count = 120_000
    out = tmp_path / f"rows.{form}"
    done = query(data, "--out", str(out), MANY.format(count))
    assert done.stderr == f"exported to {out}: 120,000 rows\n"
    if form == "parquet":
        numbers = parquet.read_table(out)["n"].to_pylist()
    elif form == "csv":
        with out.open(newline="") as file:
            numbers = [int(row["n"]) for row in csv.DictReader(file)]
    else:
        numbers = [json.loads(line)["n"] for line in out.open()]
    assert numbers == list(range(1, count + 1))


def test_without_the_storage_read_api_rows_come_page_by_page(data, client, tmp_path):
    """The port of its gRPC is not known here: what a user without the role has."""
    out = tmp_path / "rows.csv"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sql", "query", "--project", client.project),
            *("--out", str(out), MANY.format(25_000)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stderr == f"exported to {out}: 25,000 rows\n"
    lines = out.read_text().splitlines()
    assert lines == ["n,t", *(f"{n},{n}" for n in range(1, 25_001))]


def test_a_reader_that_leaves_ends_the_rows_silently(data):
    with subprocess.Popen(
        command(data, "query", MANY.format(200_000)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == '{"n": 1, "t": "1"}\n'
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_ctrl_c_cancels_the_statement_and_leaves_the_file_that_was_there(
    data, client, tmp_path
):
    out = tmp_path / "rows.csv"
    out.write_text("before")
    with subprocess.Popen(
        command(data, "query", "--out", str(out), ENDLESS),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        job = running_job(client, ENDLESS)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130
    assert ended_job(client, job).error_result["reason"] == "stopped"
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_text() == "before"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE TABLE made (n INT64)", ["table made created"]),
        (
            "CREATE TABLE IF NOT EXISTS made (n INT64)",
            ["table made exists already: nothing to do"],
        ),
        ("INSERT INTO made (n) VALUES (1), (2)", ["2 rows inserted"]),
        ("UPDATE made SET n = 3 WHERE n = 1", ["1 row updated"]),
        (
            "MERGE made USING (SELECT 2 AS n) AS new ON made.n = new.n "
            "WHEN MATCHED THEN DELETE",
            ["1 row deleted"],
        ),
        ("DELETE FROM made WHERE n > 5", ["0 rows deleted"]),
        ("CREATE OR REPLACE TABLE made AS SELECT 1 AS n", ["table made replaced"]),
        ("ALTER TABLE made ADD COLUMN t STRING", ["table made changed"]),
        ("CREATE VIEW seen AS SELECT n FROM made", ["view seen created"]),
        ("CREATE FUNCTION plus(x INT64) AS (x + 1)", ["function plus created"]),
        ("CREATE SCHEMA other", ["dataset other created"]),
        ("CREATE TABLE other.made (n INT64)", ["table other.made created"]),
        ("DROP TABLE other.made", ["table other.made dropped"]),
        (
            "TRUNCATE TABLE made; INSERT INTO made (n) VALUES (4); SELECT 1 AS a; "
            "DROP VIEW seen",
            [
                "1 row deleted",
                "1 row inserted",
                "view seen dropped",
                "of a script, only the rows of the last statement are shown",
            ],
        ),
        ("DROP TABLE made", ["table made dropped"]),
        (
            "DROP TABLE IF EXISTS made",
            ["table made does not exist: nothing to do"],
        ),
    ],
)
def test_what_a_statement_did_is_said(data, sql, said):
    done = query(data, sql)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == said


def test_a_script_prints_the_rows_of_its_last_statement(data):
    done = query(data, "DECLARE x INT64 DEFAULT 3; SELECT 1 AS a; SELECT x")
    assert done.stdout == '{"x": 3}\n'


def test_a_statement_without_rows_writes_no_file(data, tmp_path):
    out = tmp_path / "rows.csv"
    done = query(data, "--out", str(out), "DELETE FROM bmrs_freq_iris WHERE FALSE")
    assert done.stderr.splitlines() == [
        "0 rows deleted",
        f"no rows: {out} is not written",
    ]
    assert not out.exists()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "SELECT * FROM bmrs_fuelins_unified",
            "no table bmrs_fuelins_unified; do you mean bmrs_fuelinst_unified?",
        ),
        (
            f"SELECT * FROM {DATASET}.freq",
            "no table freq; do you mean bmrs_freq_iris?",
        ),
        ("SELECT * FROM zzzz", "no table zzzz; `make tables` lists them"),
        (
            "SELECT * FROM uk_energy.t",
            f"no dataset uk_energy; do you mean {DATASET}?",
        ),
        (
            "SELECT fuel_type FROM bmrs_fuelinst_unified",
            "no column fuel_type in bmrs_fuelinst_unified",
        ),
        (
            "SELECT f.fuel_type FROM bmrs_fuelinst_iris AS f",
            "no column fuel_type in bmrs_fuelinst_iris",
        ),
    ],
)
def test_a_mistyped_name_comes_with_those_near_it(data, sql, said):
    done = query(data, sql)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"python -m local query: {said}")
    assert "fuel_type" not in sql or line.endswith("do you mean fuelType?")


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT FROM WHERE", "SELECT 1 +", "SELECT 'a"]
)
def test_an_error_names_nothing_inside_the_server(data, sql):
    done = query(data, sql)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    for inside in ("duckdb", "sqlglot", "Traceback", "class", "http", "python3"):
        assert inside not in line.lower()


def test_a_limit_asks_first_what_is_read(data):
    done = query(data, "--max-bytes", "1GB", "SELECT 1 AS a")
    assert (done.stdout, done.stderr) == ('{"a": 1}\n', "reads 0 bytes\n")


def test_tables_are_listed_with_rows_kind_and_last_write(data):
    done = run(data, "tables", "fuelinst", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    table, view = map(json.loads, done.stdout.splitlines())
    assert table == {
        "name": "bmrs_fuelinst_iris",
        "kind": "table",
        "rows": 2,
        "size": table["size"],
        "last_write": "2026-05-06T02:31:00Z",
    }
    assert (view["name"], view["kind"], view["rows"]) == (
        "bmrs_fuelinst_unified",
        "view",
        None,
    )


def test_a_whole_name_lists_columns(data):
    done = run(data, "tables", "bmrs_fuelinst_iris", "--format", "table")
    assert done.stdout.splitlines() == [
        "column        type       description",
        "------------  ---------  -----------",
        "generation    INT64",
        "ingested_utc  TIMESTAMP",
        "fuelType      STRING     Fuel",
    ]


def test_a_name_that_nothing_has_is_a_mistake_with_near_ones(data):
    done = run(data, "tables", "bmrs_fuelins_unified")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("do you mean bmrs_fuelinst_unified?\n")
