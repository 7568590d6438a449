"""What a statement or a job of the local BigQuery reaches of this machine: nothing."""

import subprocess
from pathlib import Path

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from local.bigquery.environment import bigquery_python, server_environment
from local.process import ROOT
from tests.integration.bigquery_fixture import own_dataset

pytestmark = pytest.mark.integration

SECRET = "what only this file has"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret.csv"
    path.write_text(f"text\n{SECRET}\n")
    return path


@pytest.fixture(scope="module")
def dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> str:
    name = own_dataset(client, request)
    client.query_and_wait(f"CREATE TABLE {name}.t (text STRING)")
    return name


def refusal(client: bigquery.Client, sql: str) -> str:
    with pytest.raises(GoogleAPICallError) as refused:
        client.query_and_wait(sql, retry=None, job_retry=None)
    return str(refused.value)


READING = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT read_blob('{file}')",
    "SELECT * FROM '{file}'",
    'SELECT * FROM "{file}"',
    "SELECT * FROM `{file}`",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM st_read('{file}')",
    "SELECT * FROM main.read_text('{file}')",
    "SELECT * FROM bq.read_text('{file}')",
    "WITH t AS (SELECT * FROM read_text('{file}')) SELECT * FROM t",
    "EXECUTE IMMEDIATE \"SELECT * FROM read_text('{file}')\"",
    "DECLARE x STRING DEFAULT (SELECT content FROM read_text('{file}')); SELECT x",
    "CREATE VIEW {dataset}.v AS SELECT * FROM read_text('{file}')",
    "CREATE TABLE FUNCTION {dataset}.f() AS (SELECT * FROM read_text('{file}'))",
    "CREATE TEMP FUNCTION f() AS ((SELECT content FROM read_text('{file}')));"
    " SELECT f()",
    "CREATE TEMP FUNCTION read_text(x STRING) AS (x);"
    " SELECT * FROM read_text('{file}')",
    "CREATE TABLE {dataset}.c AS SELECT * FROM '{file}'",
    "CREATE TABLE {dataset}.c CLONE `{file}`",
    "CREATE EXTERNAL TABLE {dataset}.e OPTIONS (format='CSV', uris=['{file}'])",
    "LOAD DATA INTO {dataset}.t FROM FILES (format='CSV', uris=['{file}'])",
    "INSERT INTO {dataset}.t SELECT * FROM '{file}'",
    "ATTACH '{file}' AS x",
    "COPY {dataset}.t FROM '{file}'",
    "PRAGMA database_list",
    "INSTALL httpfs",
    "SET enable_external_access = true",
    "SELECT * FROM duckdb_settings()",
    "SELECT getenv('HOME')",
    "SELECT * FROM EXTERNAL_QUERY('us.default', 'SELECT 1')",
]


@pytest.mark.parametrize("sql", READING)
def test_a_statement_that_reads_a_file_is_refused(client, dataset, file, sql):
    sql = sql.format(file=file, folder=file.parent, dataset=dataset)
    assert SECRET not in refusal(client, sql)


def test_a_javascript_function_has_no_file_and_no_network(client):
    names = "typeof require + typeof process + typeof fetch + typeof XMLHttpRequest"
    sql = f"CREATE TEMP FUNCTION f() RETURNS STRING LANGUAGE js AS '''return {names}'''"
    [row] = client.query_and_wait(f"{sql}; SELECT f() AS found")
    assert row.found == "undefined" * 4


PATHS = [
    "{file}",
    "file://{file}",
    "gs://../../..{file}",
    "gs://../t",
    "http://[::1]/x",
]


@pytest.mark.parametrize("uri", PATHS)
def test_a_load_job_reads_no_file_of_the_machine(client, dataset, file, uri):
    settings = bigquery.LoadJobConfig(source_format="CSV", autodetect=True)
    job = client.load_table_from_uri(
        uri.format(file=file), f"{dataset}.t", job_config=settings
    )
    with pytest.raises(GoogleAPICallError, match="use gs://BUCKET/OBJECT"):
        job.result()


@pytest.mark.parametrize("uri", PATHS)
def test_an_export_writes_no_file_of_the_machine(client, file, uri):
    before = file.read_text()
    where = uri.format(file=file)
    sql = f"EXPORT DATA OPTIONS (uri='{where}', format='CSV') AS SELECT 1 AS a"
    assert "use gs://BUCKET/OBJECT" in refusal(client, sql)
    assert file.read_text() == before


def test_an_export_to_a_bucket_is_a_file_of_the_server(client, bigquery_data):
    options = "uri='gs://bucket/rows-*.csv', format='CSV'"
    client.query_and_wait(f"EXPORT DATA OPTIONS ({options}) AS SELECT 1 AS a")
    [file] = (bigquery_data / "bigquery" / "gcs" / "bucket").iterdir()
    assert file.read_text() == "a\n1\n"


def test_what_was_exported_can_be_loaded(client, dataset):
    options = "uri='gs://again/rows-*.csv', format='CSV'"
    client.query_and_wait(f"EXPORT DATA OPTIONS ({options}) AS SELECT 'x' AS text")
    settings = bigquery.LoadJobConfig(source_format="CSV", skip_leading_rows=1)
    job = client.load_table_from_uri(
        "gs://again/rows-*.csv", f"{dataset}.loaded", job_config=settings
    )
    assert job.result().output_rows == 1


# The second wall alone: what DuckDB itself would do in the server's own process.
PROGRAM = """
import os, sys
sys.path.insert(0, ".")
from local_bigquery.engine import database
from local_bigquery.settings import settings
from local.bigquery import patched_server
import pathlib
settings.data_dir = pathlib.Path(sys.argv[1])
try:
    print(database.fetch(sys.argv[2]))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM read_text('{file}')", "PermissionException"),
        ("SELECT * FROM glob('{folder}/*')", "PermissionException"),
        ("COPY (SELECT 1) TO '{file}'", "PermissionException"),
        ("ATTACH '{file}' AS x", "PermissionException"),
        ("SELECT * FROM read_text('http://127.0.0.1:1/x')", "PermissionException"),
        ("LOAD postgres", "PermissionException"),
        ("SET enable_external_access = true", "InvalidInputException"),
        ("SELECT 1", "[(1,)]"),
    ],
)
def test_duckdb_itself_opens_nothing_outside_the_folder(tmp_path, file, sql, said):
    statement = sql.format(file=file, folder=file.parent)
    command = [bigquery_python(), "-P", "-c", PROGRAM, str(tmp_path / "d"), statement]
    done = subprocess.run(
        command, cwd=ROOT, env=server_environment(), capture_output=True, text=True
    )
    # On a busy machine DuckDB draws a bar of progress before it.
    assert done.stdout.strip().splitlines()[-1:] == [said], done.stderr
