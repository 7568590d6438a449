"""Tables and inserts against the local BigQuery: its own answers, not ours."""

import base64
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from apache_beam.testing import test_pipeline
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from local.ports import private_port
from pipeline.bigquery import inserts, patience
from pipeline.bigquery.client import connect
from pipeline.bigquery.inserts import Insert, insert
from pipeline.bigquery.warehouse import Warehouse
from pipeline.graph import Plan, build
from pipeline.registry import Column, load_registry
from pipeline.steps.sources import ReadFiles
from pipeline.steps.write_rows import WriteRows
from sql import tables
from sql.apply import apply_tables
from sql.tables import DEAD_LETTERS, LEDGER, UNMAPPED, Table, dataset_table
from tests.integration.bigquery_fixture import own_dataset, running_bigquery

pytestmark = pytest.mark.integration

PROJECT = "gb-iris"
REGISTRY = load_registry()
FREQ = dataset_table(REGISTRY["FREQ"])
REMIT = dataset_table(REGISTRY["REMIT"])


@pytest.fixture
def dataset(client, request) -> str:
    """A dataset of this test's own, with the tables that it needs."""
    name = own_dataset(client, request)
    apply_tables(client, name, [FREQ, REMIT, DEAD_LETTERS, UNMAPPED, LEDGER], "EU")
    return name


def rows(client, dataset, table, what="*"):
    return list(client.query(f"SELECT {what} FROM {dataset}.{table}").result())


def freq(number, **more):
    return Insert(
        f"{number:032x}", {"dataset": "FREQ", "frequency": number / 7, **more}
    )


def test_tables_have_the_columns_of_the_registry(client, dataset):
    found = client.get_table(f"{PROJECT}.{dataset}.{REMIT.name}")
    assert [field.name for field in found.schema] == [c.name for c in REMIT.columns]
    profile = next(f for f in found.schema if f.name == "outageProfile")
    assert (profile.field_type, profile.mode) == ("RECORD", "REPEATED")
    assert [field.name for field in profile.fields] == [
        "startTime",
        "endTime",
        "capacity",
    ]


def test_a_second_apply_changes_nothing(client, dataset):
    outcome = apply_tables(client, dataset, [FREQ, REMIT], "EU")
    assert sorted(outcome.unchanged) == sorted([FREQ.name, REMIT.name])
    assert not outcome.created
    assert not outcome.extended


def test_apply_removes_a_primary_key_and_keeps_the_rows(client, dataset):
    """A table of an earlier release, which declared its natural key."""
    table = f"{PROJECT}.{dataset}.{FREQ.name}"
    assert insert(client, table, [freq(1), freq(2)]) == []
    statement = f"ALTER TABLE `{table}` ADD PRIMARY KEY (measurementTime) NOT ENFORCED"
    client.query(statement).result()
    assert client.get_table(table).table_constraints.primary_key is not None
    outcome = apply_tables(client, dataset, [FREQ, REMIT], "EU")
    assert (outcome.unkeyed, outcome.unchanged) == ([FREQ.name], [REMIT.name])
    assert outcome.conflicts == []
    constraints = client.get_table(table).table_constraints
    assert constraints is None or constraints.primary_key is None
    assert len(rows(client, dataset, FREQ.name)) == 2
    assert apply_tables(client, dataset, [FREQ], "EU").unchanged == [FREQ.name]


def test_a_primary_key_that_stays_is_reported(client, dataset, monkeypatch):
    """The table that has a foreign key to it, as a refused statement."""
    table = f"{PROJECT}.{dataset}.{FREQ.name}"
    statement = f"ALTER TABLE `{table}` ADD PRIMARY KEY (measurementTime) NOT ENFORCED"
    client.query(statement).result()
    monkeypatch.setattr(tables, "drop_key_statement", lambda *_: "ALTER TABLE gone")
    outcome = apply_tables(client, dataset, [FREQ], "EU")
    (conflict,) = outcome.conflicts
    assert conflict.startswith(f"{FREQ.name}.PRIMARY KEY")
    assert (outcome.unkeyed, outcome.unchanged) == ([], [])


