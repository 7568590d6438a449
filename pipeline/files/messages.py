"""Files of messages: what each file holds, whatever its form.

A message is a file `<DATASET>/<message_id>`, as Elexon's client writes it, plain or
gzip. A tar file holds a tree of them; a file of the raw archive holds messages as they
came. Names inside such files are data and never become paths.
A file that cannot be read to its end becomes a message with a `fault`, so that the
ledger shows it.
"""

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


def messages_in(opened: BinaryIO, path: str, size_bytes: int) -> Iterator[Message]:
    """Yields the messages of a file.

    Args:
        opened: The file, its bytes as they are.
        path: Its path; the last two parts name dataset and message.
        size_bytes: How large it is.
    """
    if _TAR_NAME.match(path):
        yield from _in_tar(opened, path)
    elif path.lower().endswith(avro.SUFFIX):
        yield from avro.read_messages(opened, path)
    elif size_bytes > MAX_UNPACKED_BYTES:
        yield faulty(path, _too_large(size_bytes))
    else:
        yield message_of(path, opened.read())


def message_of(path: str, data: bytes) -> Message:
    """The message that a file holds as its only one."""
    return Message(data, _attributes(path))


def _in_tar(opened: BinaryIO, path: str) -> Iterator[Message]:
    """Yields the messages of a tar file, plain or gzip, while it is read.

    Nothing is unpacked to disk, and one message at a time is in memory.
    """
    try:
        for member in tar.members(opened):
            yield from _in_member(member)
    except tar.BrokenTarError as error:
        yield faulty(path, f"cannot be read to its end: {error}")


def _in_member(member: tar.Member) -> Iterator[Message]:
    name = path_text(member.name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    path = "/".join(parts)
    if name.startswith("/") or ".." in parts:
        yield faulty(path, f"{name!r} is a path outside of the tar file")
    elif not is_message(parts):
        return
    elif member.size_bytes > MAX_UNPACKED_BYTES:
        yield faulty(path, _too_large(member.size_bytes))
    else:
        yield message_of(path, member.read())


def _too_large(size_bytes: int) -> str:
    return f"{size_bytes} bytes are too many for a message"


def is_message(parts: Sequence[str]) -> bool:
    """Whether a path below a folder, or in a tar file, is a file of messages.

    Hidden files are not, nor files beside the folders of the datasets, nor files such
    as a README.
    """
    if not parts or any(part.startswith(".") for part in parts):
        return False
    *folders, name = parts
    if _FORMS.match(name) or (folders and coercer_of(folders[-1]) is not None):
        return True
    return bool(folders) and not _OTHERS.match(name)


def path_text(path: str) -> str:
    """A path as UTF-8 text; every byte that is not UTF-8 becomes an escape."""
    return os.fsencode(path).decode(errors="backslashreplace")


def faulty(path: str, fault: str) -> Message:
    """The message of a file that cannot be read: no bytes, but the fault."""
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
    # A backlog has a hundred thousand of these; pathlib would take longer than parsing.
    folders, _, name = path.rpartition("/")
    message_id = name.removesuffix(".gz")
    return {
        "dataset": _subject(folders.rpartition("/")[2], message_id),
        "message_id": message_id,
        "publish_id": message_id,
        "source": "IRIS",
    }


def _subject(folder: str, message_id: str) -> str:
    """The dataset: its folder, or the beginning of the message's name."""
    named = _MESSAGE_ID.match(message_id)
    if named is None or coercer_of(folder) is not None:
        return folder or "unknown"
    return named[1]
