"""A drain that is killed at any moment: nothing lost, nothing counted wrong."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from pipeline.archive_file import read_messages
from pipeline.ledger import COUNTS
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.bigquery_fixture import connected, own_dataset
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, PubsubServer, pubsub_server

pytestmark = pytest.mark.faults

PROJECT = "gb-iris"
COUNT = 5_000
BROKEN, UNKNOWN = 20, 30
# Enough for the suite; `DRAIN_KILLS=20` for a long look.
KILLS = int(os.environ.get("DRAIN_KILLS", "2"))
START_SECONDS = 60.0
# From before the first pull to after the acknowledgement.
LATEST_KILL_SECONDS = 6.0


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    with connected(tmp_path_factory.mktemp("bigquery")) as client:
        yield client


@pytest.fixture
def dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> str:
    name = own_dataset(client, request)
    registry = registry_of("FREQ", "NDF")
    apply_tables(client, name, list(all_tables(registry)), "EU")
    apply_views(client, name, registry)
    return name


@pytest.fixture
def pubsub(tmp_path: Path) -> Iterator[PubsubServer]:
    with pubsub_server("embedded", tmp_path / "pubsub") as server:
        yield server


class Drain:
    """`python -m pipeline --drain`, its log at hand."""

    def __init__(
        self,
        pubsub: PubsubServer,
        subscription: str,
        dataset: str,
        log: Path,
        *more: str,
    ) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "pipeline", "--drain",
                    f"--subscription={subscription}", f"--project={PROJECT}",
                    f"--dataset={dataset}", *more,
                ],
                env=os.environ | {"PUBSUB_EMULATOR_HOST": pubsub.host},
                stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.wait_until(lambda: "draining" in log.read_text())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ended(self) -> int:
        return self.process.wait(timeout=120)


def publish(clients: Clients, topic: str) -> None:
    """Publishes `COUNT` messages of two records, some broken, some of no dataset."""
    futures = []
    for number in range(COUNT):
        dataset, body = "FREQ", json.dumps(json.dumps(records(number))).encode()
        if number < BROKEN:
            body = b"[{"
        elif number < BROKEN + UNKNOWN:
            dataset = "NEW"
        attributes = {"dataset": dataset, "message_id": f"FREQ_{number}.json"}
        futures.append(clients.publisher.publish(topic, body, **attributes))
    for future in futures:
        future.result(timeout=60)


def records(number: int) -> list[dict[str, Any]]:
    minute, second = divmod(number, 60)
    hour, minute = divmod(minute, 60)
    moment = f"2026-05-08T{hour:02}:{minute:02}:{second:02}"
    return [
        {"dataset": "FREQ", "measurementTime": f"{moment}{half}Z", "frequency": 50.0}
        for half in ("", ".500")
    ]


def asked(client: bigquery.Client, dataset: str, sql: str) -> dict[str, Any]:
    place = bigquery.DatasetReference(PROJECT, dataset)
    config = bigquery.QueryJobConfig(default_dataset=place)
    (row,) = client.query(sql, job_config=config).result()
    return dict(row)


def test_killed_at_any_moment(
    client: bigquery.Client,
    dataset: str,
    pubsub: PubsubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = tmp_path / "archive"
    with Clients(pubsub.host, monkeypatch) as clients:
        topic = clients.topic()
        subscription = clients.subscription(topic)
        publish(clients, topic)

    def drain(name: str) -> Drain:
        log = tmp_path / f"{name}.log"
        more = (f"--archive_prefix={archive}", f"--max_messages={COUNT}")
        return Drain(pubsub, subscription, dataset, log, *more)

    moments = random.Random(KILLS)
    for kill in range(KILLS):
        running = drain(f"killed-{kill}")
        time.sleep(moments.uniform(0, LATEST_KILL_SECONDS))
        running.kill()
        # Its leases end with the server; else each would take ten seconds to run out.
        pubsub.kill()
        pubsub.start()
    last = drain("last")
    assert last.ended() == 0, last.log.read_text()

    with Clients(pubsub.host, monkeypatch) as clients:
        assert clients.nothing_left(subscription)
    sums = ", ".join(f"SUM(`{name}`) AS `{name}`" for name in COUNTS)
    ledger = asked(client, dataset, f"SELECT {sums} FROM iris_ledger")
    outcomes = ("rows", "duplicates", "dead_letters", "unmapped")
    assert ledger["records"] == sum(ledger[name] for name in outcomes)
    assert ledger["messages"] >= COUNT
    good = COUNT - BROKEN - UNKNOWN
    seen = asked(
        client, dataset,
        "SELECT COUNT(*) AS shown, COUNT(DISTINCT record_id) AS records,"
        " COUNT(DISTINCT message_id) AS messages FROM bmrs_freq_unified",
    )  # fmt: skip
    assert seen == {"shown": 2 * good, "records": 2 * good, "messages": good}
    for table, expected in (("iris_dead_letters", BROKEN), ("iris_unmapped", UNKNOWN)):
        sql = f"SELECT COUNT(DISTINCT message_id) AS messages FROM {table}"
        assert asked(client, dataset, sql) == {"messages": expected}
    assert archived(archive) == {f"FREQ_{number}.json" for number in range(COUNT)}


def archived(folder: Path) -> set[str]:
    names = set()
    for path in folder.rglob("*.avro"):
        with path.open("rb") as opened:
            for message in read_messages(opened, path.name):
                assert message.fault is None
                names.add(message.attributes["message_id"])
    return names