def test_apply_adds_a_column_and_keeps_the_rows(client, dataset):
    shorter = FREQ.columns[:1] + FREQ.columns[2:]
    table = Table("bmrs_short", shorter, "ingested_utc", (), "less one column")
    apply_tables(client, dataset, [table], "EU")
    name = f"{PROJECT}.{dataset}.bmrs_short"
    assert insert(client, name, [freq(1)]) == []
    whole = Table("bmrs_short", FREQ.columns, "ingested_utc", (), "whole")
    outcome = apply_tables(client, dataset, [whole], "EU")
    assert outcome.extended == {"bmrs_short": ["measurementTime"]}
    later = freq(2, measurementTime="2026-05-08T00:00:00Z")
    assert insert(client, name, [later]) == []
    assert len(rows(client, dataset, "bmrs_short")) == 2


def test_apply_reports_another_type_and_leaves_it(client, dataset):
    client.query(f"CREATE TABLE {dataset}.bmrs_odd (frequency STRING)").result()
    odd = Table("bmrs_odd", FREQ.columns[:3], "measurementTime", (), "odd")
    outcome = apply_tables(client, dataset, [odd], "EU")
    (conflict,) = outcome.conflicts
    assert conflict.startswith("bmrs_odd.frequency is STRING")
    assert outcome.extended == {"bmrs_odd": ["dataset", "measurementTime"]}


def test_apply_widens_what_loses_nothing_and_keeps_the_rows(client, dataset):
    wide = dataset_table(REGISTRY["BOAV"])
    narrow = replace(wide, columns=tuple(map(with_integers, wide.columns)))
    apply_tables(client, dataset, [narrow], "EU")
    name = f"{PROJECT}.{dataset}.{wide.name}"
    first = {"totalVolumeAccepted": 2**53, "pairVolumes": {"positive1": -7}}
    assert insert(client, name, [Insert("1", first)]) == []
    outcome = apply_tables(client, dataset, [wide], "EU")
    assert outcome.conflicts == []
    assert {"totalVolumeAccepted", "pairVolumes.positive1"} <= set(
        outcome.widened[wide.name]
    )
    second = {"totalVolumeAccepted": 0.5, "pairVolumes": {"positive1": 7.25}}
    assert insert(client, name, [Insert("2", second)]) == []
    found = rows(client, dataset, wide.name, "totalVolumeAccepted, pairVolumes")
    volumes = {row.totalVolumeAccepted: row.pairVolumes["positive1"] for row in found}
    assert volumes == {2.0**53: -7.0, 0.5: 7.25}
    assert apply_tables(client, dataset, [wide], "EU").unchanged == [wide.name]


def with_integers(column):
    """The column as a registry has it that takes all numbers for whole ones."""
    fields = tuple(map(with_integers, column.fields))
    kind = "INT64" if column.type == "FLOAT64" else column.type
    return replace(column, type=kind, fields=fields)


def test_apply_leaves_what_widening_would_round(client, dataset):
    client.query(
        f"CREATE TABLE {dataset}.bmrs_large AS "
        f"SELECT {2**53 + 1} AS frequency, CAST(NULL AS TIMESTAMP) AS measurementTime"
    ).result()
    wanted = Table("bmrs_large", FREQ.columns[1:3], "measurementTime", (), "large")
    outcome = apply_tables(client, dataset, [wanted], "EU")
    (conflict,) = outcome.conflicts
    assert "frequency should be FLOAT64, but has integers beyond 2^53" in conflict
    (row,) = rows(client, dataset, "bmrs_large", "frequency")
    assert row.frequency == 2**53 + 1
    assert outcome.widened == {}


