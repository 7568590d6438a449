"""The other end accepts and answers nothing, or a connection has died unseen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

from command import network
from pipeline.bigquery import appends
from pipeline.bigquery.client import connect_writer
from pipeline.bigquery.inserts import Insert
from pipeline.bigquery.warehouse import Warehouse
from pipeline.registry import load_registry
from pipeline.subscription import PUBSUB_ERRORS, Subscription
from sql.connection import connect_reader
from tests.faults.silent_proxy import SilentProxy, silent_proxy
from tests.integration.bridge_fixture import (
    Simulator,
    bridge_of,
    pubsub_with_topic,
    running,
    wait_until,
    write_samples,
)
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
        wait_until(lambda: completed(simulator) == COUNT)
        proxy.fall_silent()
        simulator.put(b"[{}]", "FREQ_202605080003_1.json", "FREQ")
        wait_until(lambda: completed(simulator) == COUNT + 1)
        assert bridge.logged("publish failed; trying again")
        assert bridge.metric("lock_lost_total") == 0
        messages = pubsub.pull(COUNT + 1)
    found = [message.attributes["message_id"] for message in messages]
    assert sorted(found) == sorted({*ids, "FREQ_202605080003_1.json"})
    assert proxy.accepted > 1


def completed(simulator: Simulator) -> int:
    return int(simulator.stats()["queue"]["completed"])


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
