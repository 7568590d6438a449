"""The decode core on one processor core, beside the bare parser of the same bytes."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from benchmarks import corpus
from benchmarks.measurement import Measurement, Target
from local.simulator.generator import generate_message
from pipeline.core.decoding import Message, collect_rarely, decode, utc_now
from pipeline.registry import load_registry

ROUNDS = 5
LARGE_MESSAGES, LARGE_RECORDS = 200, (500, 2_000)
# Every hundredth record has a value that its column rejects.
BAD_EVERY = 100
SMALL_TARGET, LARGE_TARGET = Target(0.33), Target(0.35)
MEANING = "the speed with typing, identity and dead letters, relative to the parser"


def measure(scale: float) -> Iterator[Measurement]:
    """Small messages, as most are, and large ones; 1 % of the records are bad."""
    collect_rarely()  # as in the pipeline
    small = list(small_messages(max(1_000, int(corpus.MESSAGES * scale))))
    yield _measured("decode, small messages", small, SMALL_TARGET)
    del small
    large = list(large_messages(max(10, int(LARGE_MESSAGES * scale))))
    yield _measured("decode, large messages", large, LARGE_TARGET)


def _measured(name: str, messages: Sequence[Message], target: Target) -> Measurement:
    bare, core = _best_seconds(messages, parse_all, _decode_all)
    records = parse_all(messages)
    return Measurement(
        name,
        records / core,
        "records/s",
        "orjson.loads",
        records / bare,
        target,
        MEANING,
        {"messages": len(messages), "records": records},
    )


def _best_seconds(
    messages: Sequence[Message], *sides: Callable[[Sequence[Message]], int]
) -> list[float]:
    """The best processor time of each side; they take turns on a busy machine."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(ROUNDS):
        for taken, side in zip(times, sides, strict=True):
            started = time.process_time()
            side(messages)
            taken.append(time.process_time() - started)
    return [min(taken) for taken in times]


def parse_all(messages: Sequence[Message]) -> int:
    return sum(len(orjson.loads(orjson.loads(one.data))) for one in messages)


def _decode_all(messages: Sequence[Message]) -> int:
    now = utc_now()
    return sum(decode(one, now).count for one in messages)


def small_messages(count: int) -> Iterator[Message]:
    serials, registry = itertools.count(), load_registry()
    for file in corpus.backlog(count):
        # The core does not parse messages of an unknown dataset.
        if file.dataset in registry:
            body = orjson.loads(file.body)
            yield _message(file.dataset, file.message_id, body, serials)


def large_messages(count: int) -> Iterator[Message]:
    rng, registry, serials = random.Random(2), load_registry(), itertools.count()
    names = list(registry)
    for serial in range(count):
        name = names[serial % len(names)]
        records = rng.randint(*LARGE_RECORDS)
        message_id, body = generate_message(
            registry[name],
            datetime(2026, 5, 6, tzinfo=UTC),
            serial,
            rng,
            records=records,
        )
        yield _message(name, message_id, body, serials)


def _message(
    dataset: str, message_id: str, body: bytes | str, serials: Iterator[int]
) -> Message:
    """A message as IRIS sends it; its share of the bad records is in it."""
    records = orjson.loads(body)
    for record, serial in zip(records, serials, strict=False):
        if serial % BAD_EVERY == BAD_EVERY // 2:
            record.update(_spoiled(dataset, record))
    attributes = {
        "dataset": dataset,
        "message_id": message_id,
        "enqueued_time": "2026-05-06T00:00:01.123Z",
        "source": "IRIS",
        "publish_id": message_id,
    }
    return Message(orjson.dumps(orjson.dumps(records).decode()), attributes)


def _spoiled(dataset: str, record: dict[str, Any]) -> dict[str, Any]:
    """A value that the record's first column of numbers or times rejects."""
    for column in load_registry()[dataset].columns:
        if column.name in record and column.type not in ("STRING", "RECORD"):
            return {column.name: "no such value"}
    return {}
