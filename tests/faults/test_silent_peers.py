"""The other end accepts and answers nothing, or a connection has died unseen."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

from command import network, silence
from command.tables_path import TablesPath
from dashboard import viewing
from dashboard import warehouse as dashboard_warehouse
from dashboard.pages import PAGES
from dashboard.viewing import Viewing
from local.bigquery import emulator
from local.stack import summary
from local.stack.monitor import Monitor
from pipeline.bigquery import appends
from pipeline.bigquery.client import connect_writer
from pipeline.bigquery.inserts import Insert
from pipeline.bigquery.warehouse import Warehouse
from pipeline.registry import load_registry
from pipeline.subscription import PUBSUB_ERRORS, Subscription
from sql.apply import apply_tables, apply_views
from sql.connection import connect_reader
from sql.tables import all_tables
from tests.faults.machine_fixture import frozen, server_pid
from tests.faults.silent_proxy import SilentProxy, silent_proxy
from tests.integration.bigquery_fixture import connected, server
from tests.integration.bridge_fixture import (
    CLEAN,
    ROOT,
    TOPIC,
    Simulator,
    bridge_of,
    pubsub_with_topic,
    running,
    wait_until,
    write_samples,
)
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, PubsubServer
from tests.unit.pipeline.bigquery.rows_fixture import generated_rows

pytestmark = pytest.mark.faults

PROJECT = "gb-iris"
FREQ = load_registry()["FREQ"]
COUNT = 100
# A dead connection is noticed in two seconds, where it takes 10 to 40.
QUICK = [("grpc.keepalive_time_ms", 1_000), ("grpc.http2.ping_timeout_ms", 1_000)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "GRPC_ASKS", QUICK)


@pytest.fixture
def storage(
    quick: None, bigquery_server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[SilentProxy]:
    """A proxy before the Storage API of the local BigQuery, which everything uses."""
    caches = (connect_writer, connect_reader, appends.own_stream)
    with silent_proxy(f"127.0.0.1:{bigquery_server['grpc_port']}") as proxy:
        monkeypatch.setenv("BIGQUERY_GRPC_PORT", proxy.host.rpartition(":")[2])
        for cache in caches:
            cache.cache_clear()
        yield proxy
        for cache in caches:
            cache.cache_clear()


@pytest.mark.promise(
    part="bridge",
    fault="a connection to Pub/Sub has died unseen",
    happens="gRPC asks it, gives it up, and opens another one; locks are renewed",
    lost="0",
    doubled="0",
    recovery="within 40 s, or once its request has timed out: 60 s",
    sees="`publish failed; trying again` in the log",
)
def test_a_dead_connection_of_the_bridge_is_replaced(tmp_path: Path) -> None:
    ids = write_samples(tmp_path / "samples", COUNT)
    with (
        pubsub_with_topic(tmp_path / "pubsub") as pubsub,
        silent_proxy(pubsub.host) as proxy,
        running(Simulator("--samples", str(tmp_path / "samples"))) as simulator,
        bridge_of(simulator, cast(Any, proxy), tmp_path) as bridge,
    ):
        wait_until(lambda: simulator.completed() == COUNT)
        proxy.fall_silent()
        simulator.put(b"[{}]", "FREQ_202605080003_1.json", "FREQ")
        wait_until(lambda: simulator.completed() == COUNT + 1)
        assert bridge.logged("publish failed; trying again")
        assert bridge.metric("lock_lost_total") == 0
        messages = pubsub.pull(COUNT + 1)
    found = [message.attributes["message_id"] for message in messages]
    assert sorted(found) == sorted({*ids, "FREQ_202605080003_1.json"})
    assert proxy.accepted > 1


@pytest.mark.promise(
    part="pipeline",
    fault="a drain's connection to Pub/Sub has died unseen",
    happens="gRPC asks it, gives it up, and opens another one",
    lost="0",
    doubled="0",
    recovery="within 40 s",
    sees="`cannot be read: … ; trying again in N s`; of a single drain exit code 1",
)
def test_a_dead_connection_of_a_drain_is_replaced(
    quick: None, pubsub: PubsubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Clients(pubsub.host, monkeypatch) as clients, silent_proxy(pubsub.host) as way:
        topic = clients.topic()
        name = clients.subscription(topic)
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", way.host)
        with Subscription(name) as subscription:
            clients.publish(topic, b"[]", dataset="FREQ")
            subscription.acknowledge(subscription.pull().ack_ids)
            way.fall_silent()
            clients.publish(topic, b"[{}]", dataset="FREQ")
            pulled = wait_until(lambda: pulled_by(subscription))
            assert [message.data for message in pulled.messages] == [b"[{}]"]
            subscription.acknowledge(pulled.ack_ids)
        assert clients.nothing_left(name)


def pulled_by(subscription: Subscription) -> Any:
    try:
        return subscription.pull()
    except PUBSUB_ERRORS:
        return None


@pytest.mark.promise(
    part="pipeline",
    fault="a connection to the Storage Write API has died unseen",
    happens="gRPC asks it, gives it up, and opens another one",
    lost="0",
    doubled=(
        "0 with exactly-once appends; otherwise rows of that request in `_iris`, with"
        " the same `record_id`"
    ),
    recovery="within 40 s",
    sees="`TABLE: N rows wait: …`",
)
@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_dead_connection_of_appends_is_replaced(
    client: bigquery.Client, dataset: str, storage: SilentProxy, *, exactly_once: bool
) -> None:
    rows = [Insert(row["record_id"], row) for row in generated_rows(FREQ)]
    first, *others = rows
    warehouse = Warehouse(PROJECT, dataset)
    for part in ([first], others):
        written = warehouse.append({FREQ.table: part}, exactly_once=exactly_once)
        assert not any(written.values())
        storage.fall_silent()
    found = client.query_and_wait(
        f"SELECT record_id FROM `{PROJECT}.{dataset}.{FREQ.table}`"
    )
    assert sorted(row.record_id for row in found) == sorted(r.insert_id for r in rows)
    assert storage.accepted > 1


def test_a_dead_connection_of_reads_is_replaced(
    dataset: str, storage: SilentProxy
) -> None:
    reader = connect_reader()
    assert reader
    wanted = ReadSession(
        table=f"projects/{PROJECT}/datasets/{dataset}/tables/{FREQ.table}",
        data_format=DataFormat.ARROW,
    )
    for _ in range(2):
        reader.create_read_session(parent=f"projects/{PROJECT}", read_session=wanted)
        storage.fall_silent()
    assert storage.accepted > 1


READ = "from gb_iris import read; read('FREQ')"
ON_PROJECT = f"--project={PROJECT}"
COMMANDS = (
    ["-m", "sql", "apply", ON_PROJECT],
    ["-m", "sql", "check", ON_PROJECT],
    ["-m", "sql", "refresh", ON_PROJECT],
    ["-m", "sql", "status", ON_PROJECT],
    ["-m", "sql", "query", ON_PROJECT, "SELECT 1"],
    ["-m", "sql", "tables", ON_PROJECT],
    ["-m", "bridge", "replay", "--dry-run"],
    ["-c", READ],
)


@pytest.mark.promise(
    part="local BigQuery",
    fault="it is frozen when a command or `gb_iris.read` starts",
    happens="the command ends",
    lost="0",
    doubled="0",
    recovery="run it again",
    sees="`accepts a connection, and answers nothing for 15 s`, exit code not 0",
)
def test_commands_on_a_frozen_bigquery_end_and_say_so(tmp_path: Path) -> None:
    with server(tmp_path / "data") as ready:
        variables = {
            "BIGQUERY_EMULATOR_HOST": ready["host"],
            "BIGQUERY_GRPC_PORT": str(ready["grpc_port"]),
            "PUBSUB_TOPIC": TOPIC,
            "PYTHONPATH": str(ROOT),
        }
        with frozen(server_pid(tmp_path / "data")):
            started = [
                subprocess.Popen(
                    [sys.executable, *command],
                    env=CLEAN | variables,
                    cwd=tmp_path,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for command in COMMANDS
            ]
            for process in started:
                errors = process.communicate(timeout=120)[1]
                assert "answers nothing for 15 s" in errors, process.args
                assert process.returncode != 0


@pytest.mark.promise(
    part="local BigQuery",
    fault="it is frozen while a command waits for its answer",
    happens="the command waits",
    lost="0",
    doubled="0",
    recovery="at once",
    sees="`BigQuery at ADDRESS has not answered for N s: waiting for it`",
)
def test_a_bigquery_that_freezes_in_mid_statement_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(silence, "QUIET_SECONDS", 0.5)
    monkeypatch.setattr(silence, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(network, "BUSY_SECONDS", 0.5)
    with (
        server(tmp_path / "data") as ready,
        connected(ready["host"]) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        with frozen(server_pid(tmp_path / "data")):
            asked = thread.submit(client.query_and_wait, "SELECT 1 AS n")
            wait_until(lambda: f"{ready['host']} has not answered for" in caplog.text)
        (row,) = asked.result(timeout=60)
        wait_until(lambda: "BigQuery answers again, after" in caplog.text)
    assert row.n == 1


def test_a_run_ends_while_bigquery_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it asks at its end, for the last counts, has a limit."""
    with server(tmp_path / "data") as ready:
        client = emulator.connect(ready["host"])
        client.create_dataset(emulator.DATASET)
        tables = list(all_tables(registry_of("FREQ")))
        apply_tables(client, emulator.DATASET, tables, "EU")
        monitor = Monitor(client, "", None, backlog=7)
        monkeypatch.setattr(summary, "ANSWER_SECONDS", 0.5)
        with frozen(server_pid(tmp_path / "data")):
            assert monitor.finish().backlog == 7


