"""The graph on Beam's own runner, with rows collected instead of inserted."""

import base64
import gzip
import json
import os
import time
from collections import Counter, defaultdict
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline, test_stream
from apache_beam.transforms.window import TimestampedValue

from pipeline.bigquery.inserts import Rejected
from pipeline.core.decoding import Message
from pipeline.core.identity import record_id
from pipeline.graph import Plan, build
from pipeline.steps import dedup
from pipeline.steps.ledger import COUNTS
from pipeline.steps.seen import SeenIds
from pipeline.steps.sources import ReadFiles
from pipeline.steps.write_rows import WriteRows

DAY = 24 * 3600
T27 = "2026-05-28T20:27:59Z"
WRITTEN = defaultdict(list)
REFUSE = set()


def collect(tables):
    """An inserter that keeps the rows, and refuses those of `REFUSE`."""
    answers = {}
    for table, rows in tables.items():
        answers[table] = []
        for position, row in enumerate(rows):
            if row.values.get("message_id") in REFUSE and table.startswith("bmrs_"):
                answers[table].append(Rejected(position, "invalid at x: no such field"))
            else:
                WRITTEN[table].append(row)
    return answers


@pytest.fixture(autouse=True)
def _fresh():
    WRITTEN.clear()
    REFUSE.clear()
    dedup.forget()


def message(message_id, *records, dataset="FREQ"):
    body = json.dumps(json.dumps(records)).encode()
    return Message(body, {"dataset": dataset, "message_id": message_id})


def freq(second, frequency=50.5):
    return {
        "dataset": "FREQ",
        "measurementTime": f"2026-05-08T00:00:{second:02}Z",
        "frequency": frequency,
    }


def run(source, memory, horizon_hours=24.0, streaming=True, **more):
    options = PipelineOptions(
        ["--runner=BundleBasedDirectRunner"] if streaming else [],
        streaming=streaming,
    )
    runner = "BundleBasedDirectRunner" if streaming else "FnApiRunner"
    with test_pipeline.TestPipeline(runner=runner, options=options) as pipeline:
        rows = WriteRows(collect)
        build(pipeline, Plan(source, memory, horizon_hours, rows, collect, **more))


def stream(*batches):
    """A TestStream of messages, one bundle a batch."""
    events = test_stream.TestStream()
    for batch in batches:
        events = events.add_elements(list(batch))
    return events.advance_watermark_to_infinity()


def totals():
    counted = Counter()
    for row in WRITTEN["iris_ledger"]:
        counted.update({name: row.values[name] for name in COUNTS})
    return {name: counted[name] for name in COUNTS}


def balanced(counted):
    return counted["records"] == sum(
        counted[name] for name in ("rows", "duplicates", "dead_letters", "unmapped")
    )


EVERY_MEMORY = pytest.mark.parametrize("memory", ["in_process", "in_state"])


@EVERY_MEMORY
def test_a_record_three_days_behind_the_watermark_finds_its_row(memory):
    now = 10 * DAY
    source = (
        test_stream.TestStream()
        .add_elements([TimestampedValue(message("on time", freq(1)), now)])
        .advance_watermark_to(now + 60)
        .advance_processing_time(60)
        .add_elements([TimestampedValue(message("late", freq(2)), now - 3 * DAY)])
        .advance_watermark_to_infinity()
    )
    run(source, memory)
    found = [row.values["message_id"] for row in WRITTEN["bmrs_freq_iris"]]
    assert sorted(found) == ["late", "on time"]
    assert totals()["rows"] == 2


@EVERY_MEMORY
def test_an_identical_record_is_dropped_and_counted(memory):
    again = dict(reversed(freq(1).items()))
    run(
        stream(
            [message("a", freq(1), freq(2), freq(1))],
            [message("a", freq(1), freq(2), freq(1))],
            [message("b", again)],
        ),
        memory,
    )
    assert len(WRITTEN["bmrs_freq_iris"]) == 2
    counted = totals()
    assert counted == {
        "messages": 3, "records": 7, "rows": 2, "duplicates": 5, "dead_letters": 0,
        "unmapped": 0,
    }  # fmt: skip


@EVERY_MEMORY
def test_a_version_is_never_dropped(memory):
    run(stream([message("a", freq(1, 50.1))], [message("b", freq(1, 50.2))]), memory)
    assert len(WRITTEN["bmrs_freq_iris"]) == 2


@EVERY_MEMORY
def test_the_same_record_of_two_datasets_is_two_records(memory):
    record = {"publishTime": "2026-05-06T02:47:00Z", "demand": 7}
    run(
        stream(
            [message("a", record, dataset="NDF"), message("b", record, dataset="TSDF")]
        ),
        memory,
    )
    assert totals()["rows"] == 2


def test_beyond_the_horizon_a_record_passes_again_from_state():
    source = (
        test_stream.TestStream()
        .add_elements([message("a", freq(1))])
        # The watermark begins at the beginning of time, the horizon now.
        .advance_watermark_to(int(time.time()) + 3 * 3600)
        .add_elements([message("b", freq(1))])
        .advance_watermark_to_infinity()
    )
    run(source, "in_state", horizon_hours=2)
    assert totals()["rows"] == 2


