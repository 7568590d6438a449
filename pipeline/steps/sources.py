"""Sources: a Pub/Sub subscription, a round of messages pulled from one, or files."""

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

from pipeline.core.decoding import Message, coercer_of, dataset_of
from pipeline.files.messages import (
    dataset_of_path,
    faulty,
    is_message,
    messages_in,
    path_text,
)
from pipeline.files.workers import ALL, Share
from pipeline.steps.ledger import METRICS, SKIPPED, UNREADABLE

PROGRESS_SECONDS = 5.0
# As `glob.has_magic` has it.
GLOB_MAGIC = re.compile(r"[*?[]")
log = logging.getLogger(__name__)


class ReadSubscription(beam.PTransform):
    """Reads `Message` from a Pub/Sub subscription until the run is stopped.

    Args:
        subscription: `projects/P/subscriptions/S`.
        id_label: The attribute by which the source drops a redelivery; Dataflow only.
    """

    def __init__(self, subscription: str, id_label: str | None) -> None:
        super().__init__()
        self.subscription = subscription
        self.id_label = id_label

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Message]:
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


def _from_pubsub(message: PubsubMessage) -> Message:
    published = message.publish_time
    return Message(
        message.data, message.attributes, published.rfc3339() if published else None
    )


# The messages of the current round. Beam copies everything that a graph holds, but not
# what a function of the graph finds in a module.
_round: list[Message] = []


class ReadRound(beam.PTransform):
    """Reads the `Message`s of `current_round`; for a runner in this process.

    As elements of `beam.Create` they would be a part of the graph, which Beam pickles
    and compresses: 40 % of the time of a round of 5,000 messages (measured).
    """

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Message]:
        begun = begin | "Begin" >> beam.Create([None], reshuffle=False)
        return begun | "Messages of the round" >> beam.FlatMap(_messages_of_round)


@contextmanager
def current_round(messages: Sequence[Message]) -> Iterator[None]:
    """Inside this context, a graph with `ReadRound` reads these messages."""
    _round[:] = messages
    try:
        yield
    finally:
        _round.clear()


def _messages_of_round(_: None) -> list[Message]:
    return _round


class ReadFiles(beam.PTransform):
    """Reads `Message` from files, in each form that `pipeline.files.messages` knows.

    Args:
        pattern: A glob, or a folder.
        spread: Whether several workers share the files; otherwise they are found and
            read one after the other, and no list of them is ever in memory.
        share: The messages that are read; the others are left out.
    """

    def __init__(
        self, pattern: str, *, spread: bool = False, share: Share = ALL
    ) -> None:
        super().__init__()
        self.pattern = pattern
        self.spread = spread
        self.share = share

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Message]:
        found = (
            begin
            | "Name files" >> beam.Create([self.pattern], reshuffle=False)
            | "Find files" >> beam.FlatMap(find)
        )
        if self.spread:
            found = found | "Spread files" >> beam.Reshuffle()
        return found | "Read files" >> beam.ParDo(_ReadFiles(self.share))


class Found(NamedTuple):
    """A file that a pattern matches.

    Attributes:
        path: Its path.
        size_bytes: How large it is.
        fault: Why it cannot be read; None as long as nothing is wrong.
        is_other: Whether it is a file beside the messages, such as a README.
    """

    path: str
    size_bytes: int
    fault: str | None = None
    is_other: bool = False


def find(pattern: str) -> Iterator[Found]:
    """Yields the files that a glob matches, and all files in a folder that it matches.

    Hidden files are left out, as in a shell's globs; files such as a README beside the
    folders of the datasets are marked.
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
            elif Path(path).is_file():
                yield _found(path, Path(path).parts[-2:], Path(path).stat)


def _find_stored(pattern: str) -> Iterator[Found]:
    match = FileSystems.match([pattern])[0]
    is_folder = not match.metadata_list and not glob.has_magic(pattern)
    if is_folder:
        pattern = f"{pattern.rstrip('/')}/**"
        match = FileSystems.match([pattern])[0]
    head = GLOB_MAGIC.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    is_dataset = coercer_of(head.rpartition("/")[2]) is not None
    for file in match.metadata_list:
        if file.path.endswith("/"):  # it stands for an empty folder
            continue
        parts = file.path[len(head) :].strip("/").split("/")
        is_hidden = any(part.startswith(".") for part in parts)
        if not is_hidden:
            is_other = is_folder and not is_dataset and not is_message(parts)
            yield Found(file.path, file.size_in_bytes, is_other=is_other)


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
                log.warning("%s is a link to a folder: not followed", entry.path)
            elif entry.is_file():
                yield _found(entry.path, [*inside, entry.name], entry.stat)


def _found(
    path: str, parts: Sequence[str], stat: Callable[[], os.stat_result]
) -> Found:
    if not is_message(parts):
        return Found(path, 0, is_other=True)
    try:
        return Found(path, stat().st_size)
    except OSError as error:  # it went away since its folder was listed
        return Found(path, 0, error.strerror or str(error))


class _ReadFiles(beam.DoFn):
    """`Found` to `Message`."""

    def __init__(self, share: Share) -> None:
        self.share = share

    def start_bundle(self) -> None:
        self.logged = time.monotonic()
        self.messages = 0

    def process(self, found: Found) -> Iterator[Any]:
        if not self._may_have(found):
            return
        if found.is_other:
            log.info("%s is not a message: skipped", path_text(found.path))
            Metrics.counter(METRICS, SKIPPED).inc()
            return
        for message in _messages(found):
            if self.share.of > 1 and not self.share.has(dataset_of(message)):
                continue
            self.messages += 1
            if message.fault:
                log.warning("%s", message.fault)
                Metrics.counter(METRICS, UNREADABLE).inc()
            self._log_progress()
            yield message

    def _may_have(self, found: Found) -> bool:
        """Whether a file may have messages of the share, without opening it."""
        if self.share.of == 1:
            return True
        if found.is_other:
            return self.share.is_first
        dataset = dataset_of_path(found.path)
        return dataset is None or self.share.has(dataset)

    def _log_progress(self) -> None:
        if time.monotonic() - self.logged >= PROGRESS_SECONDS:
            self.logged = time.monotonic()
            number, of = self.share.number + 1, self.share.of
            by = f" by worker {number} of {of}" if of > 1 else ""
            log.info("%d messages read%s", self.messages, by)


def _messages(found: Found) -> Iterator[Message]:
    path = path_text(found.path)
    if found.fault:
        yield faulty(path, found.fault)
        return
    try:
        with _open(found.path) as opened:
            yield from messages_in(opened, path, found.size_bytes)
    except OSError as error:
        yield faulty(path, error.strerror or str(error))


def _open(path: str) -> Any:
    if "://" not in path:
        # A Path would be a tenth of what a small message takes.
        return open(path, "rb")  # noqa: PTH123
    # Beam would unpack by the ending of the name, and fail where that is wrong.
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