@pytest.mark.promise(
    part="one machine",
    fault="BigQuery is frozen while somebody looks at the dashboard",
    happens="pages stay, with what they have; no more than four queries wait",
    lost="0",
    doubled="0",
    recovery="within 10 s",
    sees="after 12 s `BigQuery takes long to answer`, then that it does not answer",
)
def test_a_page_says_that_bigquery_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "SLOW_SECONDS", 0.5)
    page = PAGES["now"]

    async def until(condition: Callable[[dict[str, Any]], bool]) -> None:
        async with asyncio.timeout(120):
            while not condition(await shown.state(page, {})):
                await asyncio.sleep(0.1)  # the state is the condition waited for

    async def scenario() -> None:
        # From here on only the ledger is asked, for news.
        await until(lambda state: all(x["asked"] for x in state["tiles"].values()))
        with frozen(server_pid(tmp_path / "data")):
            await until(lambda state: "takes long to answer" in state["banner"])
        await until(lambda state: state["banner"] == "")

    with server(tmp_path / "data") as ready:
        client = emulator.connect(ready["host"])
        client.create_dataset(emulator.DATASET)
        tables = list(all_tables(load_registry()))
        apply_tables(client, emulator.DATASET, tables, "EU")
        apply_views(client, emulator.DATASET, load_registry())
        path = TablesPath(PROJECT, emulator.DATASET)
        shown = Viewing(
            dashboard_warehouse.Warehouse(client, path, is_local=True), lambda: 0.1
        )
        asyncio.run(scenario())
        shown.close()


