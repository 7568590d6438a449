"""The raw archive: every message as received, by dataset and hour.

    <prefix>/<dataset>/<YYYY-MM-DD>/<HH>-<id>.avro

The hour is that in which Pub/Sub received the message. A file gets its name when it is
whole: it is written under a hidden name that does not end in `.avro`, so a run that is
killed leaves nothing that looks like a file of the archive. A message that comes again
is in the archive twice, which costs a duplicate when it is replayed.
"""

import contextlib
import datetime as dt
import functools
import logging
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import xxhash
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from command.usage import UsageError
from pipeline.away import AWAY, UnreachableError
from pipeline.core.decoding import Message
from pipeline.core.values import ValueRefused, to_timestamp
from pipeline.files.avro import SUFFIX, copy_messages, write_messages

# A long-lived process writes a file a bundle. Those of an hour become one file when
# they are this many, and when the hour is over and had no message for some minutes.
MAX_PARTS = 100
QUIET_SECONDS = 600.0
LOOK_SECONDS = 60.0
# A file name may have 255 bytes; a longer one becomes its beginning and a hash.
MAX_NAME_LENGTH = 120

_FRACTION = re.compile(r"\.\d+")
log = logging.getLogger(__name__)


class Hour(NamedTuple):
    """The messages of one file: a dataset, and the hour `YYYY-MM-DDTHH` in UTC."""

    dataset: str
    hour: str


def hour_of(message: Message, now: dt.datetime) -> Hour:
    """The hour of a message: when it was published; the current one if unknown."""
    # `to_timestamp` refuses nanoseconds, and the hour does not need them.
    published = _FRACTION.sub("", message.published_utc or "")
    try:
        return Hour(message.dataset, to_timestamp(published)[:13])
    except ValueRefused:
        return Hour(message.dataset, f"{now:%Y-%m-%dT%H}")


def folder_name(dataset: str) -> str:
    """The folder of a dataset, whose name comes from a message and may be anything."""
    name = quote(dataset, safe="", errors="backslashreplace").replace(".", "%2E")
    if len(name) <= MAX_NAME_LENGTH:
        return name
    return f"{name[:80]}~{xxhash.xxh3_128_hexdigest(name.encode())}"


@dataclass
class _Parts:
    """The files of one hour that this process wrote."""

    small: list[str] = field(default_factory=list)
    large: list[str] = field(default_factory=list)
    touched: float = 0.0


class RawArchive:
    """The raw archive below one prefix, as this process fills it.

    Args:
        prefix: A local folder, or one of a Beam file system such as `gs://…`.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, prefix: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.prefix = prefix.rstrip("/") or "/"
        self._clock = clock
        self._lock = threading.Lock()
        self._parts: dict[Hour, _Parts] = {}
        self._looked = clock()

    def write(self, hour: Hour, messages: list[Message]) -> str:
        """Writes one file and returns its path.

        Raises:
            OSError: It cannot be written.
        """
        path = self._new_path(hour)
        store(path, lambda opened: write_messages(opened, messages))
        with self._lock:
            parts = self._parts.setdefault(hour, _Parts())
            parts.small.append(path)
            parts.touched = self._clock()
        return path

    def merge(self, *, quiet_seconds: float = QUIET_SECONDS) -> None:
        """Merges the files that this process wrote for an hour into one.

        It does so for hours that are over, and for hours with many files. If that
        fails, the files stay as they are.

        Args:
            quiet_seconds: How long an hour that is over must have had no message.
        """
        for hour, paths in self._due(quiet_seconds):
            try:
                merged = self._merge(hour, paths)
            except Exception as error:  # noqa: BLE001 - clients raise all kinds
                log.warning("the archive files of %s are not merged: %s", hour, error)
                continue
            with self._lock:
                if hour in self._parts:
                    self._parts[hour].large.append(merged)

    def merge_when_due(self) -> None:
        """Merges, if the last time was a while ago."""
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._looked = self._clock()
            self.merge()

    def check(self) -> None:
        """Makes sure that files can be written.

        Raises:
            UsageError: They cannot.
            UnreachableError: Cloud Storage does not answer at the moment.
        """
        path = f"{self.prefix}/.{uuid.uuid4().hex}.tmp"
        try:
            store(path, lambda opened: opened.write(b"a check"))
            remove([path])
        except Exception as error:  # noqa: BLE001 - clients raise all kinds
            text = str(error).splitlines()[0]
            kind = UnreachableError if isinstance(error, AWAY) else UsageError
            raise kind(
                f"--archive_prefix {self.prefix} cannot be written: {text}"
            ) from None

    def _new_path(self, hour: Hour) -> str:
        day, _, hours = hour.hour.partition("T")
        name = f"{hours}-{uuid.uuid4().hex}{SUFFIX}"
        return f"{self.prefix}/{folder_name(hour.dataset)}/{day}/{name}"

    def _due(self, quiet_seconds: float) -> list[tuple[Hour, list[str]]]:
        """Removes and returns the files that are due to be merged."""
        now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H}"
        due = []
        with self._lock:
            for hour, parts in list(self._parts.items()):
                quiet = self._clock() - parts.touched >= quiet_seconds
                if hour.hour < now and quiet:
                    del self._parts[hour]
                    due.append((hour, parts.large + parts.small))
                elif len(parts.small) >= MAX_PARTS:
                    due.append((hour, parts.small))
                    parts.small = []
        return [(hour, paths) for hour, paths in due if len(paths) > 1]

    def _merge(self, hour: Hour, paths: list[str]) -> str:
        merged = self._new_path(hour)
        store(merged, lambda opened: copy_messages(opened, _each_opened(paths)))
        remove(paths)
        return merged


@functools.cache
def archive_of(prefix: str) -> RawArchive:
    """The one archive of this process below a prefix."""
    return RawArchive(prefix)


def is_local(path: str) -> bool:
    """Whether a path is one of this machine."""
    return "://" not in path


def store(path: str, write: Callable[[BinaryIO], Any]) -> None:
    """Writes a file that gets its name when it is whole, and on the disk.

    Raises:
        OSError: It cannot be written.
    """
    folder, _, name = path.rpartition("/")
    hidden = f"{folder}/.{name}.tmp"
    try:
        if is_local(path):
            _store_locally(Path(path), Path(hidden), write)
        else:
            with FileSystems.create(
                hidden, compression_type=CompressionTypes.UNCOMPRESSED
            ) as opened:
                write(opened)
            FileSystems.rename([hidden], [path])
    except BaseException:
        with contextlib.suppress(Exception):
            remove([hidden])
        raise


def _store_locally(path: Path, hidden: Path, write: Callable[[BinaryIO], Any]) -> None:
    _make_folder(path.parent)
    with hidden.open("wb") as opened:
        write(opened)
        opened.flush()
        os.fsync(opened.fileno())
    hidden.replace(path)
    _sync_folder(path.parent)


def _make_folder(folder: Path) -> None:
    """Makes a folder, and those above it, so that they survive a power cut."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _each_opened(paths: list[str]) -> Iterator[BinaryIO]:
    """The files one after another; each is closed before the next is opened."""
    for path in paths:
        if is_local(path):
            opened: Any = Path(path).open("rb")  # noqa: SIM115 - closed below
        else:
            opened = FileSystems.open(
                path, compression_type=CompressionTypes.UNCOMPRESSED
            )
        with opened:
            yield opened


def remove(paths: list[str]) -> None:
    """Deletes files."""
    if paths and is_local(paths[0]):
        for path in paths:
            Path(path).unlink()
    else:
        FileSystems.delete(paths)
