"""Service Bus messages in AMQP 1.0, and frames that every release of the SDK reads."""

import struct
from collections.abc import Iterator

from proton import Data, Described, Message, ProtonException, symbol, timestamp

from local.simulator.message_queue import Entry

_EMPTY_HEADER = b"\x00\x53\x70\x45"
_FULL_HEADER = b"\x00\x53\x70\xc0\x06\x05\x40\x40\x40\x40\x43"
"""With the delivery count 0, which Service Bus writes and proton leaves out."""

_DATA_SECTION = 0x75
_SECTION_STARTS = tuple(b"\x00\x53" + bytes([code]) for code in range(0x70, 0x79))

# Fields of each performative (AMQP 1.0 part 2, section 2.7, and part 5, 5.3.3).
_FIELD_COUNTS = {
    0x10: 10,  # open
    0x11: 8,  # begin
    0x12: 14,  # attach
    0x13: 11,  # flow
    0x14: 11,  # transfer
    0x15: 6,  # disposition
    0x16: 3,  # detach
    0x17: 1,  # end
    0x18: 1,  # close
    0x40: 1,  # SASL mechanisms
    0x44: 2,  # SASL outcome
}
_NULL = b"\x40"


def new_message(subject: str | None, message_id: str | None, body: bytes) -> Message:
    """A message whose body is one AMQP data section, as IRIS sends it."""
    message = Message(body=body, subject=subject, id=message_id)
    message.inferred = True  # bytes become a data section
    return message


def encode_delivery(entry: Entry) -> bytes:
    """A queued message with the header and annotations that Service Bus adds."""
    message: Message = entry.content
    message.delivery_count = entry.delivery_count
    annotations = {
        symbol("x-opt-enqueued-time"): timestamp(int(entry.enqueued_seconds * 1000)),
        symbol("x-opt-sequence-number"): entry.sequence,
    }
    if entry.locked_until_seconds:
        until_ms = int(entry.locked_until_seconds * 1000)
        annotations[symbol("x-opt-locked-until")] = timestamp(until_ms)
    message.annotations = annotations
    if entry.dead_letter:
        message.properties = {**(message.properties or {}), **entry.dead_letter}
    encoded = bytes(message.encode())
    if encoded.startswith(_EMPTY_HEADER):
        return _FULL_HEADER + encoded[len(_EMPTY_HEADER) :]
    return encoded


def decode_sent(transfer: bytes) -> list[Message]:
    """The messages of one transfer from a sender: one, or an SDK's whole batch.

    A batch is a message whose data sections are encoded messages. The transfer's
    message format marks it, but proton hides that; the first bytes of the sections
    show it too.

    Raises:
        proton.ProtonException: The bytes are not an AMQP message.
    """
    sections = list(_data_sections(transfer))
    if not sections or not all(part.startswith(_SECTION_STARTS) for part in sections):
        sections = [transfer]
    return [_decode(part) for part in sections]


def _decode(encoded: bytes) -> Message:
    message = Message()
    message.decode(encoded)
    return message


def _data_sections(encoded: bytes) -> Iterator[bytes]:
    while encoded:
        section = Data()
        encoded = encoded[section.decode(encoded) :]
        section.rewind()
        section.next()
        try:
            described = section.get_object()
        except UnicodeDecodeError as error:
            raise ProtonException(f"text that is not UTF-8: {error}") from error
        if not isinstance(described, Described):
            raise ProtonException("a section without a descriptor")
        if described.descriptor == _DATA_SECTION:
            yield bytes(described.value)


class FramePadder:
    """Rewrites proton's output so that performatives carry all their fields.

    AMQP lets a sender leave out trailing fields that are null, and proton does. But
    azure-servicebus before 7.15 reads fields by position and fails on missing ones.
    Elexon's own client pins such a release.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, output: bytes) -> bytes:
        """Accepts bytes in pieces of any size; returns the whole frames, padded."""
        buffer = self._rest + output
        frames, start = [], 0
        while (size := _frame_size(buffer, start)) and start + size <= len(buffer):
            frames.append(_pad(buffer[start : start + size]))
            start += size
        self._rest = buffer[start:]
        return b"".join(frames)


def _frame_size(buffer: bytes, start: int) -> int:
    """The bytes of the frame or protocol header at `start`; 0 if not yet known."""
    if len(buffer) - start < 8:
        return 0
    if buffer.startswith(b"AMQP", start):
        return 8
    return int.from_bytes(buffer[start : start + 4], "big")


def _pad(frame: bytes) -> bytes:
    """One frame with every field of its performative present."""
    body = frame[4] * 4
    if frame.startswith(b"AMQP") or len(frame) <= body:
        return frame  # a protocol header or a heartbeat
    code, constructor = frame[body + 2], frame[body + 3]
    fields = body + 4
    if constructor == 0x45:  # the empty list
        count, end, first = 0, fields, fields
    elif constructor == 0xC0:  # a list of up to 255 bytes
        count, end, first = frame[fields + 1], fields + 1 + frame[fields], fields + 2
    else:  # 0xD0, a longer list
        length, count = struct.unpack_from(">II", frame, fields)
        end, first = fields + 4 + length, fields + 8
    missing = _FIELD_COUNTS.get(code, count) - count
    if missing <= 0:
        return frame
    values = frame[first:end] + _NULL * missing
    head = struct.pack(">BII", 0xD0, len(values) + 4, count + missing)
    padded = frame[4 : body + 3] + head + values + frame[end:]
    return struct.pack(">I", len(padded) + 4) + padded
