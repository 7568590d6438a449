"""The elements of the graph: rows of one message, and rows ready for a table."""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple

import xxhash

from pipeline.core.coercion import TypedRecord
from pipeline.core.decoding import (
    GZIP_MAGIC,
    DeadLetter,
    Decoded,
    Message,
    record_json,
    structs_of,
    typed_record,
)
from pipeline.core.reasons import Reason, Stage
from pipeline.core.row_ids import hashed, origin_of

# insertAll accepts 10 MB a request, and base64 makes four bytes of three.
MAX_PAYLOAD_BYTES = 6_500_000
# The metadata columns that all rows of a message share.
SHARED_COLUMNS = ("ingested_utc", "source", "message_id", "enqueued_utc")
# `json.dumps` makes one each time.
_JSON = json.JSONEncoder(separators=(",", ":"))


@dataclass(slots=True)
class RowBatch:
    """The rows of one message (or a part of them).

    Attributes:
        dataset: The registry's name.
        metadata: The metadata columns that all of them share.
        attributes: Those of the message.
        records: The records.
        published_utc: When Pub/Sub received the message; None for one of a file.
        origin: What distinguishes its rows from identical ones of another message
            (`row_ids`); None if nothing does.
    """

    dataset: str
    metadata: dict[str, str | None]
    attributes: Mapping[str, str]
    records: list[TypedRecord]
    published_utc: str | None = None
    origin: str | None = field(init=False)
    _metadata_json: bytes | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        self.origin = origin_of(self.dataset, self.metadata)

    @property
    def plain(self) -> tuple[Any, ...]:
        """Plain values, of which `batch_of` makes the same again.

        A record as it came is JSON: it may have half a surrogate pair, which Beam
        cannot encode.
        """
        records = [
            (each.record_id, each.row, each.position)
            if each.source is None
            else (each.record_id, each.row, each.position, record_json(each.source))
            for each in self.records
        ]
        return (
            self.dataset,
            self.metadata,
            dict(self.attributes),
            records,
            self.published_utc,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The types of structs are made when the registry is read: no module has them.
        return batch_of, self.plain

    @property
    def row_ids(self) -> list[str]:
        """The ids of its rows, by which one that is there already is recognised."""
        ids = [record.record_id for record in self.records]
        if (origin := self.origin) is None:
            return ids
        return [hashed(record_id, origin) for record_id in ids]

    @property
    def metadata_json(self) -> bytes:
        """The metadata as members of a JSON object, each with a comma before it."""
        if self._metadata_json is None:
            members = _JSON.encode(self.metadata)[1:-1]
            self._metadata_json = f",{members}".encode() if members else b""
        return self._metadata_json

    def only(self, records: list[TypedRecord]) -> "RowBatch":
        """The same with other records."""
        return RowBatch(
            self.dataset, self.metadata, self.attributes, records, self.published_utc
        )

    def values_of(self, record: TypedRecord) -> dict[str, Any]:
        """The column values of one of its records, as `insertAll` accepts them."""
        return {**record.row, **self.metadata, "record_id": record.record_id}


def columns_of(batches: Sequence[RowBatch]) -> dict[str, Sequence[Any]]:
    """The values of all rows of batches of one dataset by column.

    The metadata columns are among them.
    """
    records = [record for batch in batches for record in batch.records]
    columns = structs_of(batches[0].dataset).columns([each.values for each in records])
    for name in SHARED_COLUMNS:
        columns[name] = [
            value
            for batch in batches
            for value in repeat(batch.metadata.get(name), len(batch.records))
        ]
    columns["record_id"] = [record.record_id for record in records]
    columns["extra"] = [record.extra for record in records]
    return columns


def batch_of(
    dataset: str,
    metadata: dict[str, str | None],
    attributes: dict[str, str],
    records: list[tuple[Any, ...]],
    published_utc: str | None,
) -> RowBatch:
    """The batch of plain values, also of those that an earlier release wrote."""
    typed = [
        typed_record(dataset, *values, *map(_source, source))
        for values, source in ((each[:3], each[3:]) for each in records)
    ]
    return RowBatch(dataset, metadata, attributes, typed, published_utc)


def _source(plain: Any) -> Any:
    """A record as it came; format 1 has the record itself."""
    return json.loads(plain) if type(plain) is bytes else plain


class TableRow(NamedTuple):
    """A row of one of the pipeline's own tables, ready to be inserted.

    Attributes:
        dataset: The IRIS dataset that it is about.
        insert_id: BigQuery drops a second row with the same id within a minute or so.
        values: Column values as `insertAll` accepts them.
    """

    dataset: str
    insert_id: str
    values: dict[str, Any]


def row_batch(message: Message, decoded: Decoded) -> RowBatch:
    """The rows of a decoded message."""
    return RowBatch(
        decoded.dataset,
        decoded.metadata,
        {**message.attributes, **decoded.corrected},
        decoded.records,
        message.published_utc,
    )


def dead_letter_row(
    dataset: str, attributes: Mapping[str, str], letter: DeadLetter, failed_utc: str
) -> TableRow:
    """The row of `iris_dead_letters` for a letter; the same letter has the same id."""
    identity = xxhash.xxh3_128_hexdigest(
        "\n".join(
            (
                dataset,
                attributes.get("publish_id") or attributes.get("message_id") or "",
                str(letter.record_index),
                letter.stage,
                letter.reason,
            )
        ).encode()
        + letter.payload
    )
    if letter.record_index is not None or letter.record_id is not None:
        # One record's JSON is never packed, even if its message was.
        attributes = {k: v for k, v in attributes.items() if k != "content_encoding"}
    payload, attributes = _fitted(letter.payload, attributes)
    if letter.reason is Reason.UNREADABLE:
        payload = None  # a replay has no bytes to send
    return TableRow(
        dataset,
        identity,
        {
            "dead_letter_id": identity,
            "failed_utc": failed_utc,
            "stage": letter.stage.value,
            "reason": letter.reason.value,
            "error": letter.error,
            "dataset": dataset,
            "message_id": attributes.get("message_id"),
            "record_index": letter.record_index,
            "record_id": letter.record_id,
            "payload": payload,
            "attributes": json.dumps(dict(attributes), sort_keys=True),
            "attempt": _attempt(attributes),
        },
    )


def refused_row(
    dataset: str,
    attributes: Mapping[str, str],
    record_id: str,
    payload: bytes,
    error: str,
    failed_utc: str,
    *,
    position: int | None = None,
    reason: Reason = Reason.INSERT_REJECTED,
) -> TableRow:
    """The row of `iris_dead_letters` for a record whose row is not stored.

    Args:
        dataset: The registry's name.
        attributes: Those of the message.
        record_id: The record's identity.
        payload: The record's JSON.
        error: BigQuery's reason.
        failed_utc: The time, as `utc_now` returns it.
        position: The record's index in the message, where it is known.
        reason: Whether BigQuery refused the row, or accepted none for its table.
    """
    letter = DeadLetter(Stage.WRITE, reason, error, position, payload, record_id)
    return dead_letter_row(dataset, attributes, letter, failed_utc)


def unmapped_row(message: Message, ingested_utc: str) -> TableRow:
    """The row of `iris_unmapped` for a message of an unknown dataset."""
    identity = xxhash.xxh3_128_hexdigest(
        f"{message.dataset}\n{message.message_id}\n".encode() + message.data
    )
    # A replay that is unmapped again is another row, under the same id.
    attempt = _attempt(message.attributes)
    payload, attributes = _fitted(message.data, message.attributes)
    return TableRow(
        message.dataset,
        identity if attempt == 1 else f"{identity}-{attempt}",
        {
            "unmapped_id": identity,
            "ingested_utc": ingested_utc,
            "dataset": message.dataset,
            "message_id": message.message_id,
            "payload": payload,
            "attributes": json.dumps(dict(attributes), sort_keys=True),
        },
    )


def _attempt(attributes: Mapping[str, str]) -> int:
    """How often the pipeline has tried; each replay adds one to the attribute."""
    attempt = attributes.get("attempt", "1")
    return int(attempt) if attempt.isdecimal() and len(attempt) < 10 else 1


def _fitted(
    payload: bytes, attributes: Mapping[str, str]
) -> tuple[str | None, Mapping[str, str]]:
    """The payload as base64, packed with gzip if it would not fit into a row.

    The attribute `content_encoding` then says so, as it does on Pub/Sub. A payload that
    does not fit even so is left out, and `payload_bytes` says how large it was.
    """
    if len(payload) > MAX_PAYLOAD_BYTES and not payload.startswith(GZIP_MAGIC):
        payload = gzip.compress(payload, mtime=0)
        attributes = {**attributes, "content_encoding": "gzip"}
    if len(payload) > MAX_PAYLOAD_BYTES:
        return None, {**attributes, "payload_bytes": str(len(payload))}
    return base64.b64encode(payload).decode(), attributes
