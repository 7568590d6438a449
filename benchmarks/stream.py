"""The streaming graph alone, and both modes of reading Pub/Sub beside bare inserts.

All read from the embedded Pub/Sub, which has the messages before the clock starts:
pulls and acknowledgements are part of the measurement, publishing is not.
"""

import asyncio
import os
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import grpc
import orjson
from google.cloud import bigquery
from google.pubsub_v1 import PublisherClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from benchmarks import corpus
from benchmarks.measurement import Measurement, Target
from benchmarks.streaming_graph import Point
from benchmarks.usage import cpu_seconds
from local.bigquery import emulator
from local.data_folder import DataFolder
from local.process import Child
from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from pipeline.core.decoding import Message, decode, utc_now
from pipeline.registry import load_registry
from sql.apply import apply_tables
from sql.tables import all_tables

# At least three pulls of the source: fewer have no halves.
MESSAGES, LEAST_MESSAGES = 60_000, 15_000
WRITTEN_MESSAGES, LEAST_WRITTEN = 10_000, 500
# Every fiftieth message repeats one of the last `BACK` messages.
DUPLICATE_EVERY, BACK = 50, 10_000
# BigQuery's own advice for the rows of a request.
INSERT_ROWS = 500
REQUEST_MESSAGES = 500
START_SECONDS, RUN_SECONDS, STOP_SECONDS = 120.0, 1_800.0, 10.0
SPEED = Target(1_000, of="value")
STEADY = Target(0.8)
FLAT = Target(1.1, at_most=True)
WRITTEN = Target(0.6)


def measure(scale: float) -> Iterator[Measurement]:
    """The graph with rows discarded, then with BigQuery."""
    with TemporaryDirectory(prefix="gb-iris-bench-") as name:
        work = Path(name)
        count = max(LEAST_MESSAGES, int(MESSAGES * scale))
        yield from _discarded(work, list(messages(count)))
        count = max(LEAST_WRITTEN, int(WRITTEN_MESSAGES * scale))
        yield from _written(work, list(messages(count)))


def messages(count: int) -> Iterator[Message]:
    """Messages as the bridge publishes them; 2 % are repeated."""
    rng, sent = random.Random(3), list[Message]()
    for serial, file in enumerate(corpus.backlog(count), 1):
        again = serial % DUPLICATE_EVERY == 0
        message = rng.choice(sent[-BACK:]) if again else _message(file)
        sent.append(message)
        yield message


def _message(file: corpus.File) -> Message:
    attributes = {
        "dataset": file.dataset,
        "message_id": file.message_id,
        "enqueued_time": "2026-05-06T00:00:01.123Z",
        "source": "IRIS",
        "publish_id": file.message_id,
    }
    return Message(file.body, attributes)


def _discarded(work: Path, sent: Sequence[Message]) -> Iterator[Measurement]:
    with _pubsub(work / "discarded", sent) as (server, host):
        before = cpu_seconds(server.pid)
        points = _stream(work, len(sent), PUBSUB_EMULATOR_HOST=host)
        pubsub_seconds = cpu_seconds(server.pid) - before
    half, end = halves(points)
    context = {
        "messages": float(len(sent)),
        "records": float(end.settled),
        "records/s": end.settled / end.seconds,
        "messages/s of its own processor time": len(sent) / end.cpu_seconds,
        "cores of the graph": end.cpu_seconds / end.seconds,
        "cores of Pub/Sub": pubsub_seconds / end.seconds,
    }
    yield Measurement(
        "stream, rows discarded",
        len(sent) / end.seconds,
        "messages/s",
        target=SPEED,
        meaning="what graph, DirectRunner and local Pub/Sub process in a second",
        context=context,
    )
    yield Measurement(
        "stream, second half",
        (end.settled - half.settled) / (end.seconds - half.seconds),
        "records/s",
        "first half",
        half.settled / half.seconds,
        STEADY,
        "how much of its speed the stream keeps over time",
    )
    yield Measurement(
        "stream, memory at the end",
        end.memory_mb,
        "MB",
        "at half",
        half.memory_mb,
        FLAT,
        "how much the memory of the process grows in the second half",
    )


def halves(points: Sequence[Point]) -> tuple[Point, Point]:
    """The point at which half of the records were settled, and the end.

    Raises:
        ValueError: The run has too few steps for halves.
    """
    end = points[-1]
    half = next(point for point in points if point.settled >= end.settled / 2)
    if half is end:
        raise ValueError("everything was settled in one step: measure more messages")
    return half, end


class Written(NamedTuple):
    """Rows written, and how long it took."""

    rows: int
    seconds: float


def _written(work: Path, sent: Sequence[Message]) -> Iterator[Measurement]:
    rows = list(table_rows(sent))
    with _bigquery(work / "written") as host:
        client = emulator.connect(host)
        # Before and after: the load of the machine may change.
        bare = [_insert_all(client, rows)]
        modes = {"drain": _drain, "stream": _streamed}
        done = {
            name: _in_mode(work / name, client, host, sent, read)
            for name, read in modes.items()
        }
        bare.append(_insert_all(client, rows))
    reference = sum(each.rows for each in bare) / sum(each.seconds for each in bare)
    for name, written in done.items():
        if written.rows != len(rows):
            raise RuntimeError(f"{name} has {written.rows} rows of {len(rows)}")
        yield Measurement(
            f"{name} to the local BigQuery",
            written.rows / written.seconds,
            "rows/s",
            f"insertAll of {INSERT_ROWS} rows",
            reference,
            WRITTEN,
            "the speed of the whole pipeline as a fraction of bare inserts",
            {"messages": float(len(sent)), "rows": float(written.rows)},
        )


