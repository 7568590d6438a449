"""One contract for every dataset, and what the loader refuses."""

import datetime as dt
import json
import random
import re

import pytest

from local.generator import generate_message
from pipeline.decoding import Message, decode, utc_now
from pipeline.registry import (
    CLUSTERABLE,
    METADATA_COLUMNS,
    RegistryError,
    load_registry,
    parse_dataset,
)

NOW = dt.datetime(2026, 5, 6, 12, 0, tzinfo=dt.UTC)
DATASETS = list(load_registry().values())

MINIMAL = """
dataset: X
title: A dataset
group: g
event_time: publishTime
natural_key: [publishTime]
latest_key: [publishTime]
columns:
  - {name: publishTime, type: TIMESTAMP}
"""


def test_all_datasets_of_iris_are_there():
    assert len(DATASETS) == 89


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda d: d.name)
class TestContract:
    def test_names_make_a_table(self, dataset):
        assert re.fullmatch(r"bmrs_[a-z0-9_]+_iris", dataset.table)

    def test_columns_are_described(self, dataset):
        for column in dataset.columns:
            assert column.description
            assert all(field.description for field in column.fields)

    def test_partition_and_clusters_fit_bigquery(self, dataset):
        assert dataset.column(dataset.partition_column).type in ("DATE", "TIMESTAMP")
        assert len(dataset.cluster_columns) <= 4
        for name in dataset.cluster_columns:
            assert dataset.column(name).type in CLUSTERABLE

    def test_latest_key_is_coarser_than_a_version(self, dataset):
        assert set(dataset.version_order) <= {c.name for c in dataset.columns}

    def test_a_generated_message_becomes_rows_and_nothing_else(self, dataset):
        name, body = generate_message(dataset, NOW, 1, random.Random(7), records=5)
        message = Message(body, {"dataset": dataset.name, "message_id": name})
        decoded = decode(message, utc_now())
        assert decoded.dead_letters == []
        assert len(decoded.records) == decoded.count == len(json.loads(body))
        known = {column.name for column in dataset.columns}
        for typed in decoded.records:
            assert typed.row.keys() <= known


def test_tables_are_distinct():
    assert len({dataset.table for dataset in DATASETS}) == len(DATASETS)


def test_an_alias_finds_its_dataset():
    assert load_registry()["SYSWARN"].name == "SYS_WARN"


def test_subjects_are_case_sensitive():
    registry = load_registry()
    assert registry["mibm_mid"].name == "mibm_mid"
    assert "MIBM_MID" not in registry


def test_nested_columns_are_records():
    profile = load_registry()["REMIT"].column("outageProfile")
    assert (profile.type, profile.mode) == ("RECORD", "REPEATED")
    assert [field.name for field in profile.fields] == [
        "startTime",
        "endTime",
        "capacity",
    ]


def test_the_minimal_dataset_loads():
    dataset = parse_dataset("X.yaml", MINIMAL)
    assert dataset.partition_column == "publishTime"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("dataset: X", "dataset: Y"), "describes Y"),
        (("title:", "titel:"), "unknown keys"),
        (("type: TIMESTAMP", "type: TIME"), "unknown"),
        (("natural_key: [publishTime]", "natural_key: [nothing]"), "nothing"),
        (("natural_key: [publishTime]", "natural_key: []"), "must name"),
        (("name: publishTime", "name: 'publish time'"), "column name"),
        (("columns:", "columns: ["), "X.yaml"),
        (("type: TIMESTAMP}", "type: RECORD}"), "fields belong"),
        (
            (
                "type: TIMESTAMP}",
                "type: TIMESTAMP}\n  - {name: PublishTime, type: DATE}",
            ),
            "repeat",
        ),
        (
            ("type: TIMESTAMP}", "type: TIMESTAMP}\n  - {name: extra, type: STRING}"),
            "metadata",
        ),
        (("dataset: X", "dataset: ../X"), "table name"),
    ],
)
def test_a_wrong_file_is_refused_by_name(change, said):
    with pytest.raises(RegistryError, match=re.escape(said)) as caught:
        parse_dataset("X.yaml", MINIMAL.replace(*change))
    assert "X.yaml" in str(caught.value)


def test_metadata_columns_are_those_of_the_design():
    assert [(column.name, column.type) for column in METADATA_COLUMNS] == [
        ("ingested_utc", "TIMESTAMP"),
        ("source", "STRING"),
        ("message_id", "STRING"),
        ("enqueued_utc", "TIMESTAMP"),
        ("record_id", "STRING"),
        ("extra", "STRING"),
    ]
