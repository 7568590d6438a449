"""The ways in: a Pub/Sub subscription, what has been pulled from one, or files."""

from __future__ import annotations

import glob
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub
from apache_beam.metrics import Metrics

from pipeline.core.decoding import Message, coercer_of
from pipeline.files import messages as files
from pipeline.steps.ledger import METRICS, UNREADABLE

PROGRESS_SECONDS = 5.0
# As `glob.has_magic` has it.
GLOB_MAGIC = re.compile(r"[*?[]")
_log = logging.getLogger(__name__)


class ReadSubscription(beam.PTransform):
    """Gives `Message` from a Pub/Sub subscription, for ever.

    Args:
        subscription: `projects/P/subscriptions/S`.
        id_label: The attribute by which the source drops a redelivery; Dataflow only.
    """

    def __init__(self, subscription: str, id_label: str | None) -> None:
        super().__init__()
        self.subscription = subscription
        self.id_label = id_label

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Builds the step."""
        return (
            begin
            | "Pull"
            >> ReadFromPubSub(
                subscription=self.subscription,
                id_label=self.id_label,
                with_attributes=True,
            )
            | "To message" >> beam.Map(_from_pubsub)
        )


def _from_pubsub(message: PubsubMessage) -> Any:
    published = message.publish_time
    return Message(
        message.data, message.attributes, published.rfc3339() if published else None
    )


# Beam makes copies of what a graph holds, but not of what a function finds here.
_hand: list[Message] = []


class ReadHand(beam.PTransform):
    """Gives the `Message`s of `in_hand`; for a runner in this process.

    As elements of `beam.Create` they would be a part of the graph, which Beam pickles
    and compresses: 40 % of the time of a round of 5,000 messages (measured).
    """

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Builds the steps."""
        begun = begin | "Begin" >> beam.Create([None], reshuffle=False)
        return begun | "Take hand" >> beam.FlatMap(_take_hand)


@contextmanager
def in_hand(messages: Sequence[Message]) -> Iterator[None]:
    """Has `ReadHand` give these messages, in any run of its graph meanwhile."""
    _hand[:] = messages
    try:
        yield
    finally:
        _hand.clear()


def _take_hand(_: None) -> list[Message]:
    return _hand


class ReadFiles(beam.PTransform):
    """Gives `Message` from files, in each form that `pipeline.files.messages` reads.

    Args:
        pattern: A glob, or a folder.
        spread: Whether the files go to several workers; else they are found and read
            one after the other, and no list of them is ever in memory.
    """

    def __init__(self, pattern: str, *, spread: bool = False) -> None:
        super().__init__()
        self.pattern = pattern
        self.spread = spread

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Builds the steps."""
        found = (
            begin
            | "Name files" >> beam.Create([self.pattern], reshuffle=False)
            | "Find files" >> beam.FlatMap(find)
        )
        if self.spread:
            found = found | "Spread files" >> beam.Reshuffle()
        return found | "Read files" >> beam.ParDo(_ReadFiles())


class Found(NamedTuple):
    """A file that a pattern matches.

    Attributes:
        path: Its path.
        size_bytes: How large it is.
        fault: Why it cannot be read, where that is known already.
    """

    path: str
    size_bytes: int
    fault: str | None = None


def find(pattern: str) -> Iterator[Found]:
    """Gives the files that a glob matches, and all those in a folder that it matches.

    Hidden ones are left out, as a shell's globs do, and files such as a README that lie
    beside the folders of the datasets.
    """
    if "://" in pattern:
        yield from _find_stored(pattern)
    elif Path(pattern).is_dir():
        yield from _walk(pattern)
    else:
        # With `**` a glob matches a folder, and then each thing in it once more.
        walked: set[Path] = set()
        # A user's glob may be absolute, which Path.glob does not take.
        for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207
            if walked and not walked.isdisjoint(Path(path).parents):
                continue
            if Path(path).is_dir():
                walked.add(Path(path))
                yield from _walk(path, is_inner="**" in pattern)
            elif Path(path).is_file() and files.is_message(Path(path).parts[-2:]):
                yield _found(path, Path(path).stat)


def _find_stored(pattern: str) -> Iterator[Found]:
    match = FileSystems.match([pattern])[0]
    is_folder = not match.metadata_list and not glob.has_magic(pattern)
    if is_folder:
        pattern = f"{pattern.rstrip('/')}/**"
        match = FileSystems.match([pattern])[0]
    head = GLOB_MAGIC.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    is_dataset = coercer_of(head.rpartition("/")[2]) is not None
    for file in match.metadata_list:
        if file.path.endswith("/"):  # the place-holder of an empty folder
            continue
        parts = file.path[len(head) :].strip("/").split("/")
        is_hidden = any(part.startswith(".") for part in parts)
        if not is_hidden and (not is_folder or is_dataset or files.is_message(parts)):
            yield Found(file.path, file.size_in_bytes)


def _walk(folder: str, *, is_inner: bool = False) -> Iterator[Found]:
    name = Path(folder).name
    inside = [name] if is_inner or coercer_of(name) is not None else []
    try:
        entries = os.scandir(folder)
    except OSError as error:
        yield Found(folder, 0, error.strerror or str(error))
        return
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, is_inner=True)
            elif entry.is_dir():
                _log.warning("%s is a link to a folder and not read", entry.path)
            elif entry.is_file() and files.is_message([*inside, entry.name]):
                yield _found(entry.path, entry.stat)


def _found(path: str, stat: Callable[[], os.stat_result]) -> Found:
    try:
        return Found(path, stat().st_size)
    except OSError as error:  # it went away since its folder was listed
        return Found(path, 0, error.strerror or str(error))


class _ReadFiles(beam.DoFn):
    """Takes `Found`; gives `Message`."""

    def start_bundle(self) -> None:
        self.said = time.monotonic()
        self.messages = 0

    def process(self, found: Found) -> Iterator[Any]:
        for message in _messages(found):
            self.messages += 1
            if message.fault:
                _log.warning("%s", message.fault)
                Metrics.counter(METRICS, UNREADABLE).inc()
            self._tell()
            yield message

    def _tell(self) -> None:
        if time.monotonic() - self.said >= PROGRESS_SECONDS:
            self.said = time.monotonic()
            _log.info("%d messages read", self.messages)


def _messages(found: Found) -> Iterator[Message]:
    path = files.printable(found.path)
    if found.fault:
        yield files.faulty(path, found.fault)
        return
    try:
        with _open(found.path) as opened:
            yield from files.messages(opened, path, found.size_bytes)
    except OSError as error:
        yield files.faulty(path, error.strerror or str(error))


def _open(path: str) -> Any:
    if "://" not in path:
        # A Path would be a tenth of what a small message takes.
        return open(path, "rb")  # noqa: PTH123
    # Beam would unpack by the ending of the name, and fail where that is wrong.
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
