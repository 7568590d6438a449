"""A backlog: many small files in dataset folders.

`python -m benchmarks.corpus FOLDER` writes 63,792 messages into 95 folders, with 4.6
records each on average. Every body is JSON inside a JSON string, as IRIS sends it.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

from local.simulator.generator import generate_message
from pipeline.registry import load_registry

# A real backlog of two days, with 100 to 200 messages a minute.
MESSAGES = 63_792
SPAN = timedelta(days=2)
START = datetime(2026, 5, 6, tzinfo=UTC)
# Subjects that the registry does not know: their messages must be kept too.
UNKNOWN = tuple(f"FUTURE{number}" for number in range(1, 7))
RECORDS = (1, 1, 1, 2, 4, 6, 17)


class File(NamedTuple):
    """One file of the backlog: `<dataset>/<message_id>` and its bytes."""

    dataset: str
    message_id: str
    body: bytes


def backlog(messages: int = MESSAGES, seed: int = 1) -> Iterator[File]:
    """Yields the messages, oldest first; equal arguments make equal messages."""
    rng = random.Random(seed)
    registry = load_registry()
    names = [*registry, *UNKNOWN]
    step = SPAN / messages
    for serial in range(messages):
        name = names[serial % len(names)]
        model = registry[name if name in registry else "FREQ"]
        message_id, body = generate_message(
            model,
            START + serial * step,
            serial,
            rng,
            records=RECORDS[serial % len(RECORDS)],
        )
        message_id = message_id.replace(model.name, name, 1)
        yield File(name, message_id, orjson.dumps(body.decode()))


def write(folder: Path, messages: int = MESSAGES) -> None:
    """Writes the backlog as Elexon's client does: `<DATASET>/<message_id>`."""
    for file in backlog(messages):
        path = folder / file.dataset / file.message_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.body)


def main() -> int:
    """Writes a backlog into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    options = parser.parse_args()
    write(options.folder, options.messages)
    print(f"{options.messages:,} messages in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