def test_beyond_the_horizon_a_record_passes_again_in_process(monkeypatch):
    clock = iter(range(0, 1000 * 3600, 3 * 3600))
    seen = SeenIds(2 * 3600, lambda: next(clock))
    monkeypatch.setattr(dedup, "seen_ids", lambda _horizon: seen)
    run(stream([message("a", freq(1))], [message("b", freq(1))]), "in_process")
    assert totals()["rows"] == 2


@pytest.mark.parametrize("memory", ["in_process", "in_state", "by_grouping"])
def test_everything_is_accounted_for(memory):
    messages = [
        message("good", freq(1), freq(2)),
        message("again", freq(1)),
        message("half", freq(3), {"frequency": "x"}, 7),
        message("unknown", {"a": 1}, {"a": 2}, dataset="NEW"),
        Message(b"broken", {"dataset": "FREQ", "message_id": "broken"}),
        message("empty"),
        message("refused", freq(4)),
    ]
    REFUSE.add("refused")
    if memory == "by_grouping":
        run(beam.Create(messages), memory, streaming=False)
    else:
        run(stream(messages), memory)
    counted = totals()
    assert counted == {
        "messages": 7, "records": 9, "rows": 3, "duplicates": 1, "dead_letters": 4,
        "unmapped": 1,
    }  # fmt: skip
    assert balanced(counted)
    letters = [row.values for row in WRITTEN["iris_dead_letters"]]
    assert sorted(letter["reason"] for letter in letters) == [
        "INSERT_REJECTED", "INVALID_JSON", "NOT_AN_OBJECT", "WRONG_TYPE",
    ]  # fmt: skip
    (unmapped,) = WRITTEN["iris_unmapped"]
    assert unmapped.values["dataset"] == "NEW"


def test_a_windowed_ledger_counts_the_same_in_the_minutes_of_pubsub():
    start = 1_780_000_020
    messages = [
        Message(each.data, each.attributes, f"2026-05-28T20:{minute}:30Z")
        for each, minute in (
            (message("good", freq(1), freq(2)), 27),
            (message("again", freq(1)), 28),
            (message("broken", 7), 27),
            (message("unknown", {"a": 1}, dataset="NEW"), 28),
        )
    ]
    late = Message(message("late", freq(3)).data, {"dataset": "FREQ"}, T27)
    source = (
        test_stream.TestStream()
        .advance_watermark_to(start)
        .add_elements([TimestampedValue(each, start + 30) for each in messages])
        .advance_watermark_to(start + 300)
        .add_elements([TimestampedValue(late, start + 30)])
        .advance_watermark_to(start + 400)
        .advance_watermark_to_infinity()
    )
    run(source, "in_state", windowed_ledger=True)
    assert totals() == {
        "messages": 5, "records": 6, "rows": 3, "duplicates": 1, "dead_letters": 1,
        "unmapped": 1,
    }  # fmt: skip
    found = {}
    for row in WRITTEN["iris_ledger"]:
        key = (row.values["dataset"], row.values["window_start"][14:16])
        found.setdefault(key, []).append((row.values["pane"], row.values["rows"]))
    assert found.keys() == {("FREQ", "27"), ("FREQ", "28"), ("NEW", "28")}
    assert sorted(found["FREQ", "27"])[0] == (0, 2)
    assert sum(rows for pane, rows in found["FREQ", "27"] if pane) == 1


def test_a_refused_row_keeps_its_record_and_costs_no_other():
    REFUSE.add("bad")
    record = {**freq(1), "measurementTime": "2026-05-08T00:00:01.000Z"}
    run(stream([message("bad", record), message("good", freq(2))]), "in_process")
    (row,) = WRITTEN["bmrs_freq_iris"]
    assert row.values["message_id"] == "good"
    (letter,) = WRITTEN["iris_dead_letters"]
    assert letter.values["stage"] == "write"
    assert letter.values["record_index"] == 0
    assert letter.values["error"] == "invalid at x: no such field"
    assert letter.values["record_id"] == record_id("FREQ", record)


def test_the_same_dead_letter_has_the_same_id():
    broken = Message(b"broken", {"dataset": "FREQ", "message_id": "broken"})
    run(stream([broken], [broken]), "in_process")
    first, second = WRITTEN["iris_dead_letters"]
    assert first.insert_id == second.insert_id == first.values["dead_letter_id"]


def test_a_record_of_a_packed_message_is_told_to_be_plain():
    body = gzip.compress(json.dumps([{**freq(1), "frequency": "x"}]).encode())
    whole = gzip.compress(b"broken")
    attributes = {"dataset": "FREQ", "content_encoding": "gzip"}
    packed = [
        Message(body, {**attributes, "message_id": "record"}),
        Message(whole, {**attributes, "message_id": "whole"}),
    ]
    run(stream(packed), "in_process")
    letters = {row.values["message_id"]: row for row in WRITTEN["iris_dead_letters"]}
    kept = {name: json.loads(row.values["attributes"]) for name, row in letters.items()}
    assert "content_encoding" not in kept["record"]
    assert kept["whole"]["content_encoding"] == "gzip"
    assert base64.b64decode(letters["whole"].values["payload"]) == whole


