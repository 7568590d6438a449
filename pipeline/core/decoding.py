"""The decode core: a message as it came to everything that becomes of it.

Pure functions without Beam, Google or Azure. Nothing here raises for bad input: a
message or record that cannot become rows becomes a dead letter.
"""

import datetime as dt
import functools
import gc
import json
import logging
import zlib
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

import orjson
from msgspec import Struct

from pipeline.core import literals
from pipeline.core.coercion import Coercer, RecordRefused, Row, Typed, TypedRecord
from pipeline.core.forms import (
    BrokenLine,
    Opened,
    dataset_named,
    lines_opened,
    opened,
)
from pipeline.core.identity import InexactNumberError, record_id
from pipeline.core.literals import json_text, may_change
from pipeline.core.reasons import Reason, Stage
from pipeline.core.structs import Structs
from pipeline.core.values import ValueRefused, shown, to_timestamp
from pipeline.registry import load_registry

# The largest message seen was 11 MB (UOU2T3YW); one that unpacks to more than this is
# an attack or an accident, and would fill a worker.
MAX_UNPACKED_BYTES = 64 * 2**20
GZIP_MAGIC = b"\x1f\x8b"
# A body is read in parts that grow, so that what follows a member is not copied whole:
# 170,000 members in one body took 7.6 s, and take 0.2 s (measured).
FIRST_PART_BYTES, PART_GROWTH = 512, 4
# A stream on Dataflow commits at once all that a message becomes. One value may have
# 80 MB (https://cloud.google.com/dataflow/quotas) and a commit some 180 MB
# (apache/beam issue 19956). A larger commit fails, and is tried again without end.
# The smallest records of IRIS (FREQ, 104 bytes) become 4.9 times as large, those of
# other datasets 1.8 to 4.3 times (measured). So 16 MB become 80 MB at most, and so do
# 150,000 records, however small.
MAX_SERVICE_BYTES = 16_000_000
MAX_SERVICE_RECORDS = 150_000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# The subject of a message that came without one, as in all of Elexon's clients.
NO_SUBJECT = "unknown"
# The `source` of rows whose records are as IRIS sends them, and as the API answers.
IRIS, INSIGHTS_API = "IRIS", "INSIGHTS_API"
# Making an encoder takes as long as a record.
_AS_IT_CAME = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
log = logging.getLogger(__name__)


class Message(Struct, frozen=True):
    """A message as it came.

    Attributes:
        data: The body, possibly gzip.
        attributes: The Pub/Sub attributes (`dataset`, `message_id`, ...).
        published_utc: When Pub/Sub received it, RFC 3339; None for one of a file.
        fault: Why its bytes could not be read; None if they are whole.
    """

    data: bytes
    attributes: Mapping[str, str]
    published_utc: str | None = None
    fault: str | None = None

    @property
    def dataset(self) -> str:
        """The subject under which IRIS sent it."""
        return self.attributes.get("dataset") or NO_SUBJECT

    @property
    def message_id(self) -> str | None:
        """IRIS's name for the message."""
        return self.attributes.get("message_id")


class DeadLetter(Struct, frozen=True):
    """A message or record that could not become rows.

    Attributes:
        stage: Where it failed.
        reason: The code.
        error: What was wrong, with column and value.
        record_index: The index of the record in the message; None for a whole message.
        payload: The body unchanged, or the one record's JSON.
        record_id: The record's identity, which the row will have when the registry is
            corrected; None for a whole message, and for a record without identity.
    """

    stage: Stage
    reason: Reason
    error: str
    record_index: int | None
    payload: bytes
    record_id: str | None = None


class Decoded(Struct):
    """What became of one message.

    Attributes:
        dataset: The registry's name, or the subject if the registry does not know it.
        count: The number of records; a message that cannot be opened, or whose dataset
            is unknown, counts as one.
        records: The records that are rows.
        metadata: The metadata columns that all rows of the message share.
        dead_letters: The records, or the message, that could not become rows.
        unmapped: Whether the registry does not know the dataset.
        corrected: Attributes that the records show to be others: the dataset of a
            message without a subject, the source of an answer of the API.
    """

    dataset: str
    count: int = 1
    records: list[TypedRecord] = []
    metadata: dict[str, str | None] = {}
    dead_letters: list[DeadLetter] = []
    unmapped: bool = False
    corrected: dict[str, str] = {}


