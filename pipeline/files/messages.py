"""Files of messages: what each file holds, whatever its form.

A message is a file `<DATASET>/<message_id>`, as Elexon's client writes it, plain or
gzip. An answer of the Insights API that was saved as a file is one, too. A tar file
holds a tree of them; a file of the raw archive holds messages as they came. Names
inside such files are data and never become paths.
A file that cannot be read to its end becomes a message with a `fault`, so that the
ledger shows it.
"""

import functools
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pipeline.core.decoding import (
    GZIP_MAGIC,
    INSIGHTS_API,
    IRIS,
    MAX_UNPACKED_BYTES,
    NO_SUBJECT,
    Message,
    coercer_of,
    dataset_inside,
)
from pipeline.files import avro, tar
from pipeline.registry import load_registry

_TAR_NAME = re.compile(r".*\.(tar|tar\.gz|tgz)\Z", re.IGNORECASE)
_FORMS = re.compile(
    r".*\.((json|jsonl|ndjson)(\.gz)?|avro|tar|tar\.gz|tgz)\Z", re.IGNORECASE
)
_OTHERS = re.compile(
    r"readme.*|license.*|.*\.(md|txt|csv|log|html?|pdf|py|sh|xml|ya?ml)\Z",
    re.IGNORECASE,
)
# `<SUBJECT>_<YYYYMMDDHHMM>_<serial>.json` (iris-clients).
_MESSAGE_ID = re.compile(r"(.+)_\d{12}_", re.ASCII)
# The other ids of IRIS: a UUID, or anything that is not the name of a JSON file.
_OTHER_ID = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.json)?\Z|(?!.*\.(json|jsonl|ndjson)\Z)",
    re.ASCII | re.IGNORECASE,
)
_NOT_IN_NAMES = re.compile(r"[^0-9A-Za-z]+")
# What may be before the first byte of a JSON text: a mark of UTF-8, and space.
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"
_HEAD_BYTES = 64


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


def dataset_of_path(path: str) -> str | None:
    """The dataset of all messages of a file, where its path alone says it."""
    folders, _, name = path.rpartition("/")
    folder = folders.rpartition("/")[2]
    if _TAR_NAME.match(name) or name.lower().endswith(avro.SUFFIX):
        return None
    return folder if coercer_of(folder) is not None else None


def message_of(path: str, data: bytes) -> Message:
    """The message that a file holds as its only one."""
    return Message(data, _attributes(path, data))


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
        "dataset": folder if coercer_of(folder) is not None else NO_SUBJECT,
        "message_id": name,
        "publish_id": name,
        "source": IRIS,
    }
    return Message(b"", attributes, fault=f"{path}: {fault}")


def _attributes(path: str, data: bytes) -> dict[str, str]:
    # A backlog has a hundred thousand of these; pathlib would take longer than parsing.
    folders, _, name = path.rpartition("/")
    folder = folders.rpartition("/")[2]
    message_id = name.removesuffix(".gz")
    named = _MESSAGE_ID.match(message_id)
    subject = named[1] if named else ""
    is_of_iris = subject == folder or coercer_of(subject) is not None
    if coercer_of(folder) is not None:
        dataset = folder
    elif subject and is_of_iris:
        dataset = subject
    else:
        inside = dataset_inside(data, also=_names_of_path(folder, message_id))
        dataset = inside or subject or folder or NO_SUBJECT
    if not subject:
        is_of_iris = _OTHER_ID.match(message_id) is not None
    # IRIS puts its JSON into a string, whatever the file is called.
    is_of_iris = is_of_iris or _head(data).startswith(b'"')
    return {
        "dataset": dataset,
        "message_id": message_id,
        "publish_id": message_id,
        "source": IRIS if is_of_iris else INSIGHTS_API,
    }


def _names_of_path(folder: str, message_id: str) -> list[str]:
    """The dataset that a path names in its own way: `fuelinst_2026-05-06.json`."""
    words = _NOT_IN_NAMES.split(message_id)
    # Names have up to two words (SYS_WARN).
    beginnings = ["_".join(words[:count]) for count in (2, 1)]
    names = _names_in_lower_case()
    found = [names.get(each.lower()) for each in (folder, *beginnings)]
    return [name for name in found if name][:1]


@functools.cache
def _names_in_lower_case() -> dict[str, str]:
    """The registry's names, also by alias; tables make their names one in any case."""
    return {
        name.lower(): each.name
        for each in load_registry().values()
        for name in (each.name, *each.aliases)
    }


def _head(data: bytes) -> bytes:
    """The first bytes of a body, which may be gzip."""
    head = data[:_HEAD_BYTES]
    if data.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(wbits=31).decompress(data, _HEAD_BYTES)
        except zlib.error:
            head = b""
    return head.lstrip(_BEFORE_JSON)
