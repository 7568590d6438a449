"""Files of messages: what each file holds, whatever its form.

A message is a file `<DATASET>/<message_id>`, as Elexon's client writes it, plain or
gzip; a tar archive holds a tree of them, a file of the raw archive has them as they
came. Names are data here and never become paths.
Whatever cannot be read to its end becomes a message with a `fault`, so that the ledger
shows it.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from pipeline import archive_file
from pipeline.decoding import GZIP_MAGIC, MAX_UNPACKED_BYTES, Message, coercer_of

# JSON in a tar archive shrinks to a tenth, tiny files to a fiftieth. What unpacks to
# more than this, beyond the first bytes, is a bomb (deflate's limit: 1,032).
MAX_RATIO = 500
RATIO_FROM_BYTES = 256 * 2**20
_TAR_NAME = re.compile(r".*\.(tar|tar\.gz|tgz)\Z", re.IGNORECASE)
_FORMS = re.compile(r".*\.(json|json\.gz|avro|tar|tar\.gz|tgz)\Z", re.IGNORECASE)
# `<SUBJECT>_<YYYYMMDDHHMM>_<serial>.json` (iris-clients).
_MESSAGE_ID = re.compile(r"(.+)_\d{12}_", re.ASCII)


def messages(opened: BinaryIO, path: str, size_bytes: int) -> Iterator[Message]:
    """Gives the messages of a file.

    Args:
        opened: The file, its bytes as they are.
        path: Its path, whose last two parts say dataset and message.
        size_bytes: How large it is.
    """
    if _TAR_NAME.match(path):
        yield from tar_messages(opened, path)
    elif path.endswith(archive_file.SUFFIX):
        yield from archive_file.read_messages(opened, path)
    elif size_bytes > MAX_UNPACKED_BYTES:
        yield faulty(path, f"{size_bytes} bytes are too many for a message")
    else:
        yield message(path, opened.read())


def speaks_for_itself(name: str) -> bool:
    """Whether a file outside of a dataset's folder is one of messages, by its name."""
    return bool(_FORMS.match(name))


def message(path: str, data: bytes) -> Message:
    """The message of one file."""
    return Message(data, _attributes(path))


def tar_messages(opened: BinaryIO, path: str) -> Iterator[Message]:
    """Gives the messages of a tar archive, plain or gzip, as it is read.

    Nothing is unpacked to disk, and one message at a time is in memory.
    """
    packed = _Counted(opened)
    is_gzip = packed.peek(len(GZIP_MAGIC)) == GZIP_MAGIC
    stream: Any = gzip.GzipFile(fileobj=cast(Any, packed)) if is_gzip else packed
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                yield from _member(archive, member)
                archive.members.clear()  # type: ignore[attr-defined] # it keeps them
                unpacked = member.offset_data + member.size
                if unpacked > max(RATIO_FROM_BYTES, MAX_RATIO * packed.read_bytes):
                    yield faulty(path, f"{member.name!r}: it unpacks without end")
                    return
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        yield faulty(path, f"it cannot be read to its end: {error}")


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Message]:
    name = member.name.removeprefix("./")
    if not member.isfile() or PurePosixPath(name).name.startswith("."):
        return
    if "/" not in name and not speaks_for_itself(name):
        return
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        yield faulty(name, f"{name!r} is a path out of its archive")
    elif member.size > MAX_UNPACKED_BYTES:
        yield faulty(name, f"{member.size} bytes are too many for a message")
    elif (content := archive.extractfile(member)) is not None:
        yield message(name, content.read())


def faulty(path: str, fault: str) -> Message:
    """The message that stands for a file that cannot be read."""
    return Message(b"", _attributes(path), fault=fault)


def _attributes(path: str) -> dict[str, str]:
    # A backlog has a hundred thousand of these: pathlib would take longer than parsing.
    folders, _, name = path.rpartition("/")
    message_id = name.removesuffix(".gz")
    return {
        "dataset": _subject(folders.rpartition("/")[2], message_id),
        "message_id": message_id,
        "publish_id": message_id,
        "source": "IRIS",
    }


def _subject(folder: str, message_id: str) -> str:
    """The dataset: its folder, or what the message's name begins with."""
    named = _MESSAGE_ID.match(message_id)
    if named is None or coercer_of(folder) is not None:
        return folder or "unknown"
    return named[1]


class _Counted:
    """A stream of bytes that knows how many have been read."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened
        self._ahead = b""
        self.read_bytes = 0

    def peek(self, size: int) -> bytes:
        """The first bytes, which are read again."""
        self._ahead = self._opened.read(size)
        return self._ahead

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._ahead or self._opened.read(size)
        self._ahead = b""
        self.read_bytes += len(data)
        return data
