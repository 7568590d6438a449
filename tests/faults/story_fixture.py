"""A story: messages on a subscription, and the drains of it that a test breaks."""

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from google.cloud import bigquery

from pipeline.files.avro import read_messages
from pipeline.steps.ledger import COUNTS
from tests.integration.pubsub_fixture import Clients, PubsubServer

PROJECT = "gb-iris"
# `DRAIN_KILLS=20` for a long look, at random moments.
RANDOM_KILLS = int(os.environ.get("DRAIN_KILLS", "0"))
COUNT = 5_000 if RANDOM_KILLS else 2_000
BROKEN, UNKNOWN = 20, 30
START_SECONDS = 120.0


class Point(NamedTuple):
    """Where a drain is held, so that a fault meets it there.

    Attributes:
        call: The function, as `module.Class.name`.
        before: Whether it is held before the call; otherwise after it.
        if_: A Python expression of the call's `arguments`.
    """

    call: str
    before: bool
    if_: str = "True"


PULLED = Point("pipeline.subscription.Subscription.pull", before=False)
# The rows of a table are stored, those of the ledger are not.
ROWS_WRITTEN = Point("pipeline.bigquery.warehouse.insert", before=False)
ACKNOWLEDGING = Point("pipeline.subscription.Subscription.acknowledge", before=True)
# `python -m pipeline`, held at a point until a file exists.
PROGRAM = """
import pkgutil, sys, time
from pathlib import Path
{setup}
owner, _, name = {call!r}.rpartition(".")
owner = pkgutil.resolve_name(owner)
real, folder = getattr(owner, name), Path({folder!r})
def held(*arguments, **named):
    answer = None if {before} else real(*arguments, **named)
    if {if_}:
        (folder / "held").touch()
        while not (folder / "free").exists():
            time.sleep(0.02)  # the file is the condition
    return real(*arguments, **named) if {before} else answer
setattr(owner, name, held)
from pipeline.command import main
sys.exit(main(sys.argv[1:]))
"""
# Waits of a drain in a second or two where they take minutes.
QUICK = """
from pipeline import drain, plans, subscription
from pipeline.bigquery import waiting_tables
subscription.EMPTY_SECONDS, plans.BRIEF_SECONDS = 1.0, 0.6
drain.MIN_LEFT_SECONDS = drain.MAX_LEFT_SECONDS = 2.0
waiting_tables.MIN_PAUSE_SECONDS = waiting_tables.MAX_PAUSE_SECONDS = 1.0
"""


class Drain:
    """`python -m pipeline --drain`, its log at hand.

    Args:
        options: Those of its command line.
        pubsub: Its Pub/Sub.
        folder: For its log.
        point: Where it is held; None to let it run.
        setup: Python that runs before it.
    """

    def __init__(
        self,
        options: Sequence[str],
        pubsub: PubsubServer,
        folder: Path,
        *,
        point: Point | None = None,
        setup: str = "",
    ) -> None:
        self.folder, self.log = folder, folder / "log"
        folder.mkdir()
        if point is None:
            (folder / "free").touch()
        program = PROGRAM.format(
            **(point or ACKNOWLEDGING)._asdict(), folder=str(folder), setup=setup
        )
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, "--drain", *options],
                env=os.environ | {"PUBSUB_EMULATOR_HOST": pubsub.host},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_until(lambda: "draining" in self.log.read_text())
        if point is not None:
            self.wait_until((folder / "held").exists)

    def go_on(self) -> None:
        """Lets it go on from where it is held."""
        (self.folder / "free").touch()

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


def publish(clients: Clients, topic: str, count: int = COUNT) -> None:
    """Publishes messages of two records, some broken, some of no dataset."""
    futures = []
    for number in range(count):
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
    """One subscription with messages, and the drains that take them.

    Attributes:
        began: Before the first of them was published.
        sent: How many they are.
    """

    def __init__(
        self, client: bigquery.Client, dataset: str, pubsub: PubsubServer, folder: Path,
        monkeypatch: pytest.MonkeyPatch, count: int = COUNT,
    ) -> None:  # fmt: skip
        self.sent = count
        self.client, self.dataset, self.pubsub = client, dataset, pubsub
        self.folder, self.monkeypatch = folder, monkeypatch
        self.archive = str(folder / "archive")
        self.drains: list[Drain] = []
        with self.clients() as clients:
            self.topic = clients.topic()
            self.subscription = clients.subscription(
                self.topic, retain_acked_messages=True, ack_deadline_seconds=10
            )
            self.began = dt.datetime.now(dt.UTC)
            publish(clients, self.topic, count)

    def clients(self) -> Clients:
        return Clients(self.pubsub.host, self.monkeypatch)

    def drain(self, *more: str, point: Point | None = None, setup: str = "") -> Drain:
        options = [
            *(f"--subscription={self.subscription}", f"--project={PROJECT}"),
            *(f"--dataset={self.dataset}", f"--archive_prefix={self.archive}"),
            *more,
        ]
        folder = self.folder / f"drain-{len(self.drains)}"
        drain = Drain(options, self.pubsub, folder, point=point, setup=setup)
        self.drains.append(drain)
        return drain

    def drain_until_counted(self) -> None:
        """Runs drains, as a schedule does, until the ledger has all messages.

        Those that a killed drain held come again when their lease ends.
        """
        while self.ledger()["messages"] < self.sent:
            drain = self.drain(setup=QUICK)
            assert drain.ended() == 0, drain.log.read_text()

    def end(self) -> None:
        """Kills what a test that failed has left."""
        for drain in self.drains:
            drain.kill()

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
        assert ledger["messages"] >= self.sent
        good = self.sent - BROKEN - UNKNOWN
        seen = self.asked(
            "SELECT COUNT(*) AS shown, COUNT(DISTINCT record_id) AS records,"
            " COUNT(DISTINCT message_id) AS messages FROM bmrs_freq_unified"
        )
        assert seen == {"shown": 2 * good, "records": 2 * good, "messages": good}
        for table, count in (("iris_dead_letters", BROKEN), ("iris_unmapped", UNKNOWN)):
            sql = f"SELECT COUNT(DISTINCT message_id) AS messages FROM {table}"
            assert self.asked(sql) == {"messages": count}
        names = {f"FREQ_{number}.json" for number in range(self.sent)}
        assert archived(Path(self.archive)) == names


def archived(folder: Path) -> set[str]:
    names = set()
    for path in folder.rglob("*.avro"):
        with path.open("rb") as opened:
            for message in read_messages(opened, path.name):
                assert message.fault is None
                names.add(message.attributes["message_id"])
    return names
