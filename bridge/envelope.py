"""Envelope: the Pub/Sub message of a Service Bus message. Pure functions."""

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

# Pub/Sub accepts 10,000,000 bytes a request, attributes included, and its Python client
# refuses bodies of that size (https://cloud.google.com/pubsub/quotas#resource_limits).
MAX_DATA_BYTES = 9_500_000
# Pub/Sub refuses longer attribute values, emulators do not (same page).
MAX_ATTRIBUTE_BYTES = 1_024
# JSON shrinks to a tenth at any level; a higher one would block the event loop.
GZIP_LEVEL = 1

UNKNOWN_DATASET = "unknown"  # as in all of Elexon's clients
SOURCE = "IRIS"

BINARY = bytes | bytearray | memoryview


class UnpublishableError(ValueError):
    """A message that Pub/Sub can never accept; the text says why."""


class QueueMessage(Protocol):
    """The parts of a received Service Bus message that are used."""

    @property
    def body(self) -> object:  # any AMQP value
        """Data sections, a value, or sequences."""

    @property
    def subject(self) -> object:  # text, or bytes that are not UTF-8
        """The dataset."""

    @property
    def message_id(self) -> object:  # text, bytes, number or UUID
        """The file name, as Elexon chose it."""

    @property
    def sequence_number(self) -> int | None:
        """The queue's own number, never used twice."""

    @property
    def enqueued_time_utc(self) -> datetime | None:
        """When the queue received the message."""

    @property
    def delivery_count(self) -> int | None:
        """Failed deliveries before this one."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One Pub/Sub message: `data` bytes and `attributes`."""

    data: bytes
    attributes: dict[str, str]

    @property
    def size_bytes(self) -> int:
        """About the size of the message in a publish request."""
        return len(self.data) + sum(map(len, self.attributes.values())) + 100


def seal(message: QueueMessage, body: bytes) -> Envelope:
    """The Pub/Sub message of a Service Bus message and its `body_bytes`.

    The data are the body, byte for byte; above `MAX_DATA_BYTES` they are gzipped and
    `content_encoding` says so. Every delivery of a message results in the same
    envelope, except for `delivery_count`. `enqueued_time` is left out if the queue did
    not say it.

    Raises:
        UnpublishableError: The body is empty, or too large even gzipped.
    """
    dataset = _text(message.subject) or UNKNOWN_DATASET
    message_id = _text(message.message_id) or _derived_id(message, dataset, body)
    times = {"delivery_count": str(message.delivery_count or 0)}
    if message.enqueued_time_utc:
        times["enqueued_time"] = rfc3339(message.enqueued_time_utc)
    return enclose(body, dataset, message_id, SOURCE, times)


def enclose(
    body: bytes,
    dataset: str,
    message_id: str,
    source: str,
    others: Mapping[str, str] | None = None,
) -> Envelope:
    """The Pub/Sub message of a body from any source.

    Args:
        body: The data; above `MAX_DATA_BYTES` they are gzipped.
        dataset: The IRIS subject.
        message_id: The file name, as Elexon chose it.
        source: The `source` of the rows.
        others: Further attributes.

    Raises:
        UnpublishableError: The body is empty, or too large even gzipped.
    """
    if not body:
        raise UnpublishableError("empty body")
    message_id = fitting(message_id)
    attributes = {
        "dataset": fitting(dataset),
        "message_id": message_id,
        "publish_id": message_id,
        "source": source,
        **(others or {}),
    }
    if len(body) > MAX_DATA_BYTES:
        attributes["content_encoding"] = "gzip"
        return Envelope(_compressed(body), attributes)
    return Envelope(body, attributes)


def body_bytes(body: object) -> bytes:
    """The bytes of an AMQP body: data sections, a value or sequences.

    Texts are encoded as UTF-8 and pieces are joined. Anything else (a number, a map, a
    list of these) has no bytes of its own and becomes JSON.

    Raises:
        UnpublishableError: The values are nested too deeply.
    """
    try:
        return _bytes_of(body)
    except RecursionError:
        raise UnpublishableError("its values are nested too deeply") from None


def _bytes_of(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, BINARY):
        return bytes(body)
    if isinstance(body, str):
        return body.encode(errors="replace")
    if isinstance(body, Iterable) and not isinstance(body, dict):
        pieces = [item for part in body for item in _items(part)]
        if all(isinstance(piece, BINARY | str) for piece in pieces):
            return b"".join(_bytes_of(piece) for piece in pieces)
        body = pieces
    return json.dumps(_plain(body)).encode()


def fitting(text: str, suffix: str = "") -> str:
    """A text and its suffix within an attribute's limit.

    A longer text is cut, and ends with its hash.
    """
    encoded = text.encode()
    if len(encoded) + len(suffix) <= MAX_ATTRIBUTE_BYTES:
        return text + suffix
    suffix = f"~{_digest(encoded)}{suffix}"
    head = encoded[: MAX_ATTRIBUTE_BYTES - len(suffix)]
    return head.decode(errors="ignore") + suffix


def rfc3339(moment: datetime) -> str:
    """The time in UTC as `2026-05-06T02:31:00.123Z`; Service Bus uses ms."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _derived_id(message: QueueMessage, dataset: str, body: bytes) -> str:
    """An id for a message without one, the same at every delivery.

    `<dataset>_<enqueued time>_<sequence number>`: the sequence number identifies a
    message within its queue; the time differs if the queue is created again. Without a
    sequence number (a real Service Bus always has one) a hash of the body is used.
    """
    enqueued = message.enqueued_time_utc
    time_part = f"{enqueued.astimezone(UTC):%Y%m%d%H%M%S%f}" if enqueued else "undated"
    serial = message.sequence_number
    if serial is None:
        return f"{dataset}_{time_part}_{_digest(body)}"
    return f"{dataset}_{time_part}_{serial}"


def _compressed(body: bytes) -> bytes:
    packed = gzip.compress(body, GZIP_LEVEL, mtime=0)  # the same bytes at every try
    if len(packed) > MAX_DATA_BYTES:
        raise UnpublishableError(
            f"too large for Pub/Sub: {len(body)} bytes, {len(packed)} gzipped"
        )
    return packed


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _text(value: object) -> str:
    if isinstance(value, BINARY):
        return bytes(value).decode(errors="replace")
    # Python allows a lone surrogate in a text, Pub/Sub does not.
    return "" if value is None else str(value).encode(errors="replace").decode()


def _items(part: object) -> list[object]:
    """The items of one sequence section; any other part is an item itself."""
    return part if isinstance(part, list) else [part]


def _plain(value: object) -> object:
    """The value in types that JSON has."""
    if isinstance(value, dict):
        return {_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _text(value)
