"""Messages that a stream on Dataflow cannot commit, and how large they become."""

import gzip
import json
import re
from pathlib import Path

import pytest

from pipeline.core import decoding
from pipeline.core.batches import dead_letter_row, row_batch
from pipeline.core.decoding import (
    MAX_SERVICE_BYTES,
    MAX_SERVICE_RECORDS,
    Message,
    decode,
)
from pipeline.core.reasons import Reason, Stage
from pipeline.steps.coders import RowBatchCoder

DEAD_LETTERS = Path(__file__).parents[4] / "docs" / "dead-letters.md"
NOW = "2026-05-08T03:00:00.000Z"
# A commit of Dataflow fails above some 180 MB, one value above 80 MB.
MAX_COMMIT_BYTES, MAX_VALUE_BYTES = 180_000_000, 80_000_000
ATTRIBUTES = {
    "message_id": "UOU2T3YW_202605080300_1.json",
    "publish_id": "UOU2T3YW_202605080300_1.json",
    "enqueued_time": "2026-05-08T03:00:00.123Z",
    "delivery_count": "0",
    "source": "IRIS",
}


def body(dataset, size_bytes):
    """A message's JSON of at least that size."""
    record = {
        "dataset": dataset,
        "fuelType": "CCGT",
        "nationalGridBmUnit": "DIDCB6",
        "bmUnit": "T_DIDCB6",
        "publishTime": "2026-05-08T03:00:00Z",
        "week": 19,
        "year": 2026,
    }
    parts, size = [], 0
    while size < size_bytes:
        parts.append(json.dumps({**record, "outputUsable": len(parts)}))
        size += len(parts[-1]) + 1
    return f"[{','.join(parts)}]".encode()


def message(data, dataset="UOU2T3YW", **attributes):
    return Message(data, {**ATTRIBUTES, "dataset": dataset, **attributes})


@pytest.fixture(scope="module")
def large():
    """17 MB of records, packed as the bridge packs it."""
    data = gzip.compress(body("UOU2T3YW", MAX_SERVICE_BYTES + 1_000_000), 1)
    return message(data, content_encoding="gzip")


def only_letter(decoded):
    assert (decoded.count, decoded.records) == (1, [])
    (letter,) = decoded.dead_letters
    return letter


def test_a_stream_on_dataflow_holds_it_unchanged(large):
    decoded = decode(large, NOW, refuse_large=True)
    letter = only_letter(decoded)
    assert letter.reason == Reason.TOO_LARGE_FOR_SERVICE
    assert letter.stage == Stage.DECODE
    assert letter.payload == large.data
    row = dead_letter_row(decoded.dataset, large.attributes, letter, NOW).values
    assert row["payload"]
    assert json.loads(row["attributes"])["content_encoding"] == "gzip"
    assert row["attempt"] == 1


def test_elsewhere_it_is_rows(large):
    decoded = decode(large, NOW)
    assert decoded.dead_letters == []
    assert len(decoded.records) == decoded.count > 50_000


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_bound_itself_is_not_too_large(pack, monkeypatch):
    data = body("UOU2T3YW", 2_000)
    for bound, refused in ((len(data), False), (len(data) - 1, True)):
        monkeypatch.setattr(decoding, "MAX_SERVICE_BYTES", bound)
        decoded = decode(message(pack(data)), NOW, refuse_large=True)
        assert bool(decoded.dead_letters) == refused


def test_a_packed_body_that_states_a_small_size_is_refused(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_SERVICE_BYTES", 1_000)
    data = gzip.compress(body("UOU2T3YW", 2_000)) + gzip.compress(b" ")
    letter = only_letter(decode(message(data), NOW, refuse_large=True))
    assert letter.reason == Reason.TOO_LARGE_FOR_SERVICE


def test_many_tiny_records_are_refused():
    data = b"[" + b"1," * 150_000 + b"1]"
    letter = only_letter(decode(message(data), NOW, refuse_large=True))
    assert letter.reason == Reason.TOO_LARGE_FOR_SERVICE
    assert "150,001 records" in letter.error


def test_what_is_damaged_has_its_own_reason_in_a_stream_too():
    data = gzip.compress(b"[{}]")[:-3]
    letter = only_letter(decode(message(data), NOW, refuse_large=True))
    assert letter.reason == Reason.INVALID_GZIP


def frequencies(count):
    """The smallest records of IRIS."""
    moments = [f"{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}" for n in range(count)]
    records = [
        {"dataset": "FREQ", "measurementTime": f"2026-05-08T{each}Z", "frequency": 50.0}
        for each in moments
    ]
    return json.dumps(records).encode()


@pytest.mark.parametrize(
    ("dataset", "data"),
    [
        ("FREQ", frequencies(MAX_SERVICE_RECORDS // 100)),
        ("UOU2T3YW", body("UOU2T3YW", MAX_SERVICE_BYTES // 100)),
    ],
    ids=["FREQ", "UOU2T3YW"],
)
def test_what_is_not_refused_fits_into_a_commit(dataset, data):
    """A hundredth of the largest message: its records in one value, and one by one."""
    received = message(data, dataset)
    batch = row_batch(received, decode(received, NOW, refuse_large=True))
    assert batch.records
    coder = RowBatchCoder()
    assert len(coder.encode(batch)) * 100 < MAX_VALUE_BYTES
    size_bytes = 0
    for record in batch.records:
        batch.records = [record]
        size_bytes += len(record.record_id) + len(coder.encode(batch))
    assert size_bytes * 100 < MAX_COMMIT_BYTES


def test_the_page_has_every_reason_once():
    found = re.findall(
        r"^\| (\w+) \| `(\w+)` \|", DEAD_LETTERS.read_text(), re.MULTILINE
    )
    stages, reasons = zip(*found, strict=True)
    assert sorted(reasons) == sorted(Reason)
    assert set(stages) <= set(Stage)