class MessageRefused(ValueError):  # noqa: N818 - a refusal is not an error
    """A message that cannot be opened."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decode(
    message: Message, ingested_utc: str, *, refuse_large: bool = False
) -> Decoded:
    """Decodes, flattens and types one message.

    Args:
        message: The message as it came.
        ingested_utc: The time, as `utc_now` returns it.
        refuse_large: Whether to refuse what a stream on Dataflow cannot commit.

    Returns:
        Rows, dead letters, or `unmapped` for an unknown dataset: every record of the
        message is in exactly one of them.
    """
    subject = message.dataset
    if message.fault:
        return _whole(message, subject, Stage.READ, Reason.UNREADABLE, message.fault)
    try:
        if subject == NO_SUBJECT:
            subject = dataset_of(message)
        return _decode(message, subject, ingested_utc, refuse_large)
    except MessageRefused as refused:
        return _whole(message, subject, Stage.DECODE, refused.reason, str(refused))
    except Exception as error:  # the last wall: the message is kept
        log.exception("decoding failed")
        text = f"{type(error).__name__}: {error}"
        return _whole(message, subject, Stage.DECODE, Reason.INTERNAL, text)


def collect_rarely() -> None:
    """Sets how often Python's garbage collector runs in this process.

    The rows of a message come and go together, and no cycle is in them. By default the
    collector would walk through them after every 700 new objects: a sixth of the time
    that large messages take.
    """
    gc.set_threshold(10_000)


def utc_now() -> str:
    """The time as `ingested_utc` holds it, to the millisecond."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    return now.removesuffix("+00:00") + "Z"


def _decode(
    message: Message, subject: str, ingested_utc: str, refuse_large: bool
) -> Decoded:
    coercer = coercer_of(subject)
    if coercer is None:
        return Decoded(subject, unmapped=True)
    body = unpack(
        message.data,
        message.attributes.get("content_encoding"),
        MAX_SERVICE_BYTES if refuse_large else MAX_UNPACKED_BYTES,
    )
    if refuse_large and len(body) > MAX_SERVICE_BYTES:
        raise _too_large(f"has {len(body):,} bytes")
    is_answer = False
    if (typed := coercer.read(_text_inside(body))) is None:
        typed, is_answer = _opened_and_typed(coercer, body)
    count = len(typed.records) + len(typed.refused)
    if refuse_large and count > MAX_SERVICE_RECORDS:
        raise _too_large(f"has {count:,} records")
    metadata = metadata_of(message, ingested_utc)
    decoded = Decoded(coercer.dataset.name, count, typed.records, metadata)
    if typed.refused:
        decoded.dead_letters = [_letter(*refusal) for refusal in typed.refused]
    if subject != message.dataset:
        decoded.corrected["dataset"] = subject
    if is_answer and metadata["source"] == IRIS:
        metadata["source"] = decoded.corrected["source"] = INSIGHTS_API
    return decoded


def _text_inside(body: bytes) -> bytes | str:
    """The JSON inside of a JSON string, as IRIS sends it; otherwise the body."""
    if not body.startswith(b'"'):
        return body
    try:
        text: str = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    return text


def _opened_and_typed(coercer: Coercer, body: bytes) -> tuple[Typed, bool]:
    """Makes rows of a body in any form; says whether it is an answer of the API."""
    found, exact = parse_quickly(body, coercer.columns)

    @functools.cache
    def literal_records() -> list[Any]:
        if not may_change(body):
            return []
        return parse_exactly(body, coercer.columns, literals.parsed).records

    def written(position: int) -> Any:
        return literal_records()[position] if literal_records() else None

    try:
        typed = coercer.rows(found.records, exact=exact, written=written)
    except InexactNumberError:
        records = parse_exactly(body, coercer.columns).records
        typed = coercer.rows(records, exact=True, written=written)
    return typed, found.is_answer


def _whole(
    message: Message, subject: str, stage: Stage, reason: Reason, error: str
) -> Decoded:
    coercer = coercer_of(subject)
    letter = DeadLetter(stage, reason, error, None, message.data)
    dataset = coercer.dataset.name if coercer else subject
    return Decoded(dataset, dead_letters=[letter])


