"""The local BigQuery, through its own commands."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from google.api_core.exceptions import Conflict, GoogleAPICallError, NotFound

from local.bigquery import emulator
from pipeline.bigquery.inserts import Insert, insert

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
START_SECONDS = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A DATA folder whose path has a space and a quote in it."""
    return tmp_path_factory.mktemp("it's data")


@pytest.fixture(scope="module")
def server(data):
    """The ready line of a running server, and its pid."""
    with running(data) as ready:
        yield ready


@contextmanager
def running(data):
    """A server that is killed in the end."""
    command = [sys.executable, "-m", "local", "bigquery", "--data", str(data)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    assert readable, "the local BigQuery did not start"
    yield {**json.loads(process.stdout.readline()), "pid": process.pid}
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def client(server):
    client = emulator.connect(server["host"])
    client.create_dataset(emulator.DATASET, exists_ok=True)
    return client


def query(data: Path, sql: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "local", "query", "--data", str(data)]
    return subprocess.run(
        [*command, sql] if sql else command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )


def test_rows_come_as_json_lines_of_the_running_server(data, client):
    sql = """
        SELECT n, TIMESTAMP '2026-05-06 03:31:00+01:00' AS moment,
          DATE '2026-05-06' AS day, b'ab' AS bytes,
          STRUCT('it''s "x"' AS text, [1, 2] AS list) AS nested
        FROM UNNEST([1, 2]) AS n ORDER BY n
    """.replace("''", "\\'")
    done = query(data, sql)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = map(json.loads, done.stdout.splitlines())
    assert second["n"] == 2
    assert first == {
        "n": 1,
        "moment": "2026-05-06T02:31:00Z",
        "day": "2026-05-06",
        "bytes": "YWI=",
        "nested": {"text": 'it\'s "x"', "list": [1, 2]},
    }


def test_the_statement_may_come_from_the_environment(data, client):
    assert json.loads(query(data, "", SQL="SELECT '$HOME' AS x").stdout) == {
        "x": "$HOME"
    }


def test_an_sql_error_is_one_line_with_the_services_message(data, client):
    done = query(data, "SELECT * FROM no_such_table")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "no table no_such_table" in done.stderr


def test_no_statement_is_a_users_mistake(data):
    done = query(data, "", SQL="  ")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_second_server_on_the_same_data_is_refused(data, server):
    command = [sys.executable, "-m", "local", "bigquery", "--data", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "python -m local bigquery" in done.stderr


def test_tables_and_views_are_found_by_name_and_counted(client):
    """The answers of `patched_server.objects`, which replaces a slow lookup."""
    path = f"{emulator.PROJECT}.{emulator.DATASET}"
    client.query_and_wait("CREATE TABLE found (n INT64 OPTIONS (description = 'N'))")
    client.query_and_wait("CREATE VIEW seen AS SELECT n + 1 AS m FROM found")
    client.insert_rows_json(f"{path}.found", [{"n": 1}, {"n": 2}])
    table = client.get_table(f"{path}.found")
    assert (table.num_rows, table.table_type) == (2, "TABLE")
    assert table.schema[0].description == "N"
    assert client.get_table(f"{path}.seen").table_type == "VIEW"
    names = [(item.table_id, item.table_type) for item in client.list_tables(path)]
    assert names == [("found", "TABLE"), ("seen", "VIEW")]
    assert [row.m for row in client.query_and_wait("SELECT m FROM seen")] == [2, 3]
    client.query_and_wait("DROP TABLE found")
    with pytest.raises(NotFound):
        client.get_table(f"{path}.found")


def test_a_row_sent_again_is_dropped_also_during_other_inserts(client):
    """What `patched_server._deduplicate` does: four inserts at a time, each twice."""
    table = f"{emulator.PROJECT}.{emulator.DATASET}.numbers"
    client.query_and_wait("CREATE TABLE numbers (n INT64)")

    def insert(n: int) -> list:
        return client.insert_rows_json(table, [{"n": n}], row_ids=[str(n)], retry=None)

    with ThreadPoolExecutor(4) as threads:
        assert not any(threads.map(insert, [*range(15), *range(15)]))
    rows = client.query_and_wait("SELECT n FROM numbers ORDER BY n")
    assert [row.n for row in rows] == list(range(15))


@pytest.mark.parametrize("beside", [[], [("b", "Yg==")]], ids=["alone", "beside"])
def test_a_row_that_was_not_stored_does_not_count_as_sent(client, beside):
    """What `patched_server._insert` does: only what is stored counts as seen."""
    table = f"{emulator.PROJECT}.{emulator.DATASET}.stored_{len(beside)}"
    client.query_and_wait(f"CREATE TABLE {table} (x BYTES)")

    def insert(*rows: tuple) -> list:
        return client.insert_rows_json(
            table,
            [{"x": x} for _, x in rows],
            row_ids=[name for name, _ in rows],
            retry=None,
        )

    if beside:
        assert [error["index"] for error in insert(("a", "!"), *beside)] == [0]
    else:
        with pytest.raises(GoogleAPICallError):
            insert(("a", "!"))
        client.close()  # the server closes the connection after an internal error
    assert insert(("a", "YQ=="), *beside) == insert(("a", "YQ=="), *beside) == []
    rows = client.query_and_wait(f"SELECT x FROM {table} ORDER BY x")
    assert [row.x for row in rows] == [b"a", b"b"][: 1 + len(beside)]


def test_a_job_is_found_after_a_kill_and_not_started_twice(tmp_path):
    """So a client that lost the answer to a load can ask for its result."""
    with running(tmp_path) as ready:
        before = emulator.connect(ready["host"], dataset=None)
        before.query("SELECT 1", job_id="known", job_retry=None).result()
    with running(tmp_path) as ready:
        after = emulator.connect(ready["host"], dataset=None)
        assert after.get_job("known").state == "DONE"
        with pytest.raises(Conflict):
            after.query("SELECT 1", job_id="known", job_retry=None)


def test_jobs_are_listed_by_state_and_time_until_they_are_deleted(client):
    started = datetime.now(UTC)
    client.query("SELECT 1", job_id="listed", job_retry=None).result()

    def listed(**choice):
        return "listed" in [job.job_id for job in client.list_jobs(**choice)]

    assert listed(state_filter="done", min_creation_time=started)
    assert not listed(state_filter="running")
    assert not listed(max_creation_time=started - timedelta(seconds=1))
    client.delete_job_metadata("listed", location="US")
    assert not listed()


def test_a_row_is_stored_while_a_statement_changes_its_table(server):
    client = emulator.connect(server["host"], dataset=None)
    client.create_dataset("changing", exists_ok=True)
    client.query_and_wait("CREATE TABLE changing.t (a INT64, b INT64)")
    stopped = threading.Event()

    def change():
        while not stopped.is_set():
            # Of two statements that meet BigQuery, too, refuses one.
            with suppress(GoogleAPICallError):
                client.query_and_wait("UPDATE changing.t SET b = 1 WHERE TRUE")

    changing = threading.Thread(target=change)
    changing.start()
    try:
        table = f"{client.project}.changing.t"
        rows = [Insert(str(a), {"a": a}) for a in range(30)]
        refused = [answer for row in rows for answer in insert(client, table, [row])]
    finally:
        stopped.set()
        changing.join()
    assert refused == []
    counts = "SELECT COUNT(*), COUNT(DISTINCT a) FROM changing.t"
    (counted,) = client.query_and_wait(counts)
    assert counted.values() == (30, 30)


def test_a_table_or_view_that_is_changed_has_its_new_columns_at_once(client):
    client.create_dataset("changing", exists_ok=True)
    name = "changing.table_of"

    def made(statement: str) -> list[str]:
        client.query_and_wait(statement)
        row = next(iter(client.query_and_wait("SELECT * FROM changing.view_of")))
        schema = client.get_table("changing.view_of").schema
        assert list(row.keys()) == [field.name for field in schema]
        return list(row.keys())

    client.query_and_wait("CREATE TABLE changing.table_of AS SELECT 1 AS a")
    assert made("CREATE VIEW changing.view_of AS SELECT * FROM changing.table_of") == [
        "a"
    ]
    assert made(
        "CREATE OR REPLACE VIEW changing.view_of AS SELECT a, 2 AS b "
        "FROM changing.table_of"
    ) == ["a", "b"]
    client.query_and_wait("ALTER TABLE changing.table_of ADD COLUMN c INT64")
    assert client.insert_rows_json(name, [{"a": 5, "c": 6}]) == []
    assert made(
        "CREATE OR REPLACE VIEW changing.view_of AS SELECT c FROM changing.table_of "
        "WHERE a = 5"
    ) == ["c"]
    client.query_and_wait("DROP TABLE changing.table_of")
    client.query_and_wait("CREATE TABLE changing.table_of AS SELECT 7 AS a, 'x' AS c")
    assert client.insert_rows_json(name, [{"a": 5, "c": "text"}]) == []


@pytest.fixture
def created(client):
    """A new dataset, and the text that creates a table and two views in it."""
    client.delete_dataset("created", delete_contents=True, not_found_ok=True)
    client.create_dataset("created")
    path = f"{client.project}.created"
    return [
        f"CREATE TABLE IF NOT EXISTS `{path}.t` (a INT64, at TIMESTAMP);",
        f"CREATE OR REPLACE VIEW `{path}.one` (a, day)\nAS SELECT a, DATE(at) FROM "
        f"`{path}.t`;",
        f"CREATE OR REPLACE VIEW `{path}.two` (a, b)\nAS SELECT *, a + 1 FROM "
        f"(SELECT a FROM `{path}.one`);",
    ]


def created_names(client):
    return sorted(item.table_id for item in client.list_tables("created"))


def test_a_script_creates_views_of_what_it_has_created(client, created):
    client.query_and_wait("\n".join(created))
    client.query_and_wait("INSERT INTO created.t VALUES (1, '2026-05-06 00:30:00')")
    [row] = client.query_and_wait(
        "SELECT b, day FROM created.one JOIN created.two USING (a)"
    )
    assert (row.values(), created_names(client)) == (
        (2, date(2026, 5, 6)),
        ["one", "t", "two"],
    )
    types = [field.field_type for field in client.get_table("created.one").schema]
    assert types == ["INTEGER", "DATE"]


def test_what_a_script_created_before_it_failed_stays(client, created):
    wrong = created[1].replace("SELECT a", "SELECT missing")
    with pytest.raises(GoogleAPICallError, match=r"Unrecognized name: missing .*\[3:"):
        client.query_and_wait("\n".join([created[0], wrong, created[2]]))
    assert created_names(client) == ["t"]


def test_a_script_that_failed_can_be_sent_again(client, created):
    wrong = created[2].replace("a + 1", "missing + 1")
    with pytest.raises(GoogleAPICallError, match="Unrecognized name: missing"):
        client.query_and_wait("\n".join([*created[:2], wrong]))
    client.query_and_wait("\n".join(created))
    assert created_names(client) == ["one", "t", "two"]


def test_a_script_replaces_views_that_exist_and_keeps_tables(client, created):
    client.query_and_wait("\n".join(created))
    client.query_and_wait("INSERT INTO created.t VALUES (1, NULL)")
    client.query_and_wait("\n".join(created).replace("a + 1", "a + 2"))
    [row] = client.query_and_wait("SELECT b FROM created.two")
    assert row.values() == (3,)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("DIV(5 + 127, 128)", 1),
        ("DIV(256, 1 + 1)", 128),
        ("2 * DIV(7, 2)", 6),
        ("DIV(100, DIV(7, 2))", 33),
        ("DIV(-7, 2)", -3),
    ],
)
def test_a_whole_division_keeps_its_sides_in_brackets(client, expression, value):
    [row] = client.query_and_wait(f"SELECT {expression}")
    assert row.values() == (value,)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("~1 + 1", -1),
        ("2 * ~1", -4),
        ("-~5", 6),
        ("~ ~5", 5),
        ("1 | 2 ^ 3", 1),
        ("6 ^ 3 & 1", 7),
        ("8 | 3 & 5", 9),
        ("1 | 1 << 2", 5),
        ("1 << 2 + 1", 8),
        ("6 & 3 = 2", True),
    ],
)
def test_operators_of_bits_bind_as_in_bigquery(client, expression, value):
    [row] = client.query_and_wait(f"SELECT {expression}")
    assert row.values() == (value,)


