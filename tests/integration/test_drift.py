"""Unknown fields and datasets: from messages over BigQuery into the registry."""

import argparse
import datetime as dt
import json
import random
import shutil
from pathlib import Path

import pytest
from google.cloud import bigquery

from command.tables_path import TablesPath
from command.usage import UsageError
from local.simulator.generator import generate_message
from pipeline.bigquery.inserts import Insert, insert
from pipeline.core.batches import row_batch, unmapped_row
from pipeline.core.coercion import Coercer
from pipeline.core.decoding import Message, decode, metadata_of, parse_quickly, utc_now
from pipeline.registry import FOLDER, load_registry, read_registry
from sql.__main__ import main
from sql.apply import apply_tables
from sql.drift.acceptance import Selection, TablesBehindError, update_tables
from sql.drift.command import accept
from sql.drift.unknown_fields import unknown_fields
from sql.tables import UNMAPPED, dataset_table
from tests.integration.bigquery_fixture import own_dataset

pytestmark = pytest.mark.integration

PROJECT = "gb-iris"
REGISTRY = load_registry()
TABLES = [dataset_table(REGISTRY["REMIT"]), dataset_table(REGISTRY["FREQ"]), UNMAPPED]
NOON = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)
# As happened once: six new fields, decimals in integers, and a nested array.
NEW_FIELDS = [
    {"curtailment": 12, "assetCount": 3, "isTest": True, "closedOn": "2026-05-06"},
    {
        "curtailment": 12.5,
        "closedOn": "2026-05-07",
        "seenAt": "2026-05-06T01:00:00.000Z",
        "steps": [{"mw": 1, "reasons": ["a"]}, {"mw": 2.5}],
    },
    {"seenAt": "2026-05-06", "Cause": "x", "mixed": 1, "steps": []},
    {"mixed": [1], "assetCount": None},
]
FREQ_RECORD = {
    "dataset": "FREQ",
    "measurementTime": "2026-05-06T00:00:00Z",
    "frequency": 50.01,
}
NEW_RECORD = {
    "dataset": "NEWDS",
    "publishTime": "2026-05-06T02:31:00Z",
    "unit": "T_A",
    "levels": [{"from": 1}],
}


@pytest.fixture
def dataset(client, request) -> str:
    """A dataset of this test's own, with the tables that it needs."""
    name = own_dataset(client, request)
    apply_tables(client, name, TABLES, "EU")
    return name