def _letter(
    position: int, element: Any, why: RecordRefused, written: Any
) -> DeadLetter:
    is_line = type(element) is BrokenLine
    payload = element.data if is_line else _as_written(element, written)
    return DeadLetter(
        Stage.COERCE, why.reason, str(why), position, payload, why.record_id
    )


def _as_written(element: Any, written: Any) -> bytes:
    """The JSON of an element, numbers as they were written where that is known."""
    try:
        return record_json(element) if written is None else json_text(written)
    except TypeError:
        return record_json(element)


def identity_of(dataset: str, record: Any) -> str | None:
    """The id of an element; None if it is not an object, has NaN or is too deep."""
    try:
        return record_id(dataset, record) if type(record) is dict else None
    except (ValueRefused, RecursionError):
        return None


def record_json(record: Any) -> bytes:
    """The JSON of any element, with key order and values unchanged."""
    try:
        # orjson would write NaN as null.
        return _AS_IT_CAME.encode(record).encode()
    except UnicodeEncodeError:
        return json.dumps(record, separators=(",", ":")).encode()


@functools.cache
def _coercers() -> dict[str, Coercer]:
    registry = load_registry()
    names = {
        alias for each in registry.values() for alias in (each.name, *each.aliases)
    }
    coercers = {
        name: Coercer(each, names - {name, *each.aliases, *each.also_named})
        for name, each in registry.items()
    }
    aliases = {a: coercers[d.name] for d in registry.values() for a in d.aliases}
    return coercers | aliases


def structs_of(dataset: str) -> Structs:
    """The structs of the rows of a dataset that the registry knows."""
    return _coercers()[dataset].structs


def typed_record(
    dataset: str, record_id: str, row: Row, position: int, record: Row | None = None
) -> TypedRecord:
    """A record whose row is made already, as `Coercer.typed` makes it."""
    return _coercers()[dataset].typed(record_id, row, position, record)


def coercer_of(dataset: str) -> Coercer | None:
    """The coercer of a dataset or alias, one a process; None for an unknown name."""
    return _coercers().get(dataset)


def dataset_of(message: Message) -> str:
    """The dataset of a message: its subject; without one, what all its records name."""
    subject = message.dataset
    if subject != NO_SUBJECT or message.fault:
        return subject
    encoding = message.attributes.get("content_encoding")
    return dataset_inside(message.data, encoding) or subject


def dataset_inside(
    data: bytes, content_encoding: str | None = None, also: Iterable[str] = ()
) -> str | None:
    """The dataset that all records of a body name, by the registry's name.

    Args:
        data: The body, possibly gzip.
        content_encoding: The attribute.
        also: Names from elsewhere, which count where some records name no dataset.

    Returns:
        None where names differ, are unknown or missing, or the body cannot be opened.
    """
    try:
        found, _ = parse_quickly(unpack(data, content_encoding))
    except MessageRefused:
        return None
    return dataset_named(found, _registry_name, also)


def _registry_name(name: str) -> str | None:
    coercer = coercer_of(name)
    return coercer.dataset.name if coercer else None


def metadata_of(message: Message, ingested_utc: str) -> dict[str, str | None]:
    """The metadata columns that all rows of a message share."""
    enqueued = message.attributes.get("enqueued_time")
    try:
        enqueued = to_timestamp(enqueued) if enqueued else None
    except ValueRefused:
        # A wrong time must not cost the records; in the column it is unknown.
        enqueued = None
    return {
        "ingested_utc": ingested_utc,
        "source": message.attributes.get("source") or IRIS,
        "message_id": message.message_id,
        "enqueued_utc": enqueued,
    }


def _too_large(what: str) -> MessageRefused:
    return MessageRefused(
        Reason.TOO_LARGE_FOR_SERVICE,
        f"it {what}, more than Dataflow can commit; a drain makes rows of it "
        "(docs/dead-letters.md, Large messages)",
    )


