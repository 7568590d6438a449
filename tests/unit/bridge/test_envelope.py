"""What becomes of a Service Bus message on Pub/Sub."""

import gzip
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import envelope

ENQUEUED = datetime(2026, 5, 6, 2, 31, 0, 123_000, UTC)
FREQ_BODY = b'"[{\\"dataset\\":\\"FREQ\\",\\"frequency\\":49.961}]"'
DATASET_JSON = b'{"dataset": "FREQ", "at": "2026-05-06"}'


@dataclass
class Message:
    body: Any = (FREQ_BODY,)
    subject: Any = "FREQ"
    message_id: Any = "FREQ_202605060231_10001.json"
    sequence_number: int | None = 7
    enqueued_time_utc: datetime | None = ENQUEUED
    delivery_count: int | None = 0


def seal(message: Message) -> envelope.Envelope:
    return envelope.seal(message, envelope.body_bytes(message.body))


def test_an_ordinary_message_keeps_its_bytes_and_gets_every_attribute() -> None:
    sealed = seal(Message(delivery_count=2))
    assert sealed.data == FREQ_BODY
    assert sealed.attributes == {
        "dataset": "FREQ",
        "message_id": "FREQ_202605060231_10001.json",
        "publish_id": "FREQ_202605060231_10001.json",
        "enqueued_time": "2026-05-06T02:31:00.123Z",
        "delivery_count": "2",
        "source": "IRIS",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ((b"[1", b",2]"), b"[1,2]"),
        (iter([bytearray(b"[1]")]), b"[1]"),
        ([memoryview(b"[1]")], b"[1]"),
        (b"[1]", b"[1]"),
        ("[\u00e9]", "[\u00e9]".encode()),
        ([[b"[1", b",2]"]], b"[1,2]"),
        ([[{b"a": 1}], [{b"a": b"x"}]], b'[{"a": 1}, {"a": "x"}]'),
        ({b"dataset": b"FREQ", "at": ENQUEUED.date()}, DATASET_JSON),
        (12, b"12"),
        (None, b""),
        ([], b""),
        ((b"", b""), b""),
    ],
)
def test_every_amqp_body_has_bytes(body: Any, expected: bytes) -> None:
    assert envelope.body_bytes(body) == expected


@pytest.mark.parametrize("body", [None, b"", "", (b"",)])
def test_an_empty_body_can_never_be_published(body: Any) -> None:
    with pytest.raises(envelope.UnpublishableError, match="empty"):
        seal(Message(body=body))


def test_a_large_body_is_gzipped_and_says_so() -> None:
    body = b"x" * (envelope.MAX_DATA_BYTES + 1)
    sealed = seal(Message(body=body))
    assert gzip.decompress(sealed.data) == body
    assert sealed.attributes["content_encoding"] == "gzip"
    assert sealed == seal(Message(body=body))


def test_a_body_at_the_limit_is_left_alone() -> None:
    body = b"x" * envelope.MAX_DATA_BYTES
    sealed = seal(Message(body=body))
    assert sealed.data == body
    assert "content_encoding" not in sealed.attributes


def test_a_body_too_large_even_gzipped_can_never_be_published() -> None:
    with pytest.raises(envelope.UnpublishableError, match="gzipped"):
        seal(Message(body=os.urandom(envelope.MAX_DATA_BYTES + 100_000)))


@pytest.mark.parametrize("subject", [None, "", b""])
def test_a_message_without_subject_is_of_an_unknown_dataset(subject: Any) -> None:
    assert seal(Message(subject=subject)).attributes["dataset"] == "unknown"


def test_a_message_without_id_has_the_same_one_at_every_delivery() -> None:
    first = seal(Message(message_id=None, delivery_count=0))
    again = seal(Message(message_id="", delivery_count=3))
    assert first.attributes["message_id"] == "FREQ_20260506023100123000_7"
    assert again.attributes["message_id"] == first.attributes["message_id"]
    assert again.attributes["publish_id"] == first.attributes["message_id"]


def test_messages_without_id_are_told_apart() -> None:
    later = datetime(2026, 5, 6, 2, 32, tzinfo=UTC)
    messages = [
        Message(message_id=None),
        Message(message_id=None, sequence_number=8),
        Message(message_id=None, subject="MID"),
        Message(message_id=None, enqueued_time_utc=later),
        Message(message_id=None, sequence_number=None),
        Message(message_id=None, sequence_number=None, body=b"[2]"),
    ]
    ids = {seal(message).attributes["message_id"] for message in messages}
    assert len(ids) == len(messages)


def test_an_unknown_enqueued_time_is_left_out() -> None:
    sealed = seal(Message(message_id=None, enqueued_time_utc=None))
    assert "enqueued_time" not in sealed.attributes
    assert sealed.attributes["message_id"] == "FREQ_undated_7"


def test_long_names_are_cut_but_stay_apart() -> None:
    one = seal(Message(message_id="a" * 2_000 + "1", subject="\u00e9" * 600))
    two = seal(Message(message_id="a" * 2_000 + "2"))
    assert one.attributes["message_id"] != two.attributes["message_id"]
    assert len(one.attributes["message_id"].encode()) == envelope.MAX_ATTRIBUTE_BYTES
    assert one.attributes["dataset"].startswith("\u00e9\u00e9")


NAMES = st.none() | st.text() | st.binary() | st.integers() | st.uuids()


@given(subject=NAMES, message_id=NAMES, serial=st.none() | st.integers(0))
def test_no_name_makes_a_message_unpublishable(
    subject: Any, message_id: Any, serial: int | None
) -> None:
    message = Message(subject=subject, message_id=message_id, sequence_number=serial)
    sealed = seal(message)
    assert sealed == seal(message)
    for key, value in sealed.attributes.items():
        assert key
        assert value
        assert len(value.encode()) <= envelope.MAX_ATTRIBUTE_BYTES


def test_a_body_from_elsewhere_has_its_source_and_no_times() -> None:
    name = "FREQ_202605060231_10001.json"
    sealed = envelope.enclose(FREQ_BODY, "FREQ", name, "IRIS_ARCHIVE")
    assert sealed.data == FREQ_BODY
    assert sealed.attributes == {
        "dataset": "FREQ",
        "message_id": name,
        "publish_id": name,
        "source": "IRIS_ARCHIVE",
    }
    with pytest.raises(envelope.UnpublishableError, match="empty"):
        envelope.enclose(b"", "FREQ", name, "IRIS_ARCHIVE")