@pytest.fixture
def folder(tmp_path) -> Path:
    """A registry of this test's own."""
    copy = tmp_path / "datasets"
    shutil.copytree(
        Path(str(FOLDER)), copy, ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    return copy


def remit_records(prefix="m"):
    _, body = generate_message(REGISTRY["REMIT"], NOON, 1, random.Random(7), records=1)
    record = json.loads(body)[0]
    records = [
        {**record, "mrid": f"{prefix}{i}", **new} for i, new in enumerate(NEW_FIELDS)
    ]
    profile = {"startTime": "2026-05-06T00:00:00Z", "capacity": 1, "note": "why"}
    records[0]["outageProfile"] = [profile, {**profile, "note": "2"}]
    return records


def take_in(client, dataset, subject, records):
    """Puts a message through the pipeline's own steps into its table."""
    body = json.dumps(json.dumps(records)).encode()
    message = Message(body, {"dataset": subject, "message_id": f"{subject}_1"})
    decoded = decode(message, utc_now())
    assert decoded.dead_letters == []
    if decoded.unmapped:
        row = unmapped_row(message, utc_now())
        rows, table = [Insert(row.insert_id, row.values)], UNMAPPED.name
    else:
        batch = row_batch(message, decoded)
        rows = inserts(batch.records, batch.metadata)
        table = REGISTRY[subject].table
    assert insert(client, f"{PROJECT}.{dataset}.{table}", rows) == []


def take_in_again(client, dataset, known, records):
    """The same with a dataset that this process's registry does not know so."""
    message = Message(b"", {"dataset": known.name, "message_id": "again"})
    found, exact = parse_quickly(json.dumps(records).encode())
    typed, refused = Coercer(known).rows(found.records, exact=exact)
    assert refused == []
    rows = inserts(typed, metadata_of(message, utc_now()))
    assert insert(client, f"{PROJECT}.{dataset}.{known.table}", rows) == []


def inserts(typed, metadata):
    return [
        Insert(one.record_id, {**one.row, **metadata, "record_id": one.record_id})
        for one in typed
    ]


def options(dataset, *wanted):
    return argparse.Namespace(project=PROJECT, dataset=dataset, accept=[*wanted])


def rows(client, dataset, statement):
    config = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{dataset}")
    return [dict(row) for row in client.query(statement, job_config=config).result()]


def test_new_fields_of_remit_are_shown_with_the_type_that_holds_them(client, dataset):
    take_in(client, dataset, "REMIT", remit_records())
    take_in(client, dataset, "FREQ", [{**FREQ_RECORD, "quality": "good"}])
    found = unknown_fields(client, TablesPath(PROJECT, dataset), REGISTRY)
    assert {
        (field.dataset, field.field): (field.rows, field.column and field.column.kind)
        for field in found
        if not field.problem
    } == {
        ("FREQ", "quality"): (1, "STRING"),
        ("REMIT", "assetCount"): (1, "INT64"),
        ("REMIT", "closedOn"): (2, "DATE"),
        ("REMIT", "curtailment"): (2, "FLOAT64"),
        ("REMIT", "isTest"): (1, "BOOL"),
        ("REMIT", "outageProfile[].note"): (1, "STRING"),
        ("REMIT", "seenAt"): (2, "TIMESTAMP"),
        ("REMIT", "steps"): (2, "REPEATED RECORD"),
    }
    problems = {field.field: field.problem for field in found if field.problem}
    assert problems.keys() == {"Cause", "mixed"}
    assert all(field.first_seen.tzinfo for field in found)


def test_the_command_prints_a_table_or_json(client, dataset, capsys):
    path = ["--project", PROJECT, "--dataset", dataset]
    assert main(["drift", *path]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    take_in(client, dataset, "REMIT", remit_records())
    take_in(client, dataset, "NEWDS", [NEW_RECORD])
    assert main(["drift", *path]) == 0
    table = capsys.readouterr().out
    assert "REMIT.curtailment" in table
    assert f"CREATE TABLE IF NOT EXISTS `{PROJECT}.{dataset}.bmrs_newds_iris`" in table
    assert main(["drift", *path, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    statements = {each["field"]: each["statement"] for each in found["fields"]}
    # The statements are right as they stand.
    client.query("\n".join(filter(None, statements.values()))).result()
    schema = client.get_table(f"{PROJECT}.{dataset}.bmrs_remit_iris").schema
    assert {"curtailment", "steps", "seenAt"} <= {field.name for field in schema}
    (new,) = found["datasets"]
    client.query(new["statement"]).result()
    assert client.get_table(f"{PROJECT}.{dataset}.bmrs_newds_iris").schema


def test_accepted_fields_are_columns_of_registry_and_table(
    client, dataset, folder, capsys
):
    take_in(client, dataset, "REMIT", remit_records())
    names = ["curtailment", "REMIT.steps", "seenAt"]
    assert accept(client, options(dataset, *names), folder) == 0
    said = capsys.readouterr().out
    assert "bmrs_remit_iris: added curtailment, steps, seenAt" in said
    assert "bmrs_remit_unified: created" in said
    registry = read_registry(folder)
    changed = [name for name in REGISTRY if registry[name] != REGISTRY[name]]
    assert changed == ["REMIT"]
    take_in_again(client, dataset, registry["REMIT"], remit_records("later"))
    found = rows(
        client,
        dataset,
        "SELECT curtailment, seenAt, steps, outageProfile, extra "
        "FROM bmrs_remit_iris WHERE message_id = 'again' ORDER BY mrid",
    )
    assert [row["curtailment"] for row in found] == [12.0, 12.5, None, None]
    assert found[1]["steps"] == [
        {"mw": 1.0, "reasons": ["a"]},
        {"mw": 2.5, "reasons": []},
    ]
    shown = rows(
        client,
        dataset,
        "SELECT curtailment, seenAt, steps FROM bmrs_remit_unified "
        "WHERE message_id = 'REMIT_1' ORDER BY mrid",
    )
    assert shown == [{name: row[name] for name in shown[0]} for row in found]
    assert json.loads(found[0]["extra"]).keys() == {
        "assetCount",
        "closedOn",
        "isTest",
        "outageProfile[0].note",
        "outageProfile[1].note",
    }
    left = unknown_fields(client, TablesPath(PROJECT, dataset), registry)
    assert [field.field for field in left] == [
        "Cause", "assetCount", "closedOn", "isTest", "mixed", "outageProfile[].note",
    ]  # fmt: skip


def test_an_accepted_field_of_a_record_holds_what_comes_from_then_on(
    client, dataset, folder, capsys
):
    take_in(client, dataset, "REMIT", remit_records())
    assert accept(client, options(dataset, "REMIT.outageProfile.note"), folder) == 0
    said = capsys.readouterr().out
    assert "bmrs_remit_iris: added outageProfile.note" in said
    assert "earlier values of outageProfile[].note stay in extra" in said
    known = read_registry(folder)["REMIT"]
    assert known.column("outageProfile").fields[-1].name == "note"
    take_in_again(client, dataset, known, remit_records("later"))
    found = rows(
        client,
        dataset,
        "SELECT outageProfile FROM bmrs_remit_unified WHERE mrid IN ('m0', 'later0') "
        "ORDER BY mrid",
    )
    notes = [[step["note"] for step in row["outageProfile"]] for row in found]
    assert notes == [["why", "2"], [None, None]]


def test_a_second_run_changes_nothing(client, dataset, folder, capsys):
    take_in(client, dataset, "FREQ", [{**FREQ_RECORD, "quality": "good"}])
    assert accept(client, options(dataset, "quality"), folder) == 0
    written = (folder / "FREQ.yaml").read_text()
    capsys.readouterr()
    assert accept(client, options(dataset, "FREQ.quality"), folder) == 0
    assert (folder / "FREQ.yaml").read_text() == written
    assert "bmrs_freq_iris: has all columns already" in capsys.readouterr().out


def test_a_run_whose_table_failed_is_finished_by_the_next(client, dataset, folder):
    take_in(client, dataset, "FREQ", [{**FREQ_RECORD, "quality": "good"}])
    selection = Selection(known=[REGISTRY["FREQ"]])
    with pytest.raises(TablesBehindError):
        update_tables(client, TablesPath(PROJECT, "nowhere"), selection, folder)
    line = "  - {name: quality, type: STRING, description: How good.}\nhistoric:"
    text = (folder / "FREQ.yaml").read_text().replace("historic:", line)
    (folder / "FREQ.yaml").write_text(text)
    assert accept(client, options(dataset, "FREQ.quality"), folder) == 0
    schema = client.get_table(f"{PROJECT}.{dataset}.bmrs_freq_iris").schema
    assert "quality" in {field.name for field in schema}


def test_a_wrong_name_writes_nothing(client, dataset, folder):
    take_in(client, dataset, "FREQ", [{**FREQ_RECORD, "quality": "good"}])
    before = {path.name: path.read_text() for path in folder.iterdir()}
    with pytest.raises(UsageError, match=r"there is FREQ\.quality"):
        accept(client, options(dataset, "FREQ.quality", "FREQ.qualty"), folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_a_new_dataset_becomes_a_file_and_a_table_that_takes_its_messages(
    client, dataset, folder, capsys
):
    records = [NEW_RECORD, {**NEW_RECORD, "unit": "T_B", "levels": [{"from": 1.5}]}]
    take_in(client, dataset, "NEWDS", records)
    assert accept(client, options(dataset, "NEWDS"), folder) == 0
    said = capsys.readouterr().out
    assert "bmrs_newds_iris: created" in said
    assert "python -m bridge replay --reason UNMAPPED" in said
    known = read_registry(folder)["NEWDS"]
    take_in_again(client, dataset, known, records)
    found = rows(client, dataset, "SELECT * FROM bmrs_newds_iris ORDER BY unit")
    assert [row["unit"] for row in found] == ["T_A", "T_B"]
    assert [row["levels"] for row in found] == [[{"from": 1.0}], [{"from": 1.5}]]
    assert [row["extra"] for row in found] == [None, None]
    assert accept(client, options(dataset, "NEWDS"), folder) == 0
    assert "bmrs_newds_iris: has all columns already" in capsys.readouterr().out
