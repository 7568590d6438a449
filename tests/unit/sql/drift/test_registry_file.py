"""The files of the registry, extended line by line."""

import dataclasses
import datetime as dt
import difflib

import pytest

from pipeline.registry import (
    FOLDER,
    Column,
    Publication,
    RegistryError,
    load_registry,
    parse_dataset,
)
from sql.drift.registry_file import (
    column_text,
    dataset_text,
    replace_file,
    with_column,
)

DATASETS = list(load_registry().values())
RECORDS = [
    (dataset, column) for dataset in DATASETS for column in dataset.columns
    if column.fields
]  # fmt: skip
DAY = dt.date(2026, 5, 8)
NEW = Column(
    "newField", "FLOAT64", unit="£/MWh", description='Odd: "it, that", #1.', since=DAY
)
NESTED = Column(
    "newRecord",
    "RECORD",
    "REPEATED",
    description="Some: things.",
    fields=(Column("no", "STRING"), Column("in", "RECORD", fields=(NEW,))),
    since=DAY,
)


def text_of(dataset):
    return (FOLDER / f"{dataset.name}.yaml").read_text()


def added_lines(before, after):
    changes = difflib.ndiff(before.splitlines(), after.splitlines())
    changes = [line for line in changes if not line.startswith(("  ", "? "))]
    assert all(line.startswith("+ ") for line in changes)
    return [line[2:] for line in changes]


@pytest.mark.parametrize("column", [NEW, NESTED], ids=["plain", "record"])
@pytest.mark.parametrize("dataset", DATASETS, ids=lambda d: d.name)
def test_a_column_is_added_and_nothing_else_changes(dataset, column):
    before = text_of(dataset)
    after = with_column(f"{dataset.name}.yaml", before, (), column)
    assert parse_dataset(f"{dataset.name}.yaml", after) == dataclasses.replace(
        dataset, columns=(*dataset.columns, column)
    )
    assert "\n".join(added_lines(before, after)) + "\n" == column_text(column)


@pytest.mark.parametrize(("dataset", "record"), RECORDS, ids=lambda value: value.name)
def test_a_field_is_added_to_a_record_and_nothing_else_changes(dataset, record):
    before = text_of(dataset)
    after = with_column(f"{dataset.name}.yaml", before, [record.name], NEW)
    extended = parse_dataset(f"{dataset.name}.yaml", after).column(record.name)
    assert extended == dataclasses.replace(record, fields=(*record.fields, NEW))
    (line,) = added_lines(before, after)
    assert line.startswith("      - {name: newField, type: FLOAT64")


def test_the_line_of_a_column_reads_like_its_neighbours():
    column = Column("newField", "INT64", description="A new one.", since=DAY)
    assert column_text(column) == (
        "  - {name: newField, type: INT64, since: 2026-05-08, "
        "description: A new one.}\n"
    )


COMMENTED = """# A comment at the top.
dataset: X   # the subject
title: A dataset
group: g
event_time: publishTime
natural_key: [publishTime]
latest_key: [publishTime]
columns:
  # Why this one is here.
  - {name: publishTime, type: TIMESTAMP}   # when
  - name: steps
    type: RECORD
    fields:
      - name: mw
        type: FLOAT64
        description: >
          Folded
          text.

  # More to come.
notes: []
# The end."""


@pytest.mark.parametrize("parents", [(), ("steps",)])
def test_comments_stay(parents):
    after = with_column("X.yaml", COMMENTED, parents, NEW)
    assert len(added_lines(COMMENTED, after)) == 1


@pytest.mark.parametrize("newline", ["\n", "\r\n", ""])
def test_columns_at_the_end_of_a_file_can_be_added_to(newline):
    text = COMMENTED.partition("  - name: steps")[0].rstrip() + newline
    assert len(added_lines(text, with_column("X.yaml", text, (), NEW))) == 1


@pytest.mark.parametrize(
    "columns",
    [
        "columns: [{name: publishTime, type: TIMESTAMP}]\n",
        "columns: [\n  {name: publishTime, type: TIMESTAMP},\n]\n",
    ],
)
def test_an_unusual_layout_is_left_to_a_person(columns):
    text = COMMENTED.partition("columns:")[0] + columns
    with pytest.raises(RegistryError, match="add newField by hand"):
        with_column("X.yaml", text, (), NEW)


def test_a_column_that_is_there_already_is_refused():
    with pytest.raises(RegistryError):
        with_column("X.yaml", COMMENTED, (), Column("PublishTime", "DATE"))


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda d: d.name)
def test_a_whole_file_says_the_same_again(dataset):
    # What nobody can infer from messages, it does not write.
    omitted = {"cadence_seconds": None, "aliases": (), "historic": ()}
    omitted |= {"published": Publication(), "own_series": None, "api_absent": ()}
    omitted |= {"day_of": None, "latest_set": None, "horizon": (), "bid_offer": None}
    omitted |= {"period_times": {}, "completeness": None, "stages": {}}
    omitted |= {"also_named": ()}
    dataset = dataclasses.replace(dataset, **omitted)
    assert parse_dataset(f"{dataset.name}.yaml", dataset_text(dataset)) == dataset


def test_replacing_keeps_the_mode_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "X.yaml"
    path.write_text("old")
    path.chmod(0o664)
    replace_file(path, "new\r\n")
    assert path.read_bytes() == b"new\r\n"
    assert path.stat().st_mode & 0o777 == 0o664
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "X.yaml"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(path, "new")
    assert list(tmp_path.iterdir()) == [path]