def table_rows(sent: Sequence[Message]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows that the pipeline makes, each once, with the table of each."""
    seen, registry, now = set[str](), load_registry(), utc_now()
    for message in sent:
        decoded = decode(message, now)
        for record in decoded.records:
            if record.record_id not in seen:
                seen.add(record.record_id)
                values = {**record.row, **decoded.metadata}
                values["record_id"] = record.record_id
                yield registry[decoded.dataset].table, values


def _insert_all(
    client: bigquery.Client, rows: Sequence[tuple[str, dict[str, Any]]]
) -> Written:
    dataset = _tables(client, "bare")
    by_table: dict[str, list[Any]] = defaultdict(list)
    for table, values in rows:
        by_table[table].append(values)
    began = time.monotonic()
    for table, held in by_table.items():
        for start in range(0, len(held), INSERT_ROWS):
            part = held[start : start + INSERT_ROWS]
            path = f"{client.project}.{dataset}.{table}"
            if errors := client.insert_rows_json(path, part):
                raise RuntimeError(f"{table}: {errors[0]}")
    return Written(len(rows), time.monotonic() - began)


def _tables(client: bigquery.Client, dataset: str) -> str:
    apply_tables(client, dataset, list(all_tables(load_registry())), "EU")
    return dataset


def _in_mode(
    work: Path,
    client: bigquery.Client,
    host: str,
    sent: Sequence[Message],
    read: Callable[..., Written],
) -> Written:
    dataset = _tables(client, work.name)
    with _pubsub(work, sent) as (_, pubsub_host):
        return read(
            work,
            len(sent),
            dataset,
            PUBSUB_EMULATOR_HOST=pubsub_host,
            BIGQUERY_EMULATOR_HOST=host,
        )


def _drain(work: Path, count: int, dataset: str, **hosts: str) -> Written:
    """From the first answer of Pub/Sub to the end of the process."""
    command = ["pipeline", "--drain", "--max_messages", str(count)]
    command += ["--subscription", SUBSCRIPTION]
    command += ["--project", emulator.PROJECT, "--dataset", dataset]
    with _child(work, "drain", command, hosts) as child:
        asyncio.run(child.wait_for(lambda: child.says("draining"), START_SECONDS))
        began = time.monotonic()
        code = asyncio.run(child.ended(RUN_SECONDS))
        seconds = time.monotonic() - began
        counts = re.fullmatch(r".* = ([\d,]+) rows .*", child.tail()[-1])
        if code != 0 or not counts:
            raise child.failed(f"ended with exit code {code}")
    return Written(int(counts[1].replace(",", "")), seconds)


def _streamed(work: Path, count: int, dataset: str, **hosts: str) -> Written:
    end = _stream(work, count, "--dataset", dataset, **hosts)[-1]
    return Written(end.rows, end.seconds)


def _stream(work: Path, count: int, *more: str, **hosts: str) -> list[Point]:
    """Runs the streaming graph over the messages in Pub/Sub."""
    command = ["benchmarks.streaming_graph", "--messages", str(count), *more]
    with _child(work, "stream", command, hosts) as child:
        if (code := asyncio.run(child.ended(RUN_SECONDS))) != 0:
            raise child.failed(f"ended with exit code {code}")
        lines = child.log.read_text().splitlines()
    return [Point(**orjson.loads(line)) for line in lines if line.startswith("{")]


@contextmanager
def _child(
    work: Path, name: str, command: Sequence[str], hosts: dict[str, str]
) -> Iterator[Child]:
    log = work / "logs" / f"{name}.log"
    child = Child(name, [sys.executable, "-m", *command], log, os.environ | hosts)
    try:
        yield child
    finally:
        asyncio.run(child.stop(STOP_SECONDS))


@contextmanager
def _pubsub(folder: Path, sent: Sequence[Message]) -> Iterator[tuple[Child, str]]:
    """An embedded Pub/Sub with these messages, and its address."""
    command = ["local", "pubsub", "--port", "0", "--data", str(folder)]
    with _child(folder, "pubsub", command, {}) as child:
        host = asyncio.run(child.wait_for(child.ready_line, START_SECONDS))["host"]
        create_topics(host)
        _publish(host, sent)
        yield child, host


def _publish(host: str, sent: Sequence[Message]) -> None:
    with grpc.insecure_channel(host) as channel:
        client = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        for start in range(0, len(sent), REQUEST_MESSAGES):
            part = sent[start : start + REQUEST_MESSAGES]
            client.publish(
                topic=TOPIC,
                messages=[
                    types.PubsubMessage(data=one.data, attributes=dict(one.attributes))
                    for one in part
                ],
            )


@contextmanager
def _bigquery(folder: Path) -> Iterator[str]:
    """A local BigQuery, and its address."""
    data = DataFolder(folder)
    with data.owned():
        server = emulator.start(data)
        try:
            asyncio.run(server.ready())
            yield server.host
        finally:
            asyncio.run(server.child.stop(STOP_SECONDS))
