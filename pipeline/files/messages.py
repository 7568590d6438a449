"""Files of messages: what each file holds, whatever its form.

A message is a file `<DATASET>/<message_id>`, as Elexon's client writes it, plain or
gzip; a tar archive holds a tree of them, a file of the raw archive has them as they
came. Names are data here and never become paths.
Whatever cannot be read to its end becomes a message with a `fault`, so that the ledger
shows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pipeline.core.decoding import MAX_UNPACKED_BYTES, Message, coercer_of
from pipeline.files import avro, tar

_TAR_NAME = re.compile(r".*\.(tar|tar\.gz|tgz)\Z", re.IGNORECASE)
_FORMS = re.compile(r".*\.(json|json\.gz|avro|tar|tar\.gz|tgz)\Z", re.IGNORECASE)
_OTHERS = re.compile(
    r"readme.*|license.*|.*\.(md|txt|csv|log|html?|pdf|py|sh|xml|ya?ml)\Z",
    re.IGNORECASE,
)
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
    elif path.lower().endswith(avro.SUFFIX):
        yield from avro.read_messages(opened, path)
    elif size_bytes > MAX_UNPACKED_BYTES:
        yield faulty(path, f"{size_bytes} bytes are too many for a message")
    else:
        yield message(path, opened.read())


def message(path: str, data: bytes) -> Message:
    """The message of one file."""
    return Message(data, _attributes(path))


def tar_messages(opened: BinaryIO, path: str) -> Iterator[Message]:
    """Gives the messages of a tar archive, plain or gzip, as it is read.

    Nothing is unpacked to disk, and one message at a time is in memory.
    """
    try:
        for entry in tar.entries(opened):
            yield from _of_entry(entry)
    except tar.BrokenArchiveError as error:
        yield faulty(path, f"cannot be read to its end: {error}")


def _of_entry(entry: tar.Entry) -> Iterator[Message]:
    name = printable(entry.name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    path = "/".join(parts)
    if name.startswith("/") or ".." in parts:
        yield faulty(path, f"{name!r} is a path out of its archive")
    elif not is_message(parts):
        return
    elif entry.size_bytes > MAX_UNPACKED_BYTES:
        yield faulty(path, f"{entry.size_bytes} bytes are too many for a message")
    else:
        yield message(path, entry.read())


def is_message(parts: Sequence[str]) -> bool:
    """Whether a path below a folder, or in an archive, is one of messages.

    Hidden files are not, nor what lies beside the folders of the datasets, nor such as
    a README.
    """
    if not parts or any(part.startswith(".") for part in parts):
        return False
    *folders, name = parts
    if _FORMS.match(name) or (folders and coercer_of(folders[-1]) is not None):
        return True
    return bool(folders) and not _OTHERS.match(name)


def printable(path: str) -> str:
    """A path as UTF-8 text, with an escape for every byte that is none."""
    return os.fsencode(path).decode(errors="backslashreplace")


def faulty(path: str, fault: str) -> Message:
    """The message that stands for a file that cannot be read."""
    folders, _, name = path.rpartition("/")
    folder = folders.rpartition("/")[2]
    attributes = {
        "dataset": folder if coercer_of(folder) is not None else "unknown",
        "message_id": name,
        "publish_id": name,
        "source": "IRIS",
    }
    return Message(b"", attributes, fault=f"{path}: {fault}")


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