def test_a_replay_that_is_unmapped_again_is_no_second_try_of_the_first():
    first = Message(b"[]", {"dataset": "NEW", "message_id": "n"})
    replay = Message(b"[]", {**first.attributes, "publish_id": "n~", "attempt": "2"})
    run(stream([first, first, replay]), "in_process")
    rows = WRITTEN["iris_unmapped"]
    assert len({row.values["unmapped_id"] for row in rows}) == 1
    assert len({row.insert_id for row in rows}) == 2


def test_rows_carry_record_and_message():
    run(stream([message("F_1.json", freq(1))]), "in_process")
    (row,) = WRITTEN["bmrs_freq_iris"]
    assert row.insert_id == row.values["record_id"]
    assert row.values["message_id"] == "F_1.json"
    assert row.values["frequency"] == 50.5


@pytest.mark.parametrize("value", ['"\\ud800"', "9" * 400, "[" * 300 + "]" * 300])
def test_an_unknown_field_of_any_kind_is_kept_and_stops_nothing(value):
    body = f'[{{"frequency": 50.5, "zz": {value}}}, {{"frequency": 50.25}}]'
    odd = Message(body.encode(), {"dataset": "FREQ", "message_id": "odd"})
    run(stream([odd, message("good", freq(1))]), "in_process")
    assert totals()["rows"] == 3
    extras = [row.values.get("extra") for row in WRITTEN["bmrs_freq_iris"]]
    assert json.loads(next(filter(None, extras)))["zz"] == json.loads(value)


@EVERY_MEMORY
def test_a_replay_of_a_refused_row_is_no_duplicate(memory):
    REFUSE.add("m")
    first, replay = message("m", freq(1)), message("m", freq(1))
    again = Message(replay.data, {**replay.attributes, "publish_id": "m-replay-1"})
    run(stream([first]), memory)
    REFUSE.clear()
    run(stream([again]), memory)
    assert totals()["rows"] == 1
    assert totals()["duplicates"] == 0


@pytest.mark.parametrize("memory", ["in_process", "in_run", "by_grouping"])
def test_a_replay_beside_its_first_try_is_a_duplicate(memory):
    """As the raw archive has them, and a subscription that is drained."""
    first = message("m", freq(1))
    again = Message(first.data, {**first.attributes, "publish_id": "m-replay-1"})
    twice = Message(first.data, {**first.attributes, "publish_id": "m-replay-2"})
    source = beam.Create([first, again, twice], reshuffle=False)
    run(source, memory, streaming=False)
    assert (totals()["rows"], totals()["duplicates"]) == (1, 2)


def test_a_replay_beside_a_redelivery_of_its_refused_first_try_is_a_row():
    REFUSE.add("m")
    first = message("m", freq(1))
    run(beam.Create([first], reshuffle=False), "in_process", streaming=False)
    REFUSE.clear()
    again = Message(first.data, {**first.attributes, "publish_id": "m-replay-1"})
    source = beam.Create([first, again], reshuffle=False)
    run(source, "in_process", streaming=False)
    assert totals()["rows"] == 1


def test_files_are_read_as_they_are_whatever_their_name(tmp_path):
    folder = tmp_path / "FREQ"
    folder.mkdir()
    body = json.dumps([freq(1)]).encode()
    (folder / "packed.json.gz").write_bytes(gzip.compress(body))
    (folder / "not packed.json.gz").write_bytes(json.dumps([freq(2)]).encode())
    (folder / "broken.json.gz").write_bytes(b"\x1f\x8bbroken")
    Path(os.fsdecode(bytes(folder) + b"/\xff.json")).write_bytes(b"broken")
    (folder / ".hidden").write_bytes(b"no message")
    run(ReadFiles(str(tmp_path / "*" / "*")), "by_grouping", streaming=False)
    counted = totals()
    assert (counted["messages"], counted["rows"], counted["dead_letters"]) == (4, 2, 2)
    letters = {
        row.values["message_id"]: row.values for row in WRITTEN["iris_dead_letters"]
    }
    assert letters["\\xff.json"]["reason"] == "INVALID_JSON"
    packed = letters["broken.json"]["payload"]
    assert base64.b64decode(packed) == b"\x1f\x8bbroken"


def test_the_same_broken_body_of_two_datasets_is_two_letters():
    broken = [
        Message(b"broken", {"dataset": dataset, "message_id": "1"})
        for dataset in ("FREQ", "BOD")
    ]
    run(stream(broken), "in_process")
    first, second = WRITTEN["iris_dead_letters"]
    assert first.insert_id != second.insert_id


def test_the_ledger_goes_missing_with_a_clear_word():
    def refuse_ledger(tables):
        return {
            table: [Rejected(0, "not found")] if table == "iris_ledger" else []
            for table in tables
        }

    with (
        pytest.raises(RuntimeError, match="sql apply"),
        test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline,
    ):
        source = beam.Create([message("a", freq(1))])
        rows = WriteRows(refuse_ledger)
        build(pipeline, Plan(source, "by_grouping", 24, rows, refuse_ledger))
