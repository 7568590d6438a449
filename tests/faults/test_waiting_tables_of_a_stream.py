"""A stream in which two tables accept no rows: all others go on, and nothing is lost.

The stream is a process of its own, as users start it, and BigQuery is behind a proxy:
one table is refused as long as the test lasts, another one is away for a while. The
figures that it logs are those of the ledger: the seconds from Pub/Sub to the row.
"""

import logging
import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from local.simulator.generator import generate_message
from pipeline.registry import load_registry
from pipeline.steps.ledger import COUNTS
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.bridge_fixture import wait_until
from tests.integration.pubsub_fixture import Clients
from tests.integration.unreliable_bigquery import Fault, failing

pytestmark = pytest.mark.faults

# `WAITING_SECONDS=120` for the whole trial, which takes a quarter of an hour.
WHOLE_TRIAL = "WAITING_SECONDS" in os.environ
AWAY_SECONDS = float(os.environ.get("WAITING_SECONDS", "6"))
# After it the table that is only away must not have given up.
PATIENCE_SECONDS = AWAY_SECONDS + (300 if WHOLE_TRIAL else 60)
HEARTBEAT_SECONDS = 2.0
DEADLINE_SECONDS = 240.0 + 2 * PATIENCE_SECONDS
REFUSED, AWAY, HEARTBEAT = "FREQ", "FUELINST", "TEMP"
# The graph as a service runs it, with its state and timers, on a runner of this
# machine. That looks at every key after every step: it can have few records.
PLANS = {
    "here": "",
    "service": """
plans.mode_of = lambda _: plans.STREAM_ON_SERVICE._replace(id_label=None)
""",
}
PROGRAM = """
import sys
from pipeline.bigquery import waiting_tables
waiting_tables.PATIENCE_SECONDS = {patience}
from pipeline import plans
{plan}
from pipeline.command import main
sys.exit(main(sys.argv[1:]))
"""
log = logging.getLogger(__name__)


class Stream:
    """A feed of all datasets, and the stream that makes rows of it."""

    def __init__(self, clients, client, tables):
        self.clients, self.client, self.tables = clients, client, tables
        self.process = None
        self.sent = Counter()
        self._random = random.Random(7)

    def start(self, plan, host):
        program = PROGRAM.format(patience=2 * AWAY_SECONDS + 10, plan=PLANS[plan])
        options = [f"--subscription={SUBSCRIPTION}", "--streaming"]
        options += ["--project=gb-iris", f"--dataset={self.tables}"]
        if plan == "service":
            options.append("--runner=BundleBasedDirectRunner")
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *options],
            env=os.environ | {"PUBSUB_EMULATOR_HOST": host},
        )

    def publish(self, datasets):
        """One message of one record for each dataset."""
        for name in datasets:
            now = datetime.now(UTC)
            message_id, body = generate_message(
                load_registry()[name], now, self.sent.total(), self._random
            )
            attributes = {
                "dataset": name,
                "message_id": message_id,
                "enqueued_time": now.isoformat(),
            }
            self.clients.publish(TOPIC, body, **attributes)
            self.sent[name] += 1

    def ledger(self):
        """Counts by dataset."""
        sums = ", ".join(f"SUM(`{name}`) AS `{name}`" for name in COUNTS)
        sums += ", SUM(to_row_seconds_sum) AS delay"
        query = f"SELECT dataset, {sums} FROM {self.tables}.iris_ledger"
        rows = self.client.query(f"{query} GROUP BY dataset").result()
        assert self.process.poll() is None
        return {row.dataset: row for row in rows}

    def counted(self, datasets, column="rows"):
        """Waits until the ledger has every record of some datasets in a column."""

        def all_are():
            # The runner's source waits for a message, and timers wait with it: a feed
            # is never silent for long.
            time.sleep(HEARTBEAT_SECONDS)
            self.publish([HEARTBEAT])
            found = self.ledger()
            return all(
                name in found and found[name][column] >= sent
                for name, sent in expected.items()
            )

        expected = {name: self.sent[name] for name in datasets}
        wait_until(all_are, DEADLINE_SECONDS)

    def rows(self, table):
        """The record ids of a table."""
        column = "record_id" if table.startswith("bmrs") else "dead_letter_id"
        query = f"SELECT {column} AS id FROM {self.tables}.{table}"
        return [row.id for row in self.client.query(query).result()]