@pytest.mark.parametrize(
    ("column", "wanted", "reason"),
    [
        (
            "steps ARRAY<STRUCT<mw INT64>>",
            Column("steps", "RECORD", "REPEATED", fields=(Column("mw", "FLOAT64"),)),
            "steps.mw is INT64 NULLABLE and should be FLOAT64 NULLABLE, which BigQuery "
            "cannot change in place inside an array",
        ),
        ("mw INT64", Column("mw", "FLOAT64"), "cannot cluster by FLOAT64"),
    ],
)
def test_apply_leaves_what_bigquery_does_not_widen(
    client, dataset, column, wanted, reason
):
    clusters = "" if column.startswith("steps") else "CLUSTER BY mw"
    client.query(f"CREATE TABLE {dataset}.bmrs_kept ({column}) {clusters}").result()
    table = Table("bmrs_kept", (wanted,), "mw", (), "kept")
    outcome = apply_tables(client, dataset, [table], "EU")
    (conflict,) = outcome.conflicts
    assert conflict.startswith("bmrs_kept.")
    assert reason in conflict
    assert outcome.widened == {}


def test_apply_tells_of_a_column_too_many_and_leaves_it(client, dataset):
    client.query(f"ALTER TABLE {dataset}.{FREQ.name} ADD COLUMN mine STRING").result()
    outcome = apply_tables(client, dataset, [FREQ], "EU")
    (note,) = outcome.notes
    assert note.startswith(f"{FREQ.name}.mine is not in the registry")
    assert outcome.conflicts == []
    found = client.get_table(f"{PROJECT}.{dataset}.{FREQ.name}").schema
    assert "mine" in {field.name for field in found}


def test_good_rows_arrive_beside_bad_ones_which_come_back_with_the_reason(
    client, dataset
):
    batch = [freq(number) for number in range(1, 1200)]
    batch[3] = freq(4, nonsense=1)
    batch[700] = freq(701, measurementTime="not a time")
    rejected = insert(client, f"{PROJECT}.{dataset}.{FREQ.name}", batch)
    assert sorted(row.position for row in rejected) == [3, 700]
    texts = {row.position: row.error for row in rejected}
    assert "nonsense" in texts[3]
    assert "not a time" in texts[700] or "measurementTime" in texts[700]
    (counted,) = rows(client, dataset, FREQ.name, "COUNT(*) AS n")
    assert counted.n == 1197


def test_a_batch_of_bad_rows_only_comes_back_whole(client, dataset):
    bad = [freq(number, nonsense=1) for number in range(5)]
    rejected = insert(client, f"{PROJECT}.{dataset}.{FREQ.name}", bad)
    assert sorted(row.position for row in rejected) == [0, 1, 2, 3, 4]


def test_an_integer_that_a_double_would_round_is_sent_as_text(
    client, dataset, monkeypatch
):
    """As BigQuery asks; the local one reads numbers of any size as they are."""
    sent = []
    send = inserts.insert_all

    def spy(to, table, body, timeout):
        sent.extend(row["json"] for row in json.loads(body)["rows"])
        return send(to, table, body, timeout)

    monkeypatch.setattr(inserts, "insert_all", spy)
    numbers = [2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63)]
    wanted = [Insert(str(n), {"mrid": "m", "revisionNumber": n}) for n in numbers]
    table = f"{PROJECT}.{dataset}.{REMIT.name}"
    assert insert(client, table, wanted) == []
    texts = [str(number) for number in numbers[1:]]
    assert [row["revisionNumber"] for row in sent] == [numbers[0], *texts]
    found = rows(client, dataset, REMIT.name, "revisionNumber")
    assert sorted(row.revisionNumber for row in found) == sorted(numbers)


def test_the_same_insert_twice_is_one_row(client, dataset):
    for _ in range(2):
        assert insert(client, f"{PROJECT}.{dataset}.{FREQ.name}", [freq(5)]) == []
    assert len(rows(client, dataset, FREQ.name)) == 1


