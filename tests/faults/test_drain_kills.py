"""A drain that is killed at any moment: nothing lost, nothing counted wrong."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from pipeline.command import main
from pipeline.files.avro import read_messages
from pipeline.steps.ledger import COUNTS
from sql.apply import apply_views
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, PubsubServer

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

PROJECT = "gb-iris"
# `DRAIN_KILLS=20` for a long look, at random moments.
RANDOM_KILLS = int(os.environ.get("DRAIN_KILLS", "0"))
COUNT = 5_000 if RANDOM_KILLS else 2_000
BROKEN, UNKNOWN = 20, 30
START_SECONDS = 120.0
# From before the first pull to after the acknowledgement of a small round.
LATEST_KILL_SECONDS = 1.5


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
            time.sleep(0.02)  # the condition is what is waited for

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


class Story:
    """One subscription with `COUNT` messages, and the drains that take them."""

    def __init__(
        self, client: bigquery.Client, dataset: str, pubsub: PubsubServer, folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        self.client, self.dataset, self.pubsub = client, dataset, pubsub
        self.folder, self.monkeypatch = folder, monkeypatch
        self.archive = folder / "archive"
        self.drains = 0
        with self.clients() as clients:
            self.topic = clients.topic()
            self.subscription = clients.subscription(self.topic)
            publish(clients, self.topic)

    def clients(self) -> Clients:
        return Clients(self.pubsub.host, self.monkeypatch)

    def drain(self, *more: str) -> Drain:
        self.drains += 1
        log = self.folder / f"drain-{self.drains}.log"
        options = [f"--archive_prefix={self.archive}", *more]
        return Drain(self.pubsub, self.subscription, self.dataset, log, *options)

    def killed(self, drain: Drain) -> None:
        drain.kill()
        # Its leases end with the server; else each would take ten seconds to run out.
        self.pubsub.kill()
        self.pubsub.start()

    def asked(self, sql: str) -> dict[str, Any]:
        place = bigquery.DatasetReference(PROJECT, self.dataset)
        config = bigquery.QueryJobConfig(default_dataset=place)
        (row,) = self.client.query(sql, job_config=config).result()
        return dict(row)

    def count(self, table: str) -> int:
        return int(self.asked(f"SELECT COUNT(*) AS n FROM {table}")["n"])

    def ledger(self) -> dict[str, int]:
        sums = ", ".join(f"SUM(`{name}`) AS `{name}`" for name in COUNTS)
        found = self.asked(f"SELECT {sums} FROM iris_ledger")
        return {name: int(count or 0) for name, count in found.items()}

    def check(self) -> None:
        with self.clients() as clients:
            assert clients.nothing_left(self.subscription)
        ledger = self.ledger()
        outcomes = ("rows", "duplicates", "dead_letters", "unmapped")
        assert ledger["records"] == sum(ledger[name] for name in outcomes)
        assert ledger["messages"] >= COUNT
        good = COUNT - BROKEN - UNKNOWN
        seen = self.asked(
            "SELECT COUNT(*) AS shown, COUNT(DISTINCT record_id) AS records,"
            " COUNT(DISTINCT message_id) AS messages FROM bmrs_freq_unified"
        )
        assert seen == {"shown": 2 * good, "records": 2 * good, "messages": good}
        for table, count in (("iris_dead_letters", BROKEN), ("iris_unmapped", UNKNOWN)):
            sql = f"SELECT COUNT(DISTINCT message_id) AS messages FROM {table}"
            assert self.asked(sql) == {"messages": count}
        names = {f"FREQ_{number}.json" for number in range(COUNT)}
        assert archived(self.archive) == names


@pytest.fixture
def story(
    client: bigquery.Client,
    dataset: str,
    pubsub: PubsubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Story:
    apply_views(client, dataset, registry_of("FREQ"))
    return Story(client, dataset, pubsub, tmp_path, monkeypatch)


@pytest.mark.promise(
    part="pipeline",
    fault="a drain is killed after its rows, or after its ledger",
    happens="its messages come again within 10 s and are written again",
    lost="0",
    doubled="0 in `_unified`; in `_iris` twice with the same `record_id`",
    recovery="the next drain",
    sees="nothing: the ledger is balanced",
)
def test_killed_when_rows_are_written_and_when_the_ledger_is(story: Story) -> None:
    drain = story.drain()
    drain.wait_until(lambda: story.count("bmrs_freq_iris") > 0)
    story.killed(drain)
    assert story.ledger()["messages"] == 0
    drain = story.drain()
    drain.wait_until(lambda: story.count("iris_ledger") > 0)
    story.killed(drain)
    with story.clients() as clients:
        left = not clients.nothing_left(story.subscription)
    if left:  # it was killed before the acknowledgement
        last = story.drain(f"--max_messages={COUNT}")
        assert last.ended() == 0, last.log.read_text()
    story.check()


@pytest.mark.promise(
    part="pipeline",
    fault="a drain is killed at random moments (run with `DRAIN_KILLS=20`)",
    happens="the same",
    lost="0",
    doubled="0 in `_unified`",
    recovery="the next drain",
    sees="nothing",
)
@pytest.mark.skipif(
    not RANDOM_KILLS,
    reason="minutes long: run it with DRAIN_KILLS=20 after a change of the drain",
)
@pytest.mark.timeout(1200)
def test_killed_at_random_moments(story: Story) -> None:
    moments = random.Random(RANDOM_KILLS)
    for _ in range(RANDOM_KILLS):
        drain = story.drain(f"--max_messages={COUNT // RANDOM_KILLS}")
        # Any moment will do; what holds must hold at each.
        time.sleep(moments.uniform(0, LATEST_KILL_SECONDS))
        story.killed(drain)
    last = story.drain()
    assert last.ended() == 0, last.log.read_text()
    story.check()


@pytest.mark.promise(
    part="pipeline",
    fault="SIGTERM, Ctrl-C",
    happens="the current round is finished; a second signal ends at once",
    lost="0",
    doubled="0",
    recovery="the next drain",
    sees="`finishing the current round`",
)
def test_sigterm_finishes_the_round_and_a_second_one_ends_at_once(story: Story) -> None:
    drain = story.drain("--every=1s")
    drain.process.terminate()
    assert drain.ended() == 0, drain.log.read_text()
    counted = story.ledger()["messages"]
    with story.clients() as clients:
        # What is not counted is still there, and nothing else.
        left = clients.pull_until(story.subscription, COUNT - counted)
    assert len(left) == COUNT - counted
    story.killed(drain)  # gives back what was pulled here
    with story.clients() as clients:
        # The first round may have taken everything before the signal was heard.
        publish(clients, story.topic)
    drain = story.drain()
    # While a round is worked on: between rounds the first signal ends it within 0.2 s.
    drain.wait_until(lambda: "pulled" in drain.log.read_text())
    drain.process.terminate()
    drain.wait_until(lambda: "finishing" in drain.log.read_text())
    drain.process.terminate()
    assert drain.ended() == 128 + signal.SIGTERM


@pytest.fixture
def command(
    dataset: str, pubsub: PubsubServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., int]]:
    """`python -m pipeline --drain` in this process."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}

    def run(subscription: str, *more: str) -> int:
        where = [f"--project={PROJECT}", f"--dataset={dataset}"]
        return main(["--drain", f"--subscription={subscription}", *where, *more])

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_no_subscription_is_one_line_and_code_2(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("projects/test/subscriptions/nowhere") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert "nowhere" in line


@pytest.mark.promise(
    part="pipeline",
    fault="a step of a round fails",
    happens="its messages are given back",
    lost="0",
    doubled="0 in `_unified`",
    recovery="the next round, after 1 to 60 s",
    sees="`a round of N messages failed; the messages come again`, exit code 1",
)
def test_a_round_that_fails_is_code_1_and_given_back(
    command: Callable[..., int],
    pubsub: PubsubServer,
    client: bigquery.Client,
    dataset: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "FREQ").touch()  # where a folder has to be
    with Clients(pubsub.host, monkeypatch) as clients:
        topic = clients.topic()
        subscription = clients.subscription(topic)
        clients.publish(topic, b"[]", b"[]", dataset="FREQ", message_id="m")
        assert command(subscription, f"--archive_prefix={archive}") == 1
        (error,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        assert "archive/FREQ" in error
        assert len(error.splitlines()) == 1
        assert len(clients.pull_until(subscription, 2)) == 2
    ledger = client.query_and_wait(f"SELECT COUNT(*) AS n FROM {dataset}.iris_ledger")
    assert next(iter(ledger)).n == 0


def archived(folder: Path) -> set[str]:
    names = set()
    for path in folder.rglob("*.avro"):
        with path.open("rb") as opened:
            for message in read_messages(opened, path.name):
                assert message.fault is None
                names.add(message.attributes["message_id"])
    return names
