"""The raw archive as a step of the graph: every message, whatever becomes of it."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from pipeline.core.decoding import Message
from pipeline.files.raw_archive import Hour, archive_of, hour_of

# In memory over all datasets and hours before files are written.
MAX_BUFFERED_BYTES = 32_000_000
# A message takes this beside its body: attributes, and Python's objects around them.
MESSAGE_BYTES = 1_000
# On Dataflow, where a bundle is a few messages, a file has the messages of several
# bundles: this number, or those of this time.
GATHERED_MESSAGES = 1_000
GATHERED_SECONDS = 600


class ArchiveMessages(beam.PTransform):
    """`Message` to files of the archive; the output ends when all are written.

    Args:
        prefix: The folder.
        gather: Whether to collect messages over bundles, in the runner's state.
    """

    def __init__(self, prefix: str, *, gather: bool) -> None:
        super().__init__()
        self.prefix = prefix
        self.gather = gather

    def expand(self, messages: beam.PCollection[Message]) -> beam.PCollection:
        if self.gather:
            messages = (
                messages
                | "Key by dataset and hour" >> beam.Map(_keyed)
                | "Gather" >> beam.GroupIntoBatches(GATHERED_MESSAGES, GATHERED_SECONDS)
                | "Spread" >> beam.FlatMap(_messages_of)
            )
        write = beam.ParDo(_WriteArchive(self.prefix, merge=not self.gather))
        return messages | "Write files" >> write


def _keyed(message: Message) -> tuple[str, Message]:
    # A text, as its coder is the same on every machine.
    dataset, hour = hour_of(message, dt.datetime.now(dt.UTC))
    return f"{hour} {dataset}", message


def _messages_of(batch: tuple[str, Iterable[Message]]) -> Iterable[Message]:
    return batch[1]


class _WriteArchive(beam.DoFn):
    """`Message` to a file a dataset and hour, when the bundle ends or is large.

    It raises if a file cannot be written: the runner tries the bundle again, and
    messages that are not in the archive are not acknowledged.
    """

    def __init__(self, prefix: str, *, merge: bool) -> None:
        self.prefix = prefix
        self.merge = merge

    def start_bundle(self) -> None:
        self.now = dt.datetime.now(dt.UTC)
        self.buffered: dict[Hour, list[Message]] = {}
        self.buffered_bytes = 0

    def process(self, message: Message) -> Iterator[Any]:
        self.buffered.setdefault(hour_of(message, self.now), []).append(message)
        self.buffered_bytes += len(message.data) + MESSAGE_BYTES
        if self.buffered_bytes >= MAX_BUFFERED_BYTES:
            self._flush()
        yield from ()

    def finish_bundle(self) -> None:
        self._flush()
        if self.merge:
            archive_of(self.prefix).merge_when_due()

    def _flush(self) -> None:
        buffered, self.buffered, self.buffered_bytes = self.buffered, {}, 0
        for hour, messages in buffered.items():
            archive_of(self.prefix).write(hour, messages)