@pytest.mark.parametrize(
    ("grouped", "counts"),
    [
        ("GROUP BY n", {1: 2, 3: 1}),
        ("GROUP BY N HAVING n > 1 AND MAX(n) = 3", {3: 1}),
        ("GROUP BY n HAVING MIN(n) < 0", {1: 2}),
        ("GROUP BY ROLLUP(n)", {1: 2, 3: 1, None: 3}),
        ("GROUP BY GROUPING SETS ((n), ())", {1: 2, 3: 1, None: 3}),
        ("GROUP BY t.n HAVING t.n > 1", {3: 1}),
    ],
)
def test_a_name_in_group_by_is_that_of_the_select_list(client, grouped, counts):
    """`TIMESTAMP_TRUNC(t, HOUR) AS t ... GROUP BY t` counts by the hour."""
    numbers = "(SELECT n FROM UNNEST([1, -1, 3]) AS n) AS t"
    rows = client.query_and_wait(
        f"SELECT ABS(n) AS n, COUNT(*) AS rows_ FROM {numbers} {grouped}"
    )
    assert dict(row.values() for row in rows) == counts
    structs = client.query_and_wait(
        f"SELECT r.* FROM UNNEST(ARRAY(SELECT AS STRUCT ABS(n) AS n, COUNT(*) AS rows_ "
        f"FROM {numbers} {grouped})) AS r"
    )
    assert dict(row.values() for row in structs) == counts


