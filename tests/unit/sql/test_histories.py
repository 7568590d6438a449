"""What is read of a historic table, and what follows from what it says."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline.registry import Column, load_registry
from sql.histories import Evidence, History, sample_percent
from sql.views.historic import FoundTable
from sql.views.local_times import Reading, Said, label_of

FUELHH = load_registry()["FUELHH"]
TABLE = FoundTable(
    "bmrs_fuelhh",
    tuple(
        Column(name, kind)
        for name, kind in (
            ("publishTime", "DATETIME"),
            ("startTime", "DATETIME"),
            ("settlementDate", "DATETIME"),
            ("settlementPeriod", "INT64"),
        )
    ),
)
LOCAL = History(
    FUELHH, TABLE, {"startTime": Evidence(10, 1, 9), "publishTime": Evidence()}
)


@pytest.mark.parametrize(
    ("kind", "rows", "percent"),
    [
        ("TABLE", 1_000, None),
        ("TABLE", 12_500_000, 50),
        ("TABLE", 10**15, 0.0001),
        ("VIEW", None, None),
    ],
)
def test_of_a_large_table_a_part_is_read(kind, rows, percent):
    table = SimpleNamespace(table_type=kind, num_rows=rows)
    read = [Column("settlementPeriod", "INT64"), Column("startTime", "DATETIME")]
    assert sample_percent(table, read) == percent


def test_all_times_of_a_table_that_contradicts_are_in_doubt():
    assert LOCAL.readings == {
        "publishTime": Reading.DOUBTFUL,
        "startTime": Reading.DOUBTFUL,
    }


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            {"startTime": Said.LOCAL, "publishTime": Said.LOCAL},
            {"startTime": Reading.LOCAL, "publishTime": Reading.LOCAL},
        ),
        ({"startTime": Said.LOCAL}, {"startTime": Reading.LOCAL}),
        ({"publishTime": Said.UTC}, {"startTime": Reading.DOUBTFUL}),
        (
            {"publishTime": Said.LOCAL},
            {"startTime": Reading.DOUBTFUL, "publishTime": Reading.LOCAL},
        ),
        (
            {"startTime": Said.UTC, "publishTime": Said.UTC},
            {"startTime": Reading.DISPUTED, "publishTime": Reading.DISPUTED},
        ),
    ],
)
def test_what_the_user_says_decides(said, found):
    assert replace(LOCAL, said=said).readings == found


def test_a_few_contradictions_among_other_faults_are_no_local_times():
    odd = replace(LOCAL, evidence={"startTime": Evidence(10, 1, 3)})
    assert odd.readings == {}


def test_what_is_not_said_and_not_contradicted_is_utc():
    fine = replace(LOCAL, evidence={"startTime": Evidence(10, 10, 0)})
    assert fine.readings == {}
    assert replace(fine, said={"startTime": Said.UTC}).readings == {}


def test_every_time_of_every_dataset_has_a_label_that_bigquery_accepts():
    for dataset in load_registry().values():
        names = [h.table for h in dataset.historic] or [dataset.stem]
        labels = {
            label_of(table, column.name)
            for table in names
            for column in dataset.columns
        }
        assert len(labels) == len(names) * len(dataset.columns)
        for label in labels:
            assert len(label) <= 63
            assert label == label.lower()
    assert label_of("t" * 60, "c") != label_of("t" * 60, "d")
