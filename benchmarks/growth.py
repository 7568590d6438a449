"""Growth: time per record, and memory, for 1, 4 and 16 times the input."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from google.cloud import pubsub_v1
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from grpc import insecure_channel

from benchmarks import corpus
from benchmarks.corpus import File
from benchmarks.measurement import Measurement, Target
from benchmarks.run_of_pipeline import PipelineRun, run_pipeline
from benchmarks.warehouse import Warehouse, serving
from local.ports import LOOPBACK
from local.process import Child
from local.pubsub.google_pubsub import pubsub_command
from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from local.simulator.generator import generate_message
from pipeline.plans import OWN_TABLES
from pipeline.registry import load_registry

# Every table has its own load job. The jobs of all 89 tables would take longer than the
# files of 1x: a few tables show how time grows with the records.
DATASETS = ("BOALF", "FUELINST", "MELS", "MILS", "NDF", "PN")
# Many records in a file, so that 1x takes longer than the start of the process. Few in
# a message, as inserting a row takes longer than loading it.
FILE_RECORDS, MESSAGE_RECORDS = 12, 1
STEP = timedelta(seconds=2)
STEPS = (1, 4, 16)
FILES = 4_000
# One full round of `--drain`.
MESSAGES = 5_000
MEMORY_FILES = (10_000, 100_000)
TIME_TARGET = Target(1.15, at_most=True)
MEMORY_TARGET = Target(1.2, at_most=True)
TURNS = 2
PUBLISH_SECONDS = 120.0
START_SECONDS = 60.0
STOP_SECONDS = 10.0


def measure(scale: float) -> Iterator[Measurement]:
    """Files, messages in Pub/Sub, and the memory of many files."""
    with TemporaryDirectory(prefix="gb-iris-bench-") as name:
        work = Path(name)
        with serving(work) as warehouse:
            files = [max(100, int(step * FILES * scale)) for step in STEPS]
            yield from grown("--files", _files(warehouse, work, files))
            with _pubsub(work) as host:
                counts = [max(50, int(step * MESSAGES * scale)) for step in STEPS]
                yield from grown("--drain", _drains(warehouse, work, host, counts))
            yield _memory(warehouse, work, scale)


def grown(source: str, runs: Sequence[PipelineRun]) -> Iterator[Measurement]:
    """Each step of growth compared with the one before.

    Args:
        source: The option of the pipeline that reads.
        runs: The best run of each size, the smallest first.
    """
    for (small, before), (large, after) in itertools.pairwise(
        zip(STEPS, runs, strict=True)
    ):
        yield Measurement(
            f"{source}, time per record, {large}x",
            _per_record(after),
            "µs",
            f"{small}x",
            _per_record(before),
            TIME_TARGET,
            f"how many times as long a record takes in {large}x the input as in "
            f"{small}x; below 1, as more records share the start of the process",
            {
                "records": after.records,
                "seconds": after.seconds,
                "cpu_seconds": after.cpu_seconds,
                "peak_mb": after.peak_mb,
                "further_record_us": _further(before, after),
                "further_record_cpu_us": 1e6
                * (after.cpu_seconds - before.cpu_seconds)
                / (after.records - before.records),
            },
        )


def _per_record(run: PipelineRun) -> float:
    return 1e6 * run.seconds / run.records


def _further(before: PipelineRun, after: PipelineRun) -> float:
    """Time of each additional record, without the fixed time of a run."""
    more = after.records - before.records
    return 1e6 * (after.seconds - before.seconds) / more


def _best(sizes: Sequence[int], run: Callable[[int], PipelineRun]) -> list[PipelineRun]:
    """The quickest run of each size; sizes take turns, as the machine may be busy."""
    turns = [[run(size) for size in sizes] for _ in range(TURNS)]
    return [min(runs, key=lambda run: run.seconds) for runs in zip(*turns, strict=True)]


def _files(warehouse: Warehouse, work: Path, sizes: Sequence[int]) -> list[PipelineRun]:
    for size in sizes:
        for file in few_datasets(size, FILE_RECORDS):
            path = work / str(size) / file.dataset / file.message_id
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.body)
    return _best(
        sizes, lambda size: _load(warehouse, work, work / str(size), _tables())
    )


def _load(
    warehouse: Warehouse, work: Path, folder: Path, names: Sequence[str]
) -> PipelineRun:
    with warehouse.tables("growth", names):
        return run_pipeline(work, warehouse.environment, "growth", f"--files={folder}")


def _tables() -> list[str]:
    registry = load_registry()
    return [*OWN_TABLES, *(registry[name].table for name in DATASETS)]


def _drains(
    warehouse: Warehouse, work: Path, host: str, sizes: Sequence[int]
) -> list[PipelineRun]:
    def run(size: int) -> PipelineRun:
        _publish(host, few_datasets(size, MESSAGE_RECORDS))
        addresses = warehouse.environment | {"PUBSUB_EMULATOR_HOST": host}
        # Without this it waits some seconds for more messages.
        options = ["--drain", f"--max_messages={size}"]
        with warehouse.tables("growth", _tables()):
            return run_pipeline(
                work, addresses, "growth", f"--subscription={SUBSCRIPTION}", *options
            )

    return _best(sizes, run)


def _memory(warehouse: Warehouse, work: Path, scale: float) -> Measurement:
    runs = []
    for size in MEMORY_FILES:
        folder = work / f"memory-{size}"
        corpus.write(folder, max(100, int(size * scale)))
        runs.append(_load(warehouse, work, folder, ()))
    few, many = runs
    return Measurement(
        f"--files, peak memory, {many.messages:,} files",
        many.peak_mb,
        "MB",
        f"{few.messages:,} files",
        few.peak_mb,
        MEMORY_TARGET,
        "how many times as much memory ten times the files take",
        {"records": many.records, "records_before": few.records},
    )


def few_datasets(messages: int, records: int) -> Iterator[File]:
    """Messages of a few datasets, each with this number of records."""
    rng, registry = random.Random(3), load_registry()
    for serial in range(messages):
        name = DATASETS[serial % len(DATASETS)]
        now = corpus.START + serial * STEP
        message_id, body = generate_message(registry[name], now, serial, rng, records)
        yield File(name, message_id, orjson.dumps(body.decode()))


@contextmanager
def _pubsub(work: Path) -> Iterator[str]:
    """Runs an embedded Pub/Sub; yields its address."""
    folder = work / "pubsub"
    folder.mkdir()
    command = pubsub_command("embedded", LOOPBACK, 0, folder)
    server = Child("Pub/Sub", command, work / "pubsub.log")
    try:
        ready = asyncio.run(server.wait_for(server.ready_line, START_SECONDS))
        create_topics(ready["host"])
        yield ready["host"]
    finally:
        asyncio.run(server.stop(STOP_SECONDS))


def _publish(host: str, files: Iterator[File]) -> None:
    with insecure_channel(host) as channel:
        transport = PublisherGrpcTransport(channel=channel)
        publisher = pubsub_v1.PublisherClient(transport=transport)
        for part in iter(lambda: list(itertools.islice(files, MESSAGES)), []):
            sent = [
                publisher.publish(
                    TOPIC,
                    file.body,
                    dataset=file.dataset,
                    message_id=file.message_id,
                    publish_id=file.message_id,
                    source="IRIS",
                )
                for file in part
            ]
            for one in sent:
                one.result(PUBLISH_SECONDS)
