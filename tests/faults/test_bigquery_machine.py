"""A local BigQuery whose disk is full, or that is killed: no row is lost or doubled."""

import json
import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from local.ports import private_port
from pipeline.bigquery import appends, loads
from pipeline.bigquery.client import connect, connect_writer
from pipeline.bigquery.inserts import Insert
from pipeline.bigquery.loads import run_job
from pipeline.bigquery.warehouse import Warehouse
from pipeline.registry import load_registry
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.faults.machine_fixture import (
    full_disk,
    kill_server,
    server_pid,
    wait_for_end,
)
from tests.integration.bigquery_fixture import connected, ended_job, server
from tests.integration.bridge_fixture import wait_until
from tests.integration.history_fixture import registry_of
from tests.unit.pipeline.bigquery.rows_fixture import generated_rows

pytestmark = pytest.mark.faults

FREQ = load_registry()["FREQ"]
TABLE = f"gb-iris.d.{FREQ.table}"
COUNT = 40
# It runs for five seconds on a machine of any speed: longer than the server lets the
# request that starts a job wait.
SLOW_SQL = """
DECLARE until TIMESTAMP DEFAULT TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 5 SECOND);
WHILE CURRENT_TIMESTAMP() < until DO
  SELECT 1;
END WHILE
"""
# A result of 50 MB.
LARGE_SQL = """
SELECT GENERATE_UUID() AS id FROM UNNEST(GENERATE_ARRAY(1, 1500000))
"""
ROOM_BYTES = 16_000_000  # which `local.bigquery.upkeep` looks for
# It takes a second or more to store them.
LOADED = 4_000_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[bigquery.Client]:
    with (
        server(data) as ready,
        connected(ready["host"]) as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("BIGQUERY_GRPC_PORT", str(ready["grpc_port"]))
        appends.own_stream.cache_clear()
        connect_writer.cache_clear()
        client.create_dataset("d")
        apply_tables(client, "d", list(all_tables(registry_of("FREQ"))), "EU")
        yield client
        connect_writer.cache_clear()


def rows(count: int) -> list[Insert]:
    """Rows of this many records, none of them seen before."""
    (row, *_) = generated_rows(FREQ)
    ids = [uuid.uuid4().hex for _ in range(count)]
    return [Insert(name, {**row, "record_id": name}) for name in ids]


def stored(client: bigquery.Client, wanted: list[Insert]) -> list[str]:
    ids = bigquery.ArrayQueryParameter(
        "ids", "STRING", [row.insert_id for row in wanted]
    )
    found = client.query_and_wait(
        f"SELECT record_id FROM `{TABLE}` WHERE record_id IN UNNEST(@ids)",
        job_config=bigquery.QueryJobConfig(query_parameters=[ids]),
    )
    return sorted(row.record_id for row in found)


class Waiting(logging.Handler):
    """Notices that the pipeline says that rows wait."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if " wait: " in record.getMessage():
            self.said.set()


@pytest.fixture
def waiting() -> Iterator[threading.Event]:
    handler, log = Waiting(), logging.getLogger("pipeline.bigquery")
    log.addHandler(handler)
    yield handler.said
    log.removeHandler(handler)


@pytest.mark.promise(
    part="local BigQuery",
    fault="the disk is full, or memory is short",
    happens="it answers 503 `backendError`, and rows wait",
    lost="0",
    doubled="0",
    recovery="within 30 s of room",
    sees="`TABLE: N rows wait: … disk, memory or locks of the server`",
)
@pytest.mark.parametrize("count", [1, COUNT])
@pytest.mark.parametrize("method", [Warehouse.insert, Warehouse.append])
def test_rows_wait_for_a_full_disk_and_are_stored_once(
    client: bigquery.Client,
    data: Path,
    waiting: threading.Event,
    method: Callable[..., dict[str, Any]],
    count: int,
) -> None:
    sent = rows(count)
    with ThreadPoolExecutor() as threads:
        with full_disk(data):
            answer = threads.submit(
                method, Warehouse("gb-iris", "d"), {FREQ.table: sent}
            )
            assert waiting.wait(60)
        assert answer.result(60) == {FREQ.table: []}
    assert stored(client, sent) == sorted(row.insert_id for row in sent)


def test_a_bad_row_is_refused_and_its_neighbours_wait_for_a_full_disk(
    client: bigquery.Client, data: Path, waiting: threading.Event
) -> None:
    sent = rows(3)
    sent[1].values["frequency"] = "fifty"
    with ThreadPoolExecutor() as threads:
        with full_disk(data):
            answer = threads.submit(
                Warehouse("gb-iris", "d").insert, {FREQ.table: sent}
            )
            assert waiting.wait(60)
        (refused,) = answer.result(60)[FREQ.table]
    assert refused.position == 1
    assert len(stored(client, sent)) == 2


def test_a_statement_on_a_full_disk_is_a_fault_of_the_service(
    client: bigquery.Client, data: Path
) -> None:
    with (
        full_disk(data),
        pytest.raises(Exception, match=r"503 .*disk, memory or locks"),
    ):
        client.query_and_wait(
            "CREATE TABLE d.full AS SELECT 1 AS n", retry=None, job_retry=None
        )


@pytest.mark.promise(
    part="local BigQuery",
    fault="DuckDB gives its database up: the disk is full while it tidies up",
    happens="the server ends, and is started again",
    lost="0",
    doubled="0",
    recovery="within 5 s of room",
    sees="`ends, as DuckDB cannot go on` in its log, and its end in that of the run",
)
def test_a_server_whose_database_was_given_up_ends(tmp_path: Path) -> None:
    port, data = private_port(), tmp_path / "data"
    with server(data, port) as ready, connected(ready["host"]) as client:
        client.query_and_wait(LARGE_SQL)
        pid = server_pid(data)
        # Enough for the file with which it looks for room, and less than its database
        # has: only the checkpoint fails.
        with full_disk(data, 2 * ROOM_BYTES):
            client.query_and_wait("SELECT 1")
            wait_for_end(pid)
    with server(data, port) as ready, connected(ready["host"]) as client:
        (row,) = client.query_and_wait("SELECT 1 AS n")
        assert row.n == 1


@pytest.mark.promise(
    part="local BigQuery",
    fault="the disk is full when a job ends",
    happens="its end is kept in memory",
    lost="0",
    doubled="0",
    recovery="no outage",
    sees="the error of the job, if it failed",
)
def test_a_job_that_ends_on_a_full_disk_is_known_to_have_ended(
    client: bigquery.Client, data: Path
) -> None:
    """Its state cannot be saved: nobody waits for it forever."""
    job = client.query(SLOW_SQL, job_retry=None)
    with full_disk(data):
        assert job.state != "DONE", "it must still run"
        ended_job(client, job.job_id)


@pytest.mark.promise(
    part="local BigQuery",
    fault="`sql apply` is killed, and run again at once",
    happens="a statement in conflict is run again",
    lost="0",
    doubled="0",
    recovery="within 5 s",
    sees="nothing",
)
def test_two_applies_at_once_both_succeed(client: bigquery.Client) -> None:
    """As after a kill, when the last statement of the first one still runs."""
    wanted = list(all_tables(registry_of("FREQ", "BOALF", "MID", "FUELINST")))
    with ThreadPoolExecutor() as threads:
        done = [
            threads.submit(apply_tables, client, "twice", wanted, "EU") for _ in "12"
        ]
    names = {name for one in done for name in one.result().created}
    assert names == {table.name for table in wanted}


def test_a_run_says_for_which_job_it_waits(
    client: bigquery.Client,
    monkeypatch: pytest.MonkeyPatch,
    waiting: threading.Event,
) -> None:
    monkeypatch.setattr(loads, "SAID_SECONDS", 0.1)

    def start(job_id: str) -> Any:
        return client.query(SLOW_SQL, job_id=job_id, job_retry=None)

    run_job(client, start, TABLE, f"{TABLE}: rows")
    assert waiting.is_set()


@pytest.fixture
def many_rows(tmp_path: Path) -> Path:
    """A file of rows that takes a while to be loaded."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"n": pa.array(range(LOADED), pa.int64())}), path)
    return path


@pytest.mark.promise(
    part="local BigQuery",
    fault="it is killed in a load job",
    happens=(
        "the job is closed at the next start, with what it did; the load is "
        "repeated if it has failed"
    ),
    lost="0",
    doubled="0",
    recovery="the next start, then within 30 s",
    sees="`the server was stopped while the job ran`",
)
def test_a_load_during_which_the_server_is_killed_stores_each_row_once(
    tmp_path: Path, many_rows: Path
) -> None:
    port, data = private_port(), tmp_path / "data"
    config = bigquery.LoadJobConfig(source_format="PARQUET")

    def start(job_id: str) -> Any:
        with many_rows.open("rb") as file:
            return connect("gb-iris").load_table_from_file(
                file, "d.many", job_id=job_id, job_config=config, timeout=60
            )

    with ThreadPoolExecutor() as threads:
        with server(data, port) as ready, connected(ready["host"]) as client:
            client.create_dataset("d")
            schema = [bigquery.SchemaField("n", "INTEGER")]
            client.create_table(bigquery.Table("gb-iris.d.many", schema))
            answer = threads.submit(run_job, client, start, "d.many", "d.many: rows")
            wait_until(lambda: any(client.list_jobs(state_filter="running")))
            kill_server(data)
        with server(data, port) as ready, connected(ready["host"]) as client:
            answer.result(120)
            (row,) = client.query_and_wait(
                "SELECT COUNT(*) AS n, COUNT(DISTINCT n) AS d FROM d.many"
            )
    assert (row.n, row.d) == (LOADED, LOADED)


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_job_that_a_server_left_unfinished_is_closed_with_what_it_did(
    tmp_path: Path, *, is_stored: bool
) -> None:
    data = tmp_path / "data"
    with server(data) as ready, connected(ready["host"]) as client:
        client.create_dataset("d")
        schema = [bigquery.SchemaField("n", "INTEGER")]
        table = client.create_table(bigquery.Table("gb-iris.d.t", schema))
        config = bigquery.LoadJobConfig(schema=schema)
        client.load_table_from_json(
            [{"n": 1}], table, job_id="left", job_config=config
        ).result()
    leave_running(data / "bigquery" / "jobs.sqlite", "left" if is_stored else "other")
    with server(data) as ready, connected(ready["host"]) as client:
        job = client.get_job("left" if is_stored else "other")
        assert job.state == "DONE"
        assert (job.error_result is None) == is_stored
        if not is_stored:
            assert job.error_result["reason"] == "backendError"


def leave_running(jobs: Path, name: str) -> None:
    """Makes the one job of a file look as a kill leaves it, under a name."""
    with closing(sqlite3.connect(jobs)) as file, file:
        ((text,),) = file.execute("SELECT resource FROM jobs WHERE job_id = 'left'")
        job = json.loads(text)
        job["status"] = {"state": "RUNNING"}
        job["jobReference"]["jobId"] = name
        file.execute(
            "UPDATE jobs SET state = 'RUNNING', job_id = ?, resource = ? "
            "WHERE job_id = 'left'",
            (name, json.dumps(job)),
        )
