"""What a smoke run publishes: like the bridge's, and like nothing real."""

import datetime as dt
import json
import re
from types import SimpleNamespace

import pytest

from bridge.envelope import seal
from cloud.smoke.messages import (
    DAYS_BACK,
    MARKER_PATTERN,
    UNIT_COLUMNS,
    UNKNOWN_DATASET,
    new_run,
)
from pipeline.core.decoding import Message, decode
from pipeline.registry import load_registry

NOW = dt.datetime(2026, 5, 6, 3, 0, 0, 123456, dt.UTC)
REGISTRY = load_registry()


@pytest.fixture
def run():
    return new_run(NOW)


def decoded(message):
    return decode(
        Message(message.data, message.attributes(NOW)), "2026-05-06T03:00:01Z"
    )


def test_attributes_are_those_of_the_bridge(run):
    for message in run.messages:
        received = SimpleNamespace(
            body=message.data,
            subject=message.dataset,
            message_id=message.message_id,
            sequence_number=1,
            enqueued_time_utc=NOW,
            delivery_count=0,
        )
        sealed = seal(received, message.data)
        assert message.attributes(NOW) == sealed.attributes


def test_each_message_becomes_what_is_expected_of_it(run):
    for message in run.messages:
        if message.dataset != UNKNOWN_DATASET:
            found, wanted = decoded(message), message.expected
            assert len(found.records) == wanted.rows + wanted.duplicates
            reasons = tuple(letter.reason for letter in found.dead_letters)
            assert reasons == wanted.dead_letters
    assert UNKNOWN_DATASET not in REGISTRY


def test_outcomes_add_up_to_records(run):
    for message in run.messages:
        wanted = message.expected
        outcomes = wanted.rows + wanted.duplicates + len(wanted.dead_letters)
        assert wanted.records == outcomes + wanted.unmapped


def test_records_have_all_columns_of_iris_but_those_of_one_source_file(run):
    for message in run.messages[:4]:
        dataset = REGISTRY[message.dataset]
        columns = {column.name for column in dataset.columns}
        missing = {"MID": {"sourceFileDateTime", "sourceFileSerialNumber"}}
        for record in json.loads(message.data):
            assert set(record) == columns - missing.get(message.dataset, set())


def test_every_row_has_the_marker_in_its_latest_key(run):
    for name, unit in UNIT_COLUMNS.items():
        assert unit in REGISTRY[name].latest_key
    rows = [typed.row for m in run.messages[:-1] for typed in decoded(m).records]
    assert all(run.marker in row.values() for row in rows)


def test_rows_of_a_run_are_different_things(run):
    keys = set()
    rows = 0
    for message in run.messages[:-1]:
        if not message.expected.duplicates:
            for typed in decoded(message).records:
                names = REGISTRY[message.dataset].latest_key
                keys.add((message.dataset, *(typed.row.get(name) for name in names)))
                rows += 1
    assert len(keys) == rows == 7


def test_the_day_is_one_that_bigquery_streams_to(run):
    """Within 1,825 days; rows of it lie in its partition."""
    assert 1_000 < DAYS_BACK < 1_800
    assert (NOW.date() - run.day).days == DAYS_BACK
    for name in UNIT_COLUMNS:
        assert REGISTRY[name].partition_column == "settlementDate"


def test_runs_have_markers_of_their_own():
    markers = {new_run(NOW).marker for _ in range(20)}
    assert len(markers) == 20
    assert all(re.fullmatch(MARKER_PATTERN, marker) for marker in markers)


@pytest.mark.parametrize("text", ["", "SMOKE-", "SMOKE-20260506T030000-0a1b2", "MID_1"])
def test_no_marker(text):
    assert not re.fullmatch(MARKER_PATTERN, text)