def test_a_statement_that_takes_long_is_no_silence(
    client: bigquery.Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks: list[bool] = []

    def answers(host: str, seconds: float) -> bool:
        looks.append(network_answers(host, seconds))
        return looks[-1]

    network_answers = network.answers
    monkeypatch.setattr(silence, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(silence, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(network, "answers", answers)
    own = bigquery.Client(
        PROJECT,
        AnonymousCredentials(),  # type: ignore[no-untyped-call] # google-auth
        client_options={"api_endpoint": os.environ["BIGQUERY_EMULATOR_HOST"]},
    )
    silence.attended(own, os.environ["BIGQUERY_EMULATOR_HOST"])
    own.query_and_wait(
        "DECLARE until TIMESTAMP DEFAULT "
        "TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 2 SECOND); "
        "WHILE CURRENT_TIMESTAMP() < until DO SELECT 1; END WHILE"
    )
    assert looks
    assert all(looks)
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.promise(
    part="cloud",
    fault="a command's connection to BigQuery has died unseen",
    happens="its request ends after a minute, and is sent again",
    lost="0",
    doubled="0",
    recovery="within 60 s",
    sees="`BigQuery has not answered for N s: waiting for it`",
)
def test_a_dead_connection_of_the_services_client_is_replaced(
    client: bigquery.Client,
    dataset: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The service is the local BigQuery here; its client is that of the service."""
    monkeypatch.setattr(silence, "SERVICE_SECONDS", 2.0)
    monkeypatch.setattr(silence, "QUIET_SECONDS", 0.5)
    monkeypatch.setattr(silence, "LOOK_SECONDS", 0.1)
    host = os.environ["BIGQUERY_EMULATOR_HOST"].removeprefix("http://")
    with silent_proxy(host) as proxy:
        own = bigquery.Client(
            PROJECT,
            AnonymousCredentials(),  # type: ignore[no-untyped-call] # google-auth
            client_options={"api_endpoint": f"http://{proxy.host}"},
        )
        silence.attended(own, None)
        assert list(own.list_tables(dataset))
        proxy.fall_silent()
        assert list(own.list_tables(dataset))
        assert proxy.accepted > 1
    assert "BigQuery has not answered for" in caplog.text
    assert "BigQuery answers again, after" in caplog.text
