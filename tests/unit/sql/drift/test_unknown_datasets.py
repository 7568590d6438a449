"""The file that is proposed for a dataset that nobody knows."""

import gzip
import json

import pytest

from command.tables_path import TablesPath
from pipeline.core.coercion import Coercer
from pipeline.registry import load_registry, parse_dataset
from sql.drift.report import as_json, as_table
from sql.drift.unknown_datasets import UnknownDataset
from sql.tables import create_statement, dataset_table

REGISTRY = load_registry()
PATH = TablesPath("p", "d")
RECORD = {
    "dataset": "NEW",
    "publishTime": "2026-05-06T02:31:00Z",
    "startTime": "2026-05-06T03:00:00.000Z",
    "settlementDate": "2026-05-06",
    "settlementPeriod": 7,
    "level": 1.5,
    "flag": True,
    "steps": [{"mw": 1}],
}


def proposed(*messages, name="NEW"):
    new = UnknownDataset(name)
    for message in messages:
        new.add(json.dumps(json.dumps(message)).encode(), "{}")
    new.propose(REGISTRY)
    return new


def test_the_file_has_columns_event_time_and_careful_keys():
    new = proposed([RECORD, {**RECORD, "level": 2}], RECORD)
    assert (new.problem, new.messages, new.records) == ("", 2, 3)
    dataset = new.dataset
    assert dataset == parse_dataset("NEW.yaml", new.text)
    assert [(column.name, column.kind) for column in dataset.columns] == [
        ("dataset", "STRING"),
        ("publishTime", "TIMESTAMP"),
        ("startTime", "TIMESTAMP"),
        ("settlementDate", "DATE"),
        ("settlementPeriod", "INT64"),
        ("level", "FLOAT64"),
        ("flag", "BOOL"),
        ("steps", "REPEATED RECORD"),
    ]
    assert (dataset.event_time, dataset.partition_column) == (
        "publishTime",
        "settlementDate",
    )
    assert dataset.natural_key == dataset.latest_key == tuple(RECORD)[1:]
    assert (dataset.title, dataset.group) == ("NEW", "unknown")
    assert dataset.schema_confidence == "inferred"
    assert "need a review" in dataset.notes[0]
    assert all("Inferred" in column.description for column in dataset.columns)
    assert not any(column.since for column in dataset.columns)


def test_its_table_has_no_cluster_that_bigquery_refuses():
    new = proposed([{**RECORD, "tags": ["a"]}])
    statement = create_statement(dataset_table(new.dataset), PATH)
    assert (
        "CLUSTER BY `publishTime`, `startTime`, `settlementPeriod`, `flag`" in statement
    )
    # A FLOAT64 and an array are in the natural key.
    assert "PRIMARY KEY" not in statement


@pytest.mark.parametrize(
    ("records", "event_time"),
    [
        ([{"startTime": "2026-05-06T00:00:00Z", "publishTime": "2026-05-06T00:00:00Z"}],
         "publishTime"),
        ([{"publishTime": None, "startTime": "2026-05-06T00:00:00Z"},
          {"publishTime": "2026-05-06T00:00:00Z", "startTime": "2026-05-06T00:00:00Z"}],
         "startTime"),
        ([{"day": "2026-05-06", "oddTime": "2026-05-06T00:00:00Z"}], "oddTime"),
        ([{"day": "2026-05-06"}], "day"),
        ([{"times": ["2026-05-06T00:00:00Z"], "day": "2026-05-06"}], "day"),
    ],
)  # fmt: skip
def test_the_event_time_is_always_there_and_well_named(records, event_time):
    assert proposed(records).dataset.event_time == event_time


@pytest.mark.parametrize(
    ("name", "message", "said"),
    [
        ("NEW", [{"a": 1}], "no field dates"),
        ("NEW", [], "no field dates"),
        ("NEW", [1, "x"], "no field dates"),
        ("unknown", [RECORD], "without a subject"),
        ("freq", [RECORD], "its table is that of FREQ"),
        ("../etc", [RECORD], "cannot be part of a table name"),
        ("a\nb: c", [RECORD], "cannot be part of a table name"),
        ("NEW", [{**RECORD, "settlementDate": "soon"}], "cannot partition by a STRING"),
        ("NEW", [{**RECORD, "settlementDate": ["2026-05-06"]}], "by a REPEATED DATE"),
    ],
)
def test_what_cannot_be_proposed_says_why(name, message, said):
    new = proposed(message, name=name)
    assert said in new.problem
    assert (new.text, new.dataset) == ("", None)
    assert all(map(str.isprintable, as_table([], [new], PATH).splitlines()))
    assert json.loads(as_json([], [new], PATH))["datasets"][0]["problem"]


def test_messages_that_cannot_be_opened_are_counted():
    new = UnknownDataset("NEW")
    new.add(b"[{", None)
    new.add(None, '{"payload_bytes": "9000000"}')
    new.add(b"\x1f\x8bnonsense", "{}")
    new.add(gzip.compress(json.dumps([RECORD]).encode()), '{"content_encoding":"gzip"}')
    new.propose(REGISTRY)
    assert (new.messages, new.unopened, new.records) == (4, 3, 1)
    assert "messages that cannot be opened 3" in as_table([], [new], PATH)


def test_records_that_no_table_holds_are_counted_and_do_not_spoil_the_types():
    new = UnknownDataset("NEW")
    new.add(json.dumps([RECORD, {**RECORD, "level": float("nan")}, 1]).encode(), None)
    new.propose(REGISTRY)
    assert (new.records, new.refused) == (3, 2)
    assert new.dataset.column("level").type == "FLOAT64"


def test_fields_that_cannot_be_columns_are_named_and_stay_in_extra():
    record = {**RECORD, "odd name": 1, "source": 2, "x\x1b": 3, "MIX": [1, [2]]}
    new = proposed([record])
    assert new.dataset.notes[1] == (
        'Left in `extra`: ["odd name"], source, ["x\\u001b"], MIX.'
    )
    _, row = Coercer(new.dataset).coerce(record, exact=True)
    assert json.loads(row["extra"]) == {
        key: record[key] for key in ("odd name", "source", "x\x1b", "MIX")
    }
