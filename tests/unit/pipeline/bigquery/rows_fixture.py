"""Rows of datasets as the pipeline writes them, and what a reader makes of them."""

import random
from datetime import UTC, datetime

from local.simulator.generator import generate_message
from pipeline.core.batches import row_batch
from pipeline.core.decoding import Message, decode

NOW = "2026-05-08T01:02:03.456Z"


def rows_of(dataset, body):
    """The rows of a message, with their metadata, as they are inserted."""
    batch = batch_of_body(dataset, body)
    return list(map(batch.values_of, batch.records))


def batch_of_body(dataset, body):
    """The rows of a message."""
    attributes = {
        "dataset": dataset,
        "message_id": "m",
        "enqueued_time": "2026-05-08T00:00:00.5Z",
    }
    message = Message(body, attributes)
    decoded = decode(message, NOW)
    assert not decoded.dead_letters
    return row_batch(message, decoded)


def generated_rows(dataset):
    """Twenty rows of any dataset of the registry, the same ones every time."""
    return rows_of(dataset.name, generated_body(dataset))


def generated_body(dataset):
    now = datetime(2026, 5, 8, tzinfo=UTC)
    _, body = generate_message(dataset, now, 7, random.Random(1), records=20)
    return body


def comparable(dataset, row):
    """The row with its empty lists, without its nulls, and times in one form."""
    repeated = {c.name: [] for c in dataset.columns if c.mode == "REPEATED"}
    return repeated | present(row)


def present(row):
    """The row without its nulls, and times in the one form that files give back."""
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
