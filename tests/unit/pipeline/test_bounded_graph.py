"""The graph on bounded runs: what is written when."""

import json
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.testing import test_pipeline

from pipeline.bigquery.inserts import Rejected
from pipeline.core.decoding import Message
from pipeline.files.avro import write_messages
from pipeline.files.raw_archive import archive_of
from pipeline.graph import Plan, build
from pipeline.steps import dedup
from pipeline.steps.ledger import COUNTS
from pipeline.steps.sources import ReadFiles
from pipeline.steps.write_rows import WriteRows

CALLS = []


def collect(tables):
    """An inserter that keeps its calls, and refuses one row."""
    CALLS.append(
        {table: [row.values for row in rows] for table, rows in tables.items()}
    )
    return {
        table: [
            Rejected(position, "invalid at frequency")
            for position, row in enumerate(rows)
            if row.values.get("message_id") == "refused" and table.startswith("bmrs_")
        ]
        for table, rows in tables.items()
    }


@pytest.fixture(autouse=True)
def _fresh():
    CALLS.clear()
    dedup.forget()


def message(number, dataset="FREQ", message_id=None):
    # FREQ has the first two fields, NDF the last.
    record = {"measurementTime": "2026-05-08T00:00:00Z", "frequency": number / 100}
    record["demand"] = number
    body = json.dumps(json.dumps([record])).encode()
    return Message(body, {"dataset": dataset, "message_id": message_id or str(number)})


def messages():
    return [
        *(message(number) for number in range(40)),
        *(message(number) for number in range(10)),
        *(message(number, dataset="NEW") for number in range(7)),
        *(message(100 + number, dataset="NDF") for number in range(3)),
        message(200, message_id="refused"),
        Message(b"broken", {"dataset": "BOD", "message_id": "broken"}),
    ]


def run(**more):
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        source = beam.Create(messages(), reshuffle=False)
        rows = WriteRows(collect)
        plan = Plan(source, "in_process", 24, rows, collect, bounded=True, **more)
        build(pipeline, plan)


def test_the_ledger_is_one_request_after_all_others():
    run()
    tables = [set(call) for call in CALLS]
    assert tables[-1] == {"iris_ledger"}
    assert sum("iris_ledger" in names for names in tables) == 1
    before = set().union(*tables[:-1])
    assert {"bmrs_freq_iris", "iris_dead_letters", "iris_unmapped"} <= before
    letters = [row for call in CALLS for row in call.get("iris_dead_letters", [])]
    assert len(letters) == 2


def test_each_row_of_the_ledger_is_balanced_by_itself():
    run()
    rows = CALLS[-1]["iris_ledger"]
    assert sorted(row["dataset"] for row in rows) == ["BOD", "FREQ", "NDF", "NEW"]
    for row in rows:
        outcomes = ("rows", "duplicates", "dead_letters", "unmapped")
        assert row["records"] == sum(row[name] for name in outcomes), row
    sums = Counter()
    for row in rows:
        sums.update({name: row[name] for name in COUNTS})
    assert dict(sums) == {
        "messages": 62, "records": 62, "rows": 43, "duplicates": 10, "dead_letters": 2,
        "unmapped": 7,
    }  # fmt: skip


def test_no_archive_no_ledger(tmp_path):
    (tmp_path / "FREQ").write_text("in the way of the folder")
    with pytest.raises(Exception, match="FREQ"):
        run(archive_prefix=str(tmp_path))
    assert not any("iris_ledger" in call for call in CALLS)
    archive_of.cache_clear()


@pytest.mark.parametrize("source", ["drain", "files"])
def test_a_drain_has_a_row_a_minute_and_files_have_none(source, tmp_path):
    """Also those of the raw archive, whose messages know when they were published."""
    several = [
        Message(each.data, each.attributes, f"2026-05-08T00:0{number % 2}:10.5Z")
        for number, each in enumerate(message(number) for number in range(6))
    ]
    read = beam.Create(several, reshuffle=False)
    if source == "files":
        with (tmp_path / "messages.avro").open("wb") as opened:
            write_messages(opened, several)
        read = ReadFiles(str(tmp_path / "messages.avro"))
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        plan = Plan(read, "in_process", 24, WriteRows(collect), collect, bounded=True)
        build(pipeline, plan)
    rows = CALLS[-1]["iris_ledger"]
    minutes = {row["window_start"]: (row["messages"], row["rows"]) for row in rows}
    if source == "files":
        assert minutes == {None: (6, 6)}
        assert rows[0]["to_row_seconds_max"] is None
    else:
        first, second = (f"2026-05-08T00:0{number}:00Z" for number in range(2))
        assert minutes == {first: (3, 3), second: (3, 3)}
        assert all(row["to_row_seconds_max"] > 0 for row in rows)
    assert {row["pane"] for row in rows} == {None}
