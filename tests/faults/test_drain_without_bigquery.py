"""A drain that starts while BigQuery does not answer."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.ports import private_port
from pipeline import plans
from pipeline.bigquery.client import connect
from pipeline.command import main
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import running_bigquery
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients
from tests.integration.unreliable_bigquery import Fault, failing

pytestmark = pytest.mark.faults

FREQ = b'[{"dataset":"FREQ","measurementTime":"2026-05-08T00:00:00Z","frequency":50.0}]'
START_SECONDS = 120.0


class Pipeline:
    """`python -m pipeline --drain` with a BigQuery on a port, or none there."""

    def __init__(self, port: int, subscription: str, log: Path, *more: str) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "pipeline", "--drain", "--project=gb-iris",
                    "--dataset=d", f"--subscription={subscription}", *more,
                ],
                env=os.environ | {"BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)  # the text is the condition waited for

    def ended(self) -> int:
        return self.process.wait(timeout=START_SECONDS)


@pytest.mark.promise(
    part="pipeline",
    fault="BigQuery is away when a repeated drain starts",
    happens="it tries again",
    lost="0",
    doubled="0",
    recovery="after 1 to 60 s",
    sees="`BigQuery cannot be reached: …; trying again in N s`",
)
def test_a_repeated_drain_waits_for_bigquery_and_goes_on(tmp_path, pubsub, monkeypatch):
    port, log = private_port(), tmp_path / "drain.log"
    with running_bigquery(tmp_path / "data", port):
        client = connect("gb-iris")
        client.create_dataset("d")
        apply_tables(client, "d", list(all_tables(registry_of("FREQ"))), "EU")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
    with Clients(pubsub.host, monkeypatch) as clients:
        topic = clients.topic()
        subscription = clients.subscription(topic)
        clients.publish(topic, FREQ, dataset="FREQ", message_id="FREQ_1.json")
    drain = Pipeline(port, subscription, log, "--every=1s")
    drain.wait_for("trying again")
    with running_bigquery(tmp_path / "data", port):
        drain.wait_for("1 records = 1 rows")
        drain.process.terminate()
        assert drain.ended() == 0
        (row,) = connect("gb-iris").query_and_wait(
            "SELECT COUNT(*) AS n FROM d.bmrs_freq_iris"
        )
    assert row.n == 1


def test_a_repeated_drain_that_waits_ends_when_it_is_told_to(tmp_path):
    drain = Pipeline(
        private_port(), "projects/p/subscriptions/s", tmp_path / "log", "--every=1s"
    )
    drain.wait_for("trying again")
    drain.process.terminate()
    assert drain.ended() == 0


def test_a_single_drain_without_bigquery_is_one_line(tmp_path):
    drain = Pipeline(private_port(), "projects/p/subscriptions/s", tmp_path / "log")
    assert drain.ended() == 2
    (line,) = drain.log.read_text().splitlines()
    assert "export $(make -s env)" in line


@pytest.mark.promise(
    part="pipeline",
    fault="BigQuery is away when a single drain or `--files` starts",
    happens="it ends",
    lost="0",
    doubled="0",
    recovery="run it again",
    sees="one line, exit code 1",
)
@pytest.mark.parametrize("options", [["--drain", "--subscription=S"], ["--files=F"]])
def test_a_bigquery_that_is_away_is_no_mistake_of_the_user(
    bigquery_host, dataset, tmp_path, monkeypatch, capsys, options
):
    """Without an interval nobody waits for it: one line, and exit code 1."""
    monkeypatch.setattr(plans, "_RETRY", plans.DEFAULT_RETRY.with_timeout(1))
    (tmp_path / "FREQ").mkdir()
    (tmp_path / "FREQ" / "a.json").write_bytes(FREQ)
    options = [text.replace("=F", f"={tmp_path}") for text in options]
    options = [text.replace("=S", "=projects/p/subscriptions/s") for text in options]
    away = Fault("GET .*/tables/", "backendError", lasts=True, status=503)
    with failing(bigquery_host, away):
        code = main([*options, "--project=gb-iris", f"--dataset={dataset}"])
    assert code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "BigQuery cannot be reached" in line