@pytest.mark.parametrize("text", ["12.5", "1e3", "", "0x", "yes", "t", "1 2"])
def test_text_that_is_not_a_value_is_not_converted(client, text):
    for kind in ("INT64", "BOOL"):
        for value in (f"'{text}'", f"SPLIT('{text}', ',')[OFFSET(0)]"):
            [row] = client.query_and_wait(f"SELECT SAFE_CAST({value} AS {kind})")
            assert row.values() == (None,)
            with pytest.raises(GoogleAPICallError, match=f"Bad {kind.lower()} value"):
                client.query_and_wait(f"SELECT CAST({value} AS {kind})")


def test_text_that_is_a_value_is_converted(client):
    texts = "' 12 '", "'-3'", "'0x1F'", "NULL"
    numbers = ", ".join(f"CAST({text} AS INT64)" for text in texts)
    [row] = client.query_and_wait(f"SELECT {numbers}, CAST('True' AS BOOL)")
    assert row.values() == (12, -3, 31, None, True)


UTC_1 = "TIMESTAMP '2026-07-10 01:45:00.25'"
LOCAL_1 = "DATETIME '2026-07-10 01:45:00.25'"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (f"DATE_TRUNC({UTC_1}, MONTH)", "2026-07-01 00:00:00+00"),
        (f"DATE_TRUNC({UTC_1}, DAY, 'Europe/London')", "2026-07-09 23:00:00+00"),
        (f"DATE_TRUNC({LOCAL_1}, HOUR)", "2026-07-10 01:00:00"),
        (f"DATE_TRUNC(DATE({UTC_1}), MONTH)", "2026-07-01"),
        (f"DATE_ADD({UTC_1}, INTERVAL 1 HOUR)", "2026-07-10 02:45:00.250+00"),
        (f"DATE_SUB({LOCAL_1}, INTERVAL 1 MONTH)", "2026-06-10 01:45:00.250"),
        (f"DATE_DIFF({UTC_1}, TIMESTAMP '2026-07-09 02:00:00', DAY)", "0"),
        (f"DATE_DIFF({LOCAL_1}, DATETIME '2026-07-09 02:00:00', DAY)", "1"),
        (f"TIMESTAMP_DIFF({LOCAL_1}, DATETIME '2026-07-10 00:59:00', HOUR)", "1"),
        (f"EXTRACT(HOUR FROM {UTC_1} - TIMESTAMP '2026-07-09 00:45:00')", "25"),
        (f"EXTRACT(MILLISECOND FROM {UTC_1})", "250"),
        ("EXTRACT(MICROSECOND FROM TIMESTAMP '2026-01-01 00:00:07.5')", "500000"),
        (
            "TIMESTAMP(DATETIME '2026-10-25 01:30:00', 'Europe/London')",
            "2026-10-25 00:30:00+00",
        ),
        (
            "TIMESTAMP(DATETIME '2026-10-25 02:00:00', 'Europe/London')",
            "2026-10-25 02:00:00+00",
        ),
        (
            "SAFE.TIMESTAMP('2026-10-25 02:00:00', 'Europe/London')",
            "2026-10-25 02:00:00+00",
        ),
        (
            "PARSE_TIMESTAMP('%F %H', '2026-10-25 01', 'Europe/London')",
            "2026-10-25 00:00:00+00",
        ),
    ],
)
def test_a_function_of_times_returns_the_result_of_bigquery(client, expression, text):
    [row] = client.query_and_wait(f"SELECT CAST({expression} AS STRING)")
    assert row.values() == (text,)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("SAFE_OFFSET(n)", [None, None, 10, 20, None]),
        ("SAFE_OFFSET(n + 1)", [None, 10, 20, None, None]),
        ("SAFE_ORDINAL(n)", [None, None, None, 10, 20]),
    ],
)
def test_an_element_is_found_by_a_computed_place(client, place, expected):
    rows = client.query_and_wait(
        f"SELECT [10, 20][{place}] FROM UNNEST([-2, -1, 0, 1, 2]) AS n ORDER BY n"
    )
    assert [row[0] for row in rows] == expected


