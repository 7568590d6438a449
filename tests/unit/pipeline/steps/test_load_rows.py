"""Rows through files into loads, with files counted instead of loaded."""

import base64
import json
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.testing import test_pipeline
from msgspec.structs import replace
from pyarrow.parquet import ParquetFile, read_table

from pipeline.bigquery import spool
from pipeline.bigquery.loads import Loaded, Refused
from pipeline.core.batches import RowBatch
from pipeline.core.decoding import typed_record
from pipeline.core.identity import record_id
from pipeline.steps import load_rows
from pipeline.steps.ledger import counted
from pipeline.steps.load_rows import LoadRows

LOADED = []
LETTERS = []
OUTCOMES = {}


def load(files):
    """A loader that reads the files, and answers as `OUTCOMES` says."""
    for dataset, spooled in files.items():
        rows = []
        for file in spooled:
            rows += read_table(file.path).to_pylist()
            assert file.rows == len(rows)
        LOADED.append((dataset.name, [row["record_id"] for row in rows], spooled))
        yield dataset, OUTCOMES.get(dataset.name) or Loaded(len(rows))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    LOADED.clear()
    LETTERS.clear()
    OUTCOMES.clear()
    monkeypatch.setattr(spool, "COMPLETE_MESSAGES", 10)
    monkeypatch.setattr(spool, "COMPLETE_ROWS", 4)


def batch(dataset, number, day="2026-05-08"):
    """A message of one record."""
    row = {"dataset": dataset}
    if dataset == "FREQ":
        row |= {"measurementTime": day and f"{day}T23:59:59.5Z", "frequency": 50.0}
    record = typed_record(dataset, f"{dataset}{number}", row, 0)
    return RowBatch(dataset, {"message_id": str(number)}, {}, [record])


def run(batches, folder, *, spread=False):
    """Runs the step; returns its counts, and leaves its dead letters in `LETTERS`."""
    pipeline = test_pipeline.TestPipeline(runner="FnApiRunner")
    outputs = (
        pipeline
        | beam.Create(batches, reshuffle=False)
        | LoadRows(load, str(folder), spread=spread)
    )
    _ = outputs.dead_letters | beam.Map(keep)
    return counted(pipeline.run())


def keep(letter):
    LETTERS.append(letter)


def ids():
    """What was loaded, by dataset, in the order of the loads."""
    return [(name, len(records)) for name, records, _ in LOADED]


@pytest.mark.parametrize("spread", [False, True])
def test_every_row_is_in_one_load_and_no_file_is_left(tmp_path, spread):
    batches = [batch(("FREQ", "NDF", "REMIT")[n % 3], n) for n in range(45)]
    for each in batches:  # these do not follow from their rows
        each.records[0] = replace(each.records[0], source={"dataset": "other"})
    counts = run(batches, tmp_path, spread=spread)
    assert all(len(file.paths) == 2 for _, _, files in LOADED for file in files)
    assert Counter(dict(ids())) == {"FREQ": 15, "NDF": 15, "REMIT": 15}
    assert len(LOADED) == 3
    assert counts["rows"] == 45
    assert list(tmp_path.iterdir()) == []


def refuse(_files):
    raise RuntimeError("no load")


def refuse_the_last(each):
    if each.metadata["message_id"] == "last":
        raise RuntimeError("no step")
    return each


@pytest.mark.parametrize(("loader", "last"), [(refuse, "44"), (load, "last")])
def test_a_run_that_fails_leaves_no_file(tmp_path, loader, last):
    """A drain goes on in the same process, and would fill the disk."""
    batches = [batch(("FREQ", "NDF", "REMIT")[n % 3], n) for n in range(44)]
    batches.append(batch("FREQ", last))
    for each in batches:  # these do not follow from their rows
        each.records[0] = replace(each.records[0], source={"dataset": "other"})
    pipeline = test_pipeline.TestPipeline(runner="FnApiRunner")
    _ = (
        pipeline
        | beam.Create(batches, reshuffle=False)
        | beam.Map(refuse_the_last)
        | LoadRows(loader, str(tmp_path))
    )
    with pytest.raises(RuntimeError, match="no "):
        pipeline.run()
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_that_has_had_its_last_row_is_loaded_before_the_others(tmp_path):
    batches = [batch("FREQ", n) for n in range(10)]
    batches += [batch("NDF", n) for n in range(40)]
    run(batches, tmp_path)
    assert ids() == [("FREQ", 10), ("NDF", 40)]