@pytest.fixture
def stream(client, request, pubsub, monkeypatch):
    name = own_dataset(client, request)
    apply_tables(client, name, list(all_tables(load_registry())), "EU")
    create_topics(pubsub.host)
    with Clients(pubsub.host, monkeypatch) as clients:
        stream = Stream(clients, client, name)
        yield stream
        stream.process.kill()
        stream.process.wait()


def inserts_into(dataset, status, reason):
    table = load_registry()[dataset].table
    return Fault(f"POST .*/tables/{table}/insertAll", reason, lasts=True, status=status)


@pytest.mark.promise(
    part="pipeline",
    fault="tables of a stream accept no rows",
    happens="their rows wait, others go on",
    lost="0",
    doubled="0",
    recovery="every 2 minutes at most",
    sees="`rows of TABLE wait`",
)
@pytest.mark.parametrize(
    "plan",
    [
        "here",
        pytest.param(
            "service",
            marks=pytest.mark.skipif(
                not WHOLE_TRIAL,
                reason="takes minutes: WAITING_SECONDS=120 runs it. The same plan is "
                "tested with tables that refuse in test_service_plan.py",
            ),
        ),
    ],
)
def test_two_tables_that_accept_no_rows_cost_only_themselves(
    bigquery_host, pubsub, stream, plan
):
    registry = load_registry()
    others = [name for name in registry if name not in (REFUSED, AWAY)]
    with failing(bigquery_host) as faults:
        stream.start(plan, pubsub.host)
        stream.publish(registry)
        stream.counted(registry)
        before = stream.ledger()
        faults += [
            inserts_into(REFUSED, 403, "accessDenied"),
            inserts_into(AWAY, 503, "backendError"),
        ]
        began = time.monotonic()
        while stream.sent[AWAY] < 2 or time.monotonic() - began < AWAY_SECONDS:
            stream.publish(registry)
            stream.counted(others)
        during = stream.ledger()
        report(before, during, others)
        assert during[REFUSED]["rows"] == during[AWAY]["rows"] == 1
        faults[:] = [fault for fault in faults if fault.status == 403]
        stream.counted([AWAY])
        stream.sent[REFUSED] -= 1  # its row of before
        stream.counted([REFUSED], "dead_letters")  # after the patience
        lost = stream.sent[REFUSED]
        stream.counted(others)
        final = stream.ledger()
    for name in registry:
        ids = stream.rows(registry[name].table)
        expected = 1 if name == REFUSED else stream.sent[name]
        assert len(set(ids)) == len(ids), name
        assert len(ids) == expected or name == HEARTBEAT, name
    assert len(stream.rows("iris_dead_letters")) == lost
    for name, row in final.items():
        if name == HEARTBEAT:  # a message of it is still on its way
            continue
        parts = (row["rows"], row["duplicates"], row["dead_letters"], row["unmapped"])
        assert row["records"] == sum(parts), row


def report(before, during, others):
    """Logs the seconds from Pub/Sub to the row, before and while two tables wait."""

    def total(found, column):
        return sum(found[name][column] or 0 for name in others)

    rows, delay = total(before, "rows"), total(before, "delay")
    log.info("before: %d rows, mean %.2f s", rows, delay / rows)
    rows, delay = total(during, "rows") - rows, total(during, "delay") - delay
    log.info("meanwhile: %d rows, mean %.2f s", rows, delay / rows)
