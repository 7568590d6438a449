"""Archiving as a step of the graph: every message, whatever becomes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from pipeline.core.decoding import Message
from pipeline.files.raw_archive import Hour, archive_of, hour_of

# Held over all datasets and hours before files are written.
MAX_HELD_BYTES = 32_000_000
# What a message takes beside its body: attributes, and Python's objects around them.
MESSAGE_BYTES = 1_000
# On Dataflow, where a bundle is a few messages: a file has so many, or waits so long.
GATHERED_MESSAGES = 1_000
GATHERED_SECONDS = 600


class ArchiveMessages(beam.PTransform):
    """Takes `Message`; gives nothing, when all of them are in files of the archive.

    Args:
        prefix: The folder.
        gather: Whether to collect messages over bundles, in the state of the runner.
    """

    def __init__(self, prefix: str, *, gather: bool) -> None:
        super().__init__()
        self.prefix = prefix
        self.gather = gather

    def expand(self, messages: beam.PCollection) -> Any:
        """Builds the steps."""
        if self.gather:
            messages = (
                messages
                | "Key by dataset and hour" >> beam.Map(_keyed)
                | "Gather" >> beam.GroupIntoBatches(GATHERED_MESSAGES, GATHERED_SECONDS)
                | "Spread" >> beam.FlatMap(_messages_of)
            )
        write = beam.ParDo(_WriteFiles(self.prefix, merge=not self.gather))
        return messages | "Write files" >> write


def _keyed(message: Message) -> tuple[str, Message]:
    # One text, whose coder is the same on every machine.
    dataset, hour = hour_of(message, dt.datetime.now(dt.UTC))
    return f"{hour} {dataset}", message


def _messages_of(batch: tuple[str, Iterable[Message]]) -> Iterable[Message]:
    return batch[1]


class _WriteFiles(beam.DoFn):
    """Takes `Message`; a file a dataset and hour when the bundle ends, or is large.

    A file that cannot be written raises: the runner tries the bundle again, and what is
    not in the archive is not acknowledged.
    """

    def __init__(self, prefix: str, *, merge: bool) -> None:
        self.prefix = prefix
        self.merge = merge

    def start_bundle(self) -> None:
        self.now = dt.datetime.now(dt.UTC)
        self.held: dict[Hour, list[Message]] = {}
        self.held_bytes = 0

    def process(self, message: Message) -> Iterator[Any]:
        self.held.setdefault(hour_of(message, self.now), []).append(message)
        self.held_bytes += len(message.data) + MESSAGE_BYTES
        if self.held_bytes >= MAX_HELD_BYTES:
            self._flush()
        yield from ()

    def finish_bundle(self) -> None:
        self._flush()
        if self.merge:
            archive_of(self.prefix).merge_now_and_then()

    def _flush(self) -> None:
        held, self.held, self.held_bytes = self.held, {}, 0
        for hour, messages in held.items():
            archive_of(self.prefix).write(hour, messages)