def test_one_that_comes_again_after_its_load_has_another(tmp_path):
    batches = [batch("FREQ", n) for n in range(10)]
    batches += [batch("NDF", n) for n in range(30)]
    batches += [batch("FREQ", n) for n in range(10, 17)]
    counts = run(batches, tmp_path)
    assert sorted(ids()) == [("FREQ", 7), ("FREQ", 10), ("NDF", 30)]
    assert counts["rows"] == 47


def test_few_rows_are_not_worth_a_load_of_their_own(tmp_path):
    batches = [batch("FREQ", n) for n in range(3)]
    batches += [batch("NDF", n) for n in range(30)]
    batches += [batch("FREQ", n) for n in range(3, 5)]
    run(batches, tmp_path)
    assert sorted(ids()) == [("FREQ", 5), ("NDF", 30)]


def test_a_file_knows_the_days_of_its_rows(tmp_path):
    days = ["2026-05-08", "1969-12-30", "2026-05-09", None]
    run([batch("FREQ", n, day) for n, day in enumerate(days)], tmp_path)
    [(_, _, [file])] = LOADED
    assert (file.first_day, file.last_day) == ("1969-12-30", "2026-05-09")
    assert file.undated


def test_what_was_there_and_what_is_refused_are_counted(tmp_path):
    row = {"dataset": "FREQ", "frequency": 50.0, "record_id": "x", "message_id": "m"}
    row |= {"extra": '{"new":1}', "source": "IRIS", "ingested_utc": "2026-05-08T00:00Z"}
    refused = load_rows.record_json({"dataset": "FREQ", "frequency": 50.0, "new": 1})
    OUTCOMES["FREQ"] = Loaded(3, 5, [Refused(row, "invalid: no", refused)])
    counts = run([batch("FREQ", n) for n in range(9)], tmp_path)
    named = ("rows", "duplicates", "present", "dead_letters")
    assert [counts[name] for name in named] == [3, 5, 5, 1]
    [letter] = LETTERS
    assert letter.values["reason"] == "INSERT_REJECTED"
    assert letter.values["message_id"] == "m"
    assert letter.values["payload"] == base64.b64encode(refused).decode()


@pytest.mark.parametrize("more", [{}, {"outageProfile": []}])
def test_a_refused_record_has_an_empty_list_only_where_it_came_with_one(tmp_path, more):
    record = {"mrid": "m", **more}
    # As a file gives it back: without a list it has an empty one.
    row = {"mrid": "m", "outageProfile": [], "record_id": record_id("REMIT", record)}
    OUTCOMES["REMIT"] = Loaded(0, 0, [Refused(row, "invalid: no")])
    run([batch("REMIT", 1)], tmp_path)
    [letter] = LETTERS
    assert json.loads(base64.b64decode(letter.values["payload"])) == record


def test_few_rows_wait_in_memory_and_those_of_a_message_stay_together(
    tmp_path, monkeypatch
):
    rows = []

    class CountingWriter(spool.ParquetWriter):
        def write_table(self, table):
            rows.append(table.num_rows)
            super().write_table(table)

    monkeypatch.setattr(spool, "ParquetWriter", CountingWriter)
    monkeypatch.setattr(spool, "BUFFERED_ROWS", 7)
    written = spool.Spool(str(tmp_path))
    for number in range(12):
        several = batch(("FREQ", "NDF")[number % 4 == 3], number)
        several.records *= 3
        written.add(several)
        assert 3 * (number + 1) - sum(rows) < 7  # those in memory
    files = {dataset.name: file for dataset, (file,) in written.rest().items()}
    assert {name: file.rows for name, file in files.items()} == {"FREQ": 27, "NDF": 9}
    for name, file in files.items():
        opened = ParquetFile(file.path)
        parts = [opened.read_row_group(n) for n in range(opened.num_row_groups)]
        assert [part.num_rows for part in parts if part.num_rows % 3] == []
        numbers = [n for n in range(12) if (n % 4 == 3) == (name == "NDF")]
        there = [one for part in parts for one in part["message_id"].to_pylist()]
        assert there == [str(n) for n in numbers for _ in range(3)]