def unpack(
    data: bytes, content_encoding: str | None, max_bytes: int = MAX_UNPACKED_BYTES
) -> bytes:
    """Unpacks gzip, if the attribute or the first bytes say that a body is packed.

    Raises:
        MessageRefused: The bytes are not gzip, are cut off, or unpack to more than
            `max_bytes`.
    """
    if content_encoding != "gzip" and not data.startswith(GZIP_MAGIC):
        return data
    unpacked, packed = bytearray(), memoryview(data)
    while packed:  # gzip allows several members one after another
        packed = packed[_unpack_member(packed, unpacked, max_bytes) :]
    return bytes(unpacked)


def _unpack_member(packed: memoryview, unpacked: bytearray, max_bytes: int) -> int:
    """Unpacks the first member; returns how many bytes it takes.

    What follows a member is copied, so that it is read in parts: members of some bytes
    would cost the square of their number otherwise.
    """
    inflater = zlib.decompressobj(wbits=31)
    start, part_bytes = 0, FIRST_PART_BYTES
    while not inflater.eof:
        part = packed[start : start + part_bytes]
        if not part:
            raise MessageRefused(Reason.INVALID_GZIP, "the gzip stream is cut off")
        try:
            unpacked += inflater.decompress(part, max_bytes - len(unpacked) + 1)
        except zlib.error as error:
            raise MessageRefused(Reason.INVALID_GZIP, str(error)) from None
        if len(unpacked) > max_bytes:
            text = f"unpacks to over {max_bytes} bytes"
            if max_bytes < MAX_UNPACKED_BYTES:
                raise _too_large(text)
            raise MessageRefused(Reason.INVALID_GZIP, f"it {text}")
        start += len(part) - len(inflater.unused_data)
        part_bytes *= PART_GROWTH
    return start


def unpacked_size(data: bytes) -> int:
    """The size of a body when it is unpacked, as it says itself (RFC 1952, ISIZE)."""
    packed = data.startswith(GZIP_MAGIC)
    return int.from_bytes(data[-4:], "little") if packed else len(data)


def parse_quickly(body: bytes, columns: Set[str] = frozenset()) -> tuple[Opened, bool]:
    """Parses a body and finds its records, in the fastest way.

    Args:
        body: JSON, or JSON lines.
        columns: Those of the dataset; see `forms.opened`.

    Returns:
        The records, and whether every integer is exact.

    Raises:
        MessageRefused: The body is neither JSON lines nor a JSON array or object.
    """
    text: bytes | str = body
    try:
        value = orjson.loads(text)
        while type(value) is str:  # IRIS puts its JSON into a JSON string
            text = value
            value = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = lines_opened(text, orjson.loads, columns)
        if found and not any(type(each) is BrokenLine for each in found.records):
            return found, False
        # The cause may be one NaN in one record; the other records must become rows.
        return parse_exactly(body, columns), True
    return _opened(value, columns), False


def _loads(text: bytes | str) -> Any:
    # `json` would guess an encoding for bytes.
    return json.loads(text.decode() if isinstance(text, bytes) else text)


def parse_exactly(
    body: bytes,
    columns: Set[str] = frozenset(),
    loads: Callable[[bytes | str], Any] = _loads,
) -> Opened:
    """Parses slowly: integers of any size, and NaN and Infinity as floats.

    Args:
        body: JSON, or JSON lines.
        columns: Those of the dataset; see `forms.opened`.
        loads: Parses a JSON text.

    Raises:
        MessageRefused: The body is neither JSON lines nor a JSON array or object.
    """
    text: bytes | str = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        value = loads(text)
        while type(value) is str:
            # A file that begins with one has it inside when it is sent as IRIS does.
            text = value.removeprefix("\ufeff")
            value = loads(text)
    except RecursionError:
        raise MessageRefused(Reason.INVALID_JSON, "nested too deeply") from None
    except ValueError as error:  # a JSON or a UTF-8 error
        if (found := lines_opened(text, loads, columns)) is not None:
            return found
        raise MessageRefused(Reason.INVALID_JSON, str(error)) from None
    return _opened(value, columns)


def _opened(value: Any, columns: Set[str]) -> Opened:
    if (found := opened(value, columns)) is None:
        raise MessageRefused(
            Reason.NOT_RECORDS, f"{shown(value)} is neither an array nor an object"
        )
    return found
