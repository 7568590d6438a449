"""A stream on this machine that fails, or is stopped: one line, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from local.topics import SUBSCRIPTION, TOPIC, create_topics
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, PubsubServer, pubsub_server

pytestmark = pytest.mark.faults

DEADLINE_SECONDS = 120.0
NOWHERE = "projects/gb-iris/subscriptions/nowhere"


@pytest.fixture
def dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> str:
    name = own_dataset(client, request)
    apply_tables(client, name, list(all_tables(registry_of("FREQ"))), "EU")
    return name


@pytest.fixture
def pubsub(tmp_path: Path) -> Iterator[PubsubServer]:
    with pubsub_server("embedded", tmp_path / "pubsub") as server:
        create_topics(server.host)
        yield server


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(dataset: str, pubsub: PubsubServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a stream, whose temporary files go to `tmp_path/temp`."""
    processes = []
    (tmp_path / "temp").mkdir()

    def start(subscription: str, module: str = "pipeline") -> subprocess.Popen[str]:
        options = [f"--subscription={subscription}", "--streaming"]
        options += ["--project=gb-iris", f"--dataset={dataset}"]
        environment = {
            "PUBSUB_EMULATOR_HOST": pubsub.host,
            "TMPDIR": str(tmp_path / "temp"),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", *module.split(), *options],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_no_subscription_is_one_line_and_code_2(start: Start) -> None:
    process = start(NOWHERE)
    _, error = process.communicate(timeout=DEADLINE_SECONDS)
    (line,) = error.splitlines()
    assert f"{NOWHERE} cannot be read: " in line
    assert process.returncode == 2


@pytest.mark.parametrize("module", ["pipeline", "local pipeline"])
def test_a_table_that_is_not_there_any_more_is_named_without_a_traceback(
    module: str,
    start: Start,
    client: bigquery.Client,
    dataset: str,
    pubsub: PubsubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Clients(pubsub.host, monkeypatch) as clients:
        process = start(SUBSCRIPTION, module)
        clients.publish(TOPIC, b"[]", dataset="FREQ", message_id="m")
        wait_for_ledger(client, dataset, process)
        client.delete_table(f"{dataset}.iris_dead_letters")
        clients.publish(TOPIC, b"[{", dataset="FREQ", message_id="m")
        _, error = process.communicate(timeout=DEADLINE_SECONDS)
    assert "BigQuery refuses rows of iris_dead_letters" in error
    assert "Traceback" not in error
    assert process.returncode == 1


def test_sigterm_leaves_no_folder_behind(
    start: Start,
    client: bigquery.Client,
    dataset: str,
    pubsub: PubsubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Clients(pubsub.host, monkeypatch) as clients:
        process = start(SUBSCRIPTION)
        clients.publish(TOPIC, b"[]", dataset="FREQ", message_id="m")
        wait_for_ledger(client, dataset, process)
        process.terminate()
        _, error = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert error.splitlines()[-1].startswith("stopped; ")
    assert list((tmp_path / "temp").iterdir()) == []


def wait_for_ledger(
    client: bigquery.Client, dataset: str, process: subprocess.Popen[str]
) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not list(client.query_and_wait(f"SELECT 1 FROM {dataset}.iris_ledger")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)  # the ledger is the condition waited for