@pytest.mark.parametrize("quotient", ["n / 2", "(n / 2)", "n / m", "SUM(n) / 2"])
def test_a_quotient_is_rounded_away_from_zero(client, quotient):
    rows = client.query_and_wait(
        f"SELECT CAST({quotient} AS INT64), SAFE_CAST({quotient} AS INT64) "
        "FROM UNNEST([5, -5]) AS n, UNNEST([2]) AS m GROUP BY n, m ORDER BY n"
    )
    assert [row.values() for row in rows] == [(-3, -3), (3, 3)]


@pytest.mark.parametrize(
    ("arguments", "days"),
    [
        (
            "'2026-01-31', DATE '2026-04-30', INTERVAL 1 MONTH",
            "01-31 02-28 03-31 04-30",
        ),
        ("'2026-05-31', '2026-01-01', INTERVAL -2 MONTH", "05-31 03-31 01-31"),
        ("'2026-01-31', '2026-08-01', INTERVAL 1 QUARTER", "01-31 04-30 07-31"),
        ("'2026-01-31', '2026-01-30', INTERVAL 1 MONTH", ""),
        ("'2026-01-01', '2026-03-01', INTERVAL 1 MONTH", "01-01 02-01 03-01"),
        ("'2026-01-01', '2026-01-09', INTERVAL 1 WEEK", "01-01 01-08"),
    ],
)
def test_every_step_of_an_array_of_dates_is_from_its_start(client, arguments, days):
    [row] = client.query_and_wait(f"SELECT GENERATE_DATE_ARRAY({arguments})")
    assert [f"{day:%m-%d}" for day in row[0]] == days.split()


def test_a_substring_from_0_begins_with_the_first_character(client):
    [row] = client.query_and_wait("SELECT SUBSTR('abc', 0, 2), SUBSTR('abc', -2, 1)")
    assert row.values() == ("ab", "b")


def test_thousands_are_separated_by_commas(client):
    [row] = client.query_and_wait("""SELECT FORMAT("%'d %'.1f", 1234567, 1234.5)""")
    assert row.values() == ("1,234,567 1,234.5",)


def test_rows_outlive_a_kill_and_a_query_starts_the_server_itself(data, client, server):
    """The last test: it kills the server of the others."""
    client.query_and_wait("CREATE TABLE kept AS SELECT 1 AS n")
    os.kill(server["pid"], signal.SIGKILL)
    done = query(data, "SELECT n FROM kept")
    assert done.stdout == '{"n": 1}\n', done.stderr
