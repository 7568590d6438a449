"""Bytes of elements: what this release writes, and what releases before it wrote.

The fixtures are kept for good: a running job may hold such bytes when it is updated. A
new format gets a fixture of its own, beside the old ones.
"""

import base64
import json
import pickle
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam import coders
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.core.batches import RowBatch, TableRow, row_batch
from pipeline.core.decoding import Message, decode, typed_record
from pipeline.steps.coders import MessageCoder, RowBatchCoder, TableRowCoder, register

FIXTURES = Path(__file__).parents[3] / "fixtures" / "coders"
CODERS = {"Message": MessageCoder, "RowBatch": RowBatchCoder, "TableRow": TableRowCoder}
register()

NAMES = st.text(max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=8,
)
ROWS = st.dictionaries(NAMES.filter(lambda name: name != "extra"), VALUES, max_size=5)
ATTRIBUTES = st.dictionaries(NAMES, st.text(), max_size=3)


def written() -> dict[str, object]:
    """What the fixtures hold, as this release makes it."""
    message = Message(
        b'"[{\\"dataset\\":\\"FREQ\\",\\"measurementTime\\":\\"2026-05-06T03:00:00Z\\",'
        b'\\"frequency\\":50.0,\\"newField\\":12345678901234567890}]"',
        {"dataset": "FREQ", "message_id": "FREQ_1", "publish_id": "FREQ_1"},
        "2026-05-06T03:00:01.5Z",
    )
    batch = row_batch(message, decode(message, "2026-05-06T03:00:02Z"))
    row = TableRow("FREQ", "id-1", {"dataset": "FREQ", "rows": 1, "payload": None})
    return {"Message": message, "RowBatch": batch, "TableRow": row}


@pytest.mark.parametrize("name", CODERS)
def test_bytes_of_every_release_are_read(name):
    fixtures = sorted(FIXTURES.glob(f"{name}-*.json"))
    formats = [json.loads(path.read_text())["format"] for path in fixtures]
    assert formats == sorted(CODERS[name].readers), "one fixture for each format"
    for path in fixtures:
        encoded = base64.b64decode(json.loads(path.read_text())["bytes"])
        assert CODERS[name]().decode(encoded) == written()[name]


@pytest.mark.parametrize("name", CODERS)
def test_this_release_writes_its_newest_format_alone(name):
    newest = max(CODERS[name].readers)
    path = FIXTURES / f"{name}-{newest}.json"
    encoded = base64.b64decode(json.loads(path.read_text())["bytes"])
    assert CODERS[name]().encode(written()[name]) == encoded, (
        "the format has changed: give it a new number, a reader and a fixture"
    )


@pytest.mark.parametrize("name", CODERS)
def test_bytes_hold_no_path_of_a_module(name):
    assert b"pipeline" not in CODERS[name]().encode(written()[name])


def test_bytes_of_a_newer_release_are_refused_by_name():
    with pytest.raises(ValueError, match="format 99 of Message is newer than this"):
        MessageCoder().decode(b"\x63")


@given(st.binary(), ATTRIBUTES, st.none() | st.text(), st.none() | st.text())
def test_every_message_comes_back(data, attributes, published, fault):
    message = Message(data, attributes, published, fault)
    assert MessageCoder().decode(MessageCoder().encode(message)) == message


@given(st.lists(st.tuples(ROWS, st.none() | ROWS), max_size=4), ATTRIBUTES)
@example([({"frequency": 50.0, "measurementTime": "2026-05-06T03:00:00Z"}, None)], {})
@example([({"frequency": 2**60, "renamed since": 1}, None)], {})
def test_every_batch_comes_back_also_with_rows_of_another_registry(rows, attributes):
    records = [
        typed_record("FREQ", f"{number:032x}", row, number, record)
        for number, (row, record) in enumerate(rows)
    ]
    batch = RowBatch("FREQ", {"message_id": None}, attributes, records)
    read = RowBatchCoder().decode(RowBatchCoder().encode(batch))
    assert read == batch
    assert pickle.loads(pickle.dumps(batch)) == batch


@pytest.mark.parametrize("field", ['"new": "\\ud83d"', '"\\ud83d": [1]'])
def test_half_a_surrogate_pair_of_an_unknown_field_comes_back(field):
    body = f'[{{"measurementTime": "2026-05-06T03:00:00Z", {field}}}]'.encode()
    message = Message(body, {"dataset": "FREQ"})
    batch = row_batch(message, decode(message, "2026-05-06T03:00:02Z"))
    assert len(batch.records) == 1
    assert RowBatchCoder().decode(RowBatchCoder().encode(batch)) == batch
    assert pickle.loads(pickle.dumps(batch)) == batch


@given(NAMES, NAMES, ROWS)
def test_every_row_of_our_own_tables_comes_back(dataset, insert_id, values):
    row = TableRow(dataset, insert_id, values)
    assert TableRowCoder().decode(TableRowCoder().encode(row)) == row


@pytest.mark.parametrize("kind", [Message, RowBatch, TableRow])
def test_beam_finds_the_coder_also_behind_a_key(kind):
    assert isinstance(coders.registry.get_coder(kind), CODERS[kind.__name__])
    keyed = beam.typehints.Tuple[str, kind]
    assert isinstance(
        coders.registry.get_coder(keyed).value_coder(), CODERS[kind.__name__]
    )


@pytest.mark.parametrize("name", CODERS)
def test_a_coder_may_travel_with_the_graph(name):
    coder = CODERS[name]()
    assert pickle.loads(pickle.dumps(coder)) == coder


def test_the_harness_of_workers_uses_the_coder_across_a_shuffle(monkeypatch):
    """FnApiRunner runs what Dataflow's workers run; others keep objects as they are."""
    read = []
    decode_message = MessageCoder.decode
    monkeypatch.setattr(
        MessageCoder,
        "decode",
        lambda self, encoded: read.append(1) or decode_message(self, encoded),
    )
    options = PipelineOptions(["--runner=FnApiRunner"])
    message = written()["Message"]
    with beam.Pipeline(options=options) as pipeline:
        messages = pipeline | beam.Create([message], reshuffle=False)
        _ = messages | beam.Reshuffle()
    assert read
