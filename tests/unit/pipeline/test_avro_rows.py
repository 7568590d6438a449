"""Rows as Avro: what is read back is what was written, for every dataset."""

import io
import random
from datetime import UTC, datetime
from pathlib import Path

import fastavro
import pytest

from local.generator import generate_message
from pipeline.avro_rows import converter_of, from_avro, schema_of
from pipeline.batches import row_batch
from pipeline.decoding import Message, decode
from pipeline.registry import load_registry

REGISTRY = load_registry()
SAMPLES = Path(__file__).parents[3] / "local" / "samples"
NOW = "2026-05-08T01:02:03.456Z"


def rows_of(dataset, body):
    """The rows of a message, with their metadata, as they are inserted."""
    attributes = {
        "dataset": dataset,
        "message_id": "m",
        "enqueued_time": "2026-05-08T00:00:00.5Z",
    }
    message = Message(body, attributes)
    decoded = decode(message, NOW)
    assert not decoded.dead_letters
    batch = row_batch(message, decoded)
    return [
        {**record.row, **batch.metadata, "record_id": record.record_id}
        for record in batch.records
    ]


def through_avro(dataset, rows):
    convert, written = converter_of(dataset), io.BytesIO()
    copies = [dict(row) for row in rows]
    for copy in copies:
        convert(copy)
    fastavro.writer(written, schema_of(dataset), copies)
    written.seek(0)
    return [from_avro(row) for row in fastavro.reader(written)]


def present(row):
    """The row without its nulls, and times in the one form that Avro gives back."""
    return {name: normal(value) for name, value in row.items() if value is not None}


def normal(value):
    if isinstance(value, dict):
        return present(value)
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    if isinstance(value, str) and len(value) > 20 and value.endswith("Z"):
        moment = datetime.fromisoformat(value)
        return moment.isoformat().removesuffix("+00:00") + "Z"
    return value


@pytest.mark.parametrize("name", list(REGISTRY))
def test_rows_of_every_dataset_come_back(name):
    dataset = REGISTRY[name]
    now = datetime(2026, 5, 8, tzinfo=UTC)
    _, body = generate_message(dataset, now, 7, random.Random(1), records=20)
    rows = rows_of(name, body)
    repeated = {c.name: [] for c in dataset.columns if c.mode == "REPEATED"}
    assert through_avro(dataset, rows) == [repeated | present(row) for row in rows]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*")), ids=lambda p: p.name)
def test_real_rows_come_back(path):
    dataset = REGISTRY[path.parent.name]
    rows = rows_of(dataset.name, path.read_bytes())
    repeated = {c.name: [] for c in dataset.columns if c.mode == "REPEATED"}
    assert through_avro(dataset, rows) == [repeated | present(row) for row in rows]


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z"],
)
def test_times_at_the_ends_come_back(time):
    row = {"dataset": "FREQ", "measurementTime": time, "frequency": 50.0}
    assert through_avro(REGISTRY["FREQ"], [row]) == [row]
