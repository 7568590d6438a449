"""The requests of `insertAll`: their rows as JSON, and how many are in one."""

import json
from itertools import chain
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest

from pipeline.bigquery import inserts
from pipeline.bigquery.inserts import Insert, RecordInsert, Rejected, insert
from pipeline.core.batches import RowBatch, row_batch
from pipeline.core.decoding import Message, decode, typed_record
from pipeline.registry import load_registry
from tests.unit.pipeline.bigquery.rows_fixture import (
    NOW,
    batch_of_body,
    generated_body,
)

REGISTRY = load_registry()
SAMPLES = Path(__file__).parents[4] / "local" / "samples"
FREQ = '{"dataset":"FREQ","measurementTime":"2026-05-08T00:00:00Z","frequency":50.0%s}'


def sent(row):
    return json.loads(row.as_json())


def assert_as_dictionary(batch):
    """The bytes of each row say what its dictionary says."""
    assert batch.records
    for record, row_id in zip(batch.records, batch.row_ids, strict=True):
        row = RecordInsert(batch, record)
        assert sent(row) == {"json": batch.values_of(record), "insertId": row_id}
        assert sent(row) == sent(Insert(row.insert_id, row.values))


@pytest.mark.parametrize("name", REGISTRY)
def test_a_row_is_sent_as_its_values_in_every_dataset(name):
    assert_as_dictionary(batch_of_body(name, generated_body(REGISTRY[name])))


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("*/*")), ids=lambda path: path.parent.name
)
def test_a_real_row_is_sent_as_its_values(path):
    assert_as_dictionary(batch_of_body(path.parent.name, path.read_bytes()))


@pytest.mark.parametrize(
    "more",
    [
        "",
        ',"new":1',
        ',"new":"\\ud83c\\u00e9\\"\\\\"',
        ',"new":{"a":[18446744073709551616]}',
    ],
)
@pytest.mark.parametrize("name", ["m", 'é"\\', "\udcff", "", None])
def test_odd_texts_are_sent_as_they_are(more, name):
    attributes = {"dataset": "FREQ", "enqueued_time": "soon"}
    if name is not None:
        attributes["message_id"] = name
    message = Message(f"[{FREQ % more}]".encode(), attributes)
    assert_as_dictionary(row_batch(message, decode(message, NOW)))


def test_a_row_without_values_or_metadata_is_sent():
    record = typed_record("FREQ", "0" * 32, {}, 0)
    row = RecordInsert(RowBatch("FREQ", {}, {}, [record]), record)
    assert sent(row) == {"json": {"record_id": "0" * 32}, "insertId": "0" * 32}


def test_an_integer_beyond_a_double_is_sent_as_text_in_a_record_too():
    name, values = "REMIT", {"mrid": "m", "revisionNumber": 2**53 + 1}
    record = typed_record(name, "0" * 32, values, 0)
    row = sent(RecordInsert(RowBatch(name, {}, {}, [record]), record))
    assert row["json"]["revisionNumber"] == str(2**53 + 1)


class Service:
    """Answers requests, and notes how many rows each has."""

    def __init__(self, answer=lambda rows: []):
        self.requests = []
        self.answer = answer

    def insert_all(self, _client, _table, body, _timeout_seconds):
        request = json.loads(body)
        assert request["skipInvalidRows"] is True
        self.requests.append([row["insertId"] for row in request["rows"]])
        return self.answer(request["rows"])


def inserted(monkeypatch, service, rows):
    monkeypatch.setattr(inserts, "insert_all", service.insert_all)
    return insert(None, "p.d.t", rows)


def test_a_request_has_500_rows_at_most(monkeypatch):
    service = Service()
    rows = [Insert(str(number), {"a": number}) for number in range(1_001)]
    assert inserted(monkeypatch, service, rows) == []
    assert [len(request) for request in service.requests] == [500, 500, 1]
    assert [*chain(*service.requests)] == [row.insert_id for row in rows]


def test_a_request_has_as_many_bytes_as_bigquery_accepts(monkeypatch):
    row = Insert("1", {"a": "x" * 10, "nested": [{"b": "y" * 1_000}]})
    monkeypatch.setattr(inserts, "MAX_BYTES", 3 * len(row.as_json()))
    service = Service()
    assert inserted(monkeypatch, service, [row] * 7) == []
    assert [len(request) for request in service.requests] == [3, 3, 1]


def test_a_row_larger_than_a_request_is_sent_alone(monkeypatch):
    monkeypatch.setattr(inserts, "MAX_BYTES", 100)
    rows = [Insert("1", {}), Insert("2", {"a": "x" * 200}), Insert("3", {})]
    service = Service()
    assert inserted(monkeypatch, service, rows) == []
    assert service.requests == [["1"], ["2"], ["3"]]


def test_a_refused_row_has_its_position_among_all_rows(monkeypatch):
    def answer(rows):
        errors = [{"reason": "invalid", "location": "a", "message": "no"}]
        return [
            {"index": index, "errors": errors}
            for index, row in enumerate(rows)
            if row["json"]["a"] % 7 == 0
        ]

    monkeypatch.setattr(inserts, "MAX_ROWS", 10)
    rows = [Insert(str(number), {"a": number}) for number in range(25)]
    found = inserted(monkeypatch, Service(answer), rows)
    assert found == [Rejected(at, "invalid at a: no") for at in (0, 7, 14, 21)]


def test_a_request_that_is_refused_whole_is_halved_to_its_bad_row(monkeypatch):
    def answer(rows):
        if any(row["json"]["a"] == 5 for row in rows):
            raise BadRequest("cannot be read")
        return []

    rows = [Insert(str(number), {"a": number}) for number in range(8)]
    (found,) = inserted(monkeypatch, Service(answer), rows)
    assert (found.position, found.waits) == (5, False)
    assert "cannot be read" in found.error


def test_only_rows_that_met_a_fault_are_sent_again(monkeypatch):
    stopped = [{"reason": "stopped", "message": ""}]
    answers = [[{"index": 1, "errors": stopped}], []]
    service = Service(lambda _: answers.pop(0))
    rows = [Insert(str(number), {}) for number in range(3)]
    assert inserted(monkeypatch, service, rows) == []
    assert service.requests == [["0", "1", "2"], ["1"]]
