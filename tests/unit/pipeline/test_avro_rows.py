"""Rows as Avro: what is read back is what was written, for every dataset."""

import io
from pathlib import Path

import fastavro
import pytest

from pipeline.avro_rows import converter_of, from_avro, schema_of
from pipeline.registry import load_registry
from tests.unit.pipeline.rows_fixture import comparable, generated_rows, rows_of

REGISTRY = load_registry()
SAMPLES = Path(__file__).parents[3] / "local" / "samples"


def through_avro(dataset, rows):
    convert, written = converter_of(dataset), io.BytesIO()
    copies = [dict(row) for row in rows]
    for copy in copies:
        convert(copy)
    fastavro.writer(written, schema_of(dataset), copies)
    written.seek(0)
    return [from_avro(row) for row in fastavro.reader(written)]


@pytest.mark.parametrize("name", list(REGISTRY))
def test_rows_of_every_dataset_come_back(name):
    dataset = REGISTRY[name]
    rows = generated_rows(dataset)
    assert through_avro(dataset, rows) == [comparable(dataset, row) for row in rows]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*/*")), ids=lambda p: p.name)
def test_real_rows_come_back(path):
    dataset = REGISTRY[path.parent.name]
    rows = rows_of(dataset.name, path.read_bytes())
    assert through_avro(dataset, rows) == [comparable(dataset, row) for row in rows]


@pytest.mark.parametrize(
    "time",
    ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z"],
)
def test_times_at_the_ends_come_back(time):
    row = {"dataset": "FREQ", "measurementTime": time, "frequency": 50.0}
    assert through_avro(REGISTRY["FREQ"], [row]) == [row]