def test_a_missing_table_is_an_answer_and_not_tried_for_ever(
    client, dataset, monkeypatch
):
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.01)
    rejected = insert(client, f"{PROJECT}.{dataset}.nowhere", [freq(1), freq(2)])
    assert [row.position for row in rejected] == [0, 1]
    assert "nowhere" in rejected[0].error


def test_rows_wait_while_bigquery_is_away_and_arrive(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "MAX_PAUSE_SECONDS", 0.2)
    port = private_port()
    with running_bigquery(tmp_path, port) as host:
        connect.cache_clear()
        apply_tables(connect(PROJECT), "d", [FREQ], "EU")
    name, answers = f"{PROJECT}.d.{FREQ.name}", []
    away = bigquery.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": host},
    )
    waiting = threading.Thread(
        target=lambda: answers.append(insert(away, name, [freq(1)])), daemon=True
    )
    waiting.start()
    waiting.join(timeout=1)
    assert waiting.is_alive()
    with running_bigquery(tmp_path, port):
        waiting.join(timeout=30)
        assert answers == [[]]
        connect.cache_clear()
        assert len(rows(connect(PROJECT), "d", FREQ.name)) == 1
    connect.cache_clear()


def test_files_become_rows_dead_letters_and_a_balanced_ledger(
    client, dataset, tmp_path
):
    write(tmp_path, "FREQ", "one.json", [record(1), record(2), record(1)])
    write(tmp_path, "FREQ", "two.json", [record(2), {**record(3), "frequency": "x"}])
    write(tmp_path, "NEW", "three.json", [{"a": 1}])
    (tmp_path / "FREQ" / "broken.json").write_bytes(b"[{")
    warehouse = Warehouse(PROJECT, dataset)
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        source = ReadFiles(str(tmp_path / "*" / "*"))
        inserted = WriteRows(warehouse.insert)
        build(pipeline, Plan(source, "by_grouping", 24, inserted, warehouse.insert))
    found = rows(client, dataset, FREQ.name)
    assert sorted(row.frequency for row in found) == [50.5, 51.5]
    assert {row.message_id for row in found} <= {"one.json", "two.json"}
    letters = rows(client, dataset, "iris_dead_letters")
    assert {row.reason: row.payload for row in letters} == {
        "INVALID_JSON": b"[{",
        "WRONG_TYPE": json.dumps(
            {**record(3), "frequency": "x"}, separators=(",", ":")
        ).encode(),
    }
    (unmapped,) = rows(client, dataset, "iris_unmapped")
    assert json.loads(unmapped.payload) == [{"a": 1}]
    sums = ", ".join(f"SUM(`{name}`) AS `{name}`" for name in (
        "messages", "records", "rows", "duplicates", "dead_letters", "unmapped"
    ))  # fmt: skip
    (ledger,) = rows(client, dataset, "iris_ledger", sums)
    assert dict(ledger) == {
        "messages": 4, "records": 7, "rows": 2, "duplicates": 2, "dead_letters": 2,
        "unmapped": 1,
    }  # fmt: skip


def test_a_payload_of_any_bytes_comes_back_unchanged(client, dataset):
    payload = bytes(range(256))
    letter = Insert("1", {"payload": base64.b64encode(payload).decode()})
    assert insert(client, f"{PROJECT}.{dataset}.iris_dead_letters", [letter]) == []
    (row,) = rows(client, dataset, "iris_dead_letters")
    assert row.payload == payload


def record(second):
    return {
        "dataset": "FREQ",
        "measurementTime": f"2026-05-08T00:00:0{second}Z",
        "frequency": 49.5 + second,
    }


def write(folder: Path, dataset: str, name: str, records: list[object]) -> None:
    (folder / dataset).mkdir(exist_ok=True)
    (folder / dataset / name).write_text(json.dumps(records))
