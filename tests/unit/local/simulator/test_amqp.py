"""Messages and frames on the wire."""

import struct

import pytest
from proton import Data, Message, ProtonException

from local.simulator.amqp import FramePadder, decode_sent, encode_delivery, new_message
from local.simulator.message_queue import Entry

HEADER = b"AMQP\x00\x01\x00\x00"


def frame(body: bytes) -> bytes:
    return struct.pack(">IBBH", len(body) + 8, 2, 0, 0) + body


def fields_of(padded: bytes) -> tuple[list, bytes]:
    """The fields of a frame's performative and what follows it."""
    body, decoded = padded[8:], Data()
    size = decoded.decode(body)
    decoded.rewind()
    decoded.next()
    return decoded.get_object().value, body[size:]


def test_first_delivery_writes_its_count_of_zero():
    encoded = encode_delivery(Entry(7, new_message("FREQ", "id", b"{}"), 2, 1.5))
    assert encoded.startswith(b"\x00\x53\x70\xc0\x06\x05\x40\x40\x40\x40\x43")
    message = Message()
    message.decode(encoded)
    assert (message.subject, message.id, message.body) == ("FREQ", "id", b"{}")
    assert message.annotations["x-opt-sequence-number"] == 7
    assert message.annotations["x-opt-enqueued-time"] == 1500
    assert "x-opt-locked-until" not in message.annotations


def test_later_delivery_carries_its_count():
    entry = Entry(7, new_message("FREQ", "id", b"{}"), 2, 1.5, delivery_count=3)
    message = Message()
    message.decode(encode_delivery(entry))
    assert message.delivery_count == 3


def test_body_is_one_data_section():
    raw = bytes(new_message("FREQ", "id", b'"[]"').encode())
    assert raw.endswith(b'\x00\x53\x75\xa0\x04"[]"')


def test_plain_message_is_decoded_as_it_is():
    (message,) = decode_sent(bytes(new_message("S", "id", b"\x00other").encode()))
    assert (message.subject, message.body) == ("S", b"\x00other")


def test_batch_is_taken_apart():
    parts = [bytes(new_message("S", name, b"x").encode()) for name in ("a", "b")]
    batch = b"".join(b"\x00\x53\x75\xb0" + struct.pack(">I", len(p)) + p for p in parts)
    assert [message.id for message in decode_sent(batch)] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"\x00\x53\x16\x45", [None, None, None]),  # a detach without fields
        (b"\x00\x53\x16\xc0\x03\x02\x43\x41", [0, True, None]),
        (b"\x00\x53\x16\xd0\x00\x00\x00\x06\x00\x00\x00\x02\x43\x41", [0, True, None]),
    ],
)
def test_missing_fields_are_added(body, fields):
    assert fields_of(FramePadder().feed(frame(body))) == (fields, b"")


def test_payload_behind_a_transfer_stays():
    transfer = frame(b"\x00\x53\x14\xc0\x03\x02\x43\x43" + b"payload")
    fields, payload = fields_of(FramePadder().feed(transfer))
    assert (len(fields), payload) == (11, b"payload")


def test_headers_heartbeats_and_full_frames_pass_unchanged():
    stream = HEADER + frame(b"") + frame(b"\x00\x53\x18\xc0\x02\x01\x40")
    assert FramePadder().feed(stream) == stream


def test_pieces_give_the_same_as_the_whole():
    stream = (
        HEADER + frame(b"\x00\x53\x16\x45") + frame(b"") + frame(b"\x00\x53\x18\x45")
    )
    padder = FramePadder()
    pieces = b"".join(padder.feed(stream[i : i + 1]) for i in range(len(stream)))
    assert pieces == FramePadder().feed(stream)


@pytest.mark.parametrize(
    "transfer",
    [b"\x40", b"\x00\x53\x77\xa1\x02\xff\xff"],
    ids=["no section", "text that is not UTF-8"],
)
def test_bytes_that_are_no_message_are_refused(transfer):
    with pytest.raises(ProtonException):
        decode_sent(transfer)
