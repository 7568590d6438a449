"""A stream on this machine that fails, or is stopped: one line, and nothing left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bridge_fixture import wait_until
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, PubsubServer

pytestmark = pytest.mark.faults

DEADLINE_SECONDS = 120.0
NOWHERE = "projects/gb-iris/subscriptions/nowhere"


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(dataset: str, pubsub: PubsubServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a stream, whose temporary files go to `tmp_path/temp`."""
    processes = []
    create_topics(pubsub.host)
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
def test_rows_wait_for_a_table_that_is_not_there_any_more(
    module: str,
    start: Start,
    client: bigquery.Client,
    dataset: str,
    pubsub: PubsubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letters = f"{dataset}.iris_dead_letters"

    def rows() -> list[bigquery.Row]:
        # The runner's timers wait while its source waits for a message.
        clients.publish(TOPIC, b"[]", dataset="FREQ", message_id="m")
        assert process.poll() is None
        return list(client.query_and_wait(f"SELECT 1 FROM {letters}"))

    with Clients(pubsub.host, monkeypatch) as clients:
        process = start(SUBSCRIPTION, module)
        clients.publish(TOPIC, b"[]", dataset="FREQ", message_id="m")
        wait_for_ledger(client, dataset, process)
        client.delete_table(letters)
        clients.publish(TOPIC, b"[{", dataset="FREQ", message_id="m")
        for line in process.stderr:
            if "rows of iris_dead_letters wait" in line:
                assert "python -m sql apply" in line
                break
        apply_tables(client, dataset, list(all_tables(registry_of("FREQ"))), "EU")
        wait_until(rows, DEADLINE_SECONDS)
        process.terminate()
        _, error = process.communicate(timeout=DEADLINE_SECONDS)
    assert "Traceback" not in error


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
    def rows() -> list[bigquery.Row]:
        assert process.poll() is None
        return list(client.query_and_wait(f"SELECT 1 FROM {dataset}.iris_ledger"))

    wait_until(rows, DEADLINE_SECONDS)
