"""The rows that both sinks write."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from benchmarks import stream
from local.simulator.generator import generate_message
from pipeline.core.batches import RowBatch, row_batch
from pipeline.core.decoding import Message, decode, utc_now
from pipeline.registry import load_registry

TABLE_ROWS = 100  # of each of two tables
DAY = datetime(2026, 5, 6, tzinfo=UTC)


def spread(messages: int) -> Iterator[RowBatch]:
    """The rows of so many messages, over all tables; each record once."""
    seen = set[str]()
    for message in stream.messages(messages):
        decoded = decode(message, utc_now())
        new = [each for each in decoded.records if each.record_id not in seen]
        seen.update(each.record_id for each in new)
        if new:
            decoded.records = new
            yield row_batch(message, decoded)


def two_batches(refused: int | None = None) -> list[RowBatch]:
    """Rows of FREQ and FUELINST, and one that FREQ's table refuses at a position."""
    frequencies: list[dict[str, Any]] = [
        {"measurementTime": f"2026-05-06T02:{n // 60:02}:{n % 60:02}Z", "frequency": 50}
        for n in range(TABLE_ROWS)
    ]
    if refused is not None:
        time = "2026-05-06T03:00:00Z"
        frequencies.insert(refused, {"measurementTime": time, "frequency": None})
    fuel = load_registry()["FUELINST"]
    _, fuels = generate_message(fuel, DAY, 0, random.Random(4), records=TABLE_ROWS)
    bodies = {"FREQ": orjson.dumps(frequencies), "FUELINST": fuels}
    messages = [
        Message(body, {"dataset": name, "message_id": f"{name}_1", "source": "IRIS"})
        for name, body in bodies.items()
    ]
    return [row_batch(each, decode(each, utc_now())) for each in messages]
