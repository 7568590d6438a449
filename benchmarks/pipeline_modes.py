"""`python -m benchmarks.pipeline_modes --mode drain`: the pipeline at a steady rate.

Publishes the simulator's messages to a local Pub/Sub. Measures how long a message takes
to become a row that a query finds, how the memory of the pipeline grows, and how many
messages are lost after kills. Prints one JSON line.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from google.cloud import pubsub_v1
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from grpc import insecure_channel

from benchmarks.usage import cpu_seconds, memory_mb
from benchmarks.watch import Watch, percentile
from local.data_folder import DataFolder
from local.pubsub.topics import TOPIC
from local.simulator.generator import generate_message
from local.simulator.sample_folder import iris_body
from local.stack.plan import Mode, Plan
from local.stack.services import Services
from pipeline.registry import load_registry

# The rows of every fourth message are looked for.
MARKED = 4
# Records of a message.
RECORDS = 3
MEMORY_SECONDS = 5.0
# The first minute is imports and caches.
WARM_UP_SECONDS = 60.0
KILL_SECONDS = 15.0
SETTLE_SECONDS = 40.0


class Feed(threading.Thread):
    """Publishes at a rate; notes when each marked message was published."""

    def __init__(self, host: str, rate: float) -> None:
        super().__init__(daemon=True)
        transport = PublisherGrpcTransport(channel=insecure_channel(host))
        self.publisher = pubsub_v1.PublisherClient(transport=transport)
        self.rate = rate
        self.marked: dict[str, float] = {}
        self.sent: list[str] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        datasets, rng = itertools.cycle(load_registry().values()), random.Random(1)
        due, number = time.monotonic(), 0
        while not self.stopped.wait(max(0.0, due - time.monotonic())):
            due, number = due + 1 / self.rate, number + 1
            made = next(datasets)
            moment = datetime.now(UTC)
            _, payload = generate_message(made, moment, number, rng, RECORDS)
            dataset, name = made.name, f"sent-{time.time_ns()}"
            body = unique(payload, number)
            if number % MARKED == 0:
                text = moment.isoformat(timespec="milliseconds")[:-6] + "Z"
                dataset, name = "FREQ", f"marked-{text}"
                body = json.dumps([marked_record(text)]).encode()
                self.marked[name] = time.time()
            self.sent.append(name)
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            self.publisher.publish(
                TOPIC, iris_body(body), dataset=dataset, message_id=name,
                publish_id=name, enqueued_time=now, source="IRIS",
            )  # fmt: skip


def unique(payload: bytes, number: int) -> bytes:
    """Makes every record of a message unique, so that each becomes a row."""
    records = json.loads(payload)
    records = records if isinstance(records, list) else [records]
    return json.dumps([{**record, "benchmark": number} for record in records]).encode()


def marked_record(moment: str) -> dict[str, object]:
    return {"dataset": "FREQ", "measurementTime": moment, "frequency": 50.0}


class Found:
    """When a query first showed each marked message, in epoch seconds."""

    SQL = (
        "SELECT DISTINCT message_id FROM bmrs_freq_iris"
        " WHERE message_id LIKE 'marked-%' AND enqueued_utc >"
        " TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 120 SECOND)"
    )

    def __init__(self) -> None:
        self.shown: dict[str, float] = {}

    def take(self, shown: float, rows: list[Any]) -> None:
        for row in rows:
            self.shown.setdefault(row.message_id, shown)


def steady(
    services: Services, minutes: float, feed: Feed, watch: Watch, found: Found
) -> dict[str, Any]:
    child = services.launch_pipeline()
    asyncio.run(services.pipeline_ready(child))
    began, memory = time.monotonic(), []
    feed.start()
    watch.start()
    while (passed := time.monotonic() - began) < 60 * minutes:
        time.sleep(MEMORY_SECONDS)  # between two looks
        services.check()
        memory.append((passed, memory_mb(child.pid)))
        if len(memory) % 12 == 0:
            print(f"{passed / 60:.0f} min: {memory[-1][1]:.0f} MB", file=sys.stderr)
    cpu = cpu_seconds(child.pid) / (60 * minutes)
    waits = [
        found.shown[name] - published
        for name, published in list(feed.marked.items())
        if name in found.shown
    ]
    late = [pair for pair in memory if pair[0] >= WARM_UP_SECONDS] or memory
    slope = statistics.linear_regression(*zip(*late, strict=True)).slope
    return {
        "messages": len(feed.sent),
        "latency_p50_seconds": round(percentile(waits, 0.5), 2),
        "latency_p95_seconds": round(percentile(waits, 0.95), 2),
        "latency_max_seconds": round(max(waits), 2),
        "memory_mb": round(memory[-1][1]),
        "memory_slope_mb_per_hour": round(slope * 3600, 1),
        "pipeline_cpu_cores": round(cpu, 2),
    }


def kills(services: Services, count: int, feed: Feed, watch: Watch) -> dict[str, Any]:
    """Kills the pipeline while messages arrive; counts those that never became rows."""
    moments = random.Random(count)
    for _ in range(count):
        child = next(c for c in services.children if c.name == "pipeline")
        # A kill at a random moment of a round, some rounds after the last kill.
        time.sleep(KILL_SECONDS + moments.uniform(0, 2))
        child.kill()
        asyncio.run(child.ended(5))
        services.children.remove(child)
        asyncio.run(services.pipeline_ready(services.launch_pipeline()))
    feed.stopped.set()
    feed.join()
    watch.end()
    lost, before = set(feed.sent), None
    while lost and lost != before:  # while messages still arrive
        time.sleep(SETTLE_SECONDS)  # longer than leases and pauses
        lost, before = set(feed.sent) - written(watch.client), lost
    return {"kills": count, "lost_messages": len(lost), "of": len(feed.sent)}


def written(client: Any) -> set[str]:
    """The ids of all messages with a row, a dead letter or an unmapped message."""
    tables = [dataset.table for dataset in load_registry().values()]
    return {
        row.message_id
        for table in (*tables, "iris_dead_letters", "iris_unmapped")
        for row in client.query_and_wait(f"SELECT DISTINCT message_id FROM {table}")
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=get_args(Mode), required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="messages a second")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--data", type=Path, default=".local/pipeline-modes")
    options = parser.parse_args()
    data = DataFolder(options.data)
    plan = Plan(data, "benchmark", simulator=False, mode=options.mode)
    services = Services(plan)
    with data.owned():
        try:
            asyncio.run(services.start())
            feed = Feed(services.environment["PUBSUB_EMULATOR_HOST"], options.rate)
            host = services.environment["BIGQUERY_EMULATOR_HOST"]
            found = Found()
            watch = Watch(host, found.SQL, found.take)
            result = {"mode": options.mode, "rate": options.rate}
            result |= steady(services, options.minutes, feed, watch, found)
            result |= kills(services, options.kills, feed, watch)
        finally:
            asyncio.run(services.stop())
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
