"""The fold of `extra` into unknown fields."""

import datetime as dt
import json
import logging

import pytest

from command.tables_path import TablesPath
from pipeline.registry import Registry, parse_dataset
from sql.drift import unknown_fields
from sql.drift.report import as_json, as_table
from sql.drift.unknown_fields import FieldsSeen, shown_json

X = parse_dataset(
    "X.yaml",
    """
dataset: X
title: A dataset
group: g
event_time: publishTime
natural_key: [publishTime]
latest_key: [publishTime]
columns:
  - {name: publishTime, type: TIMESTAMP}
  - name: profile
    type: RECORD
    mode: REPEATED
    fields:
      - {name: mw, type: INT64}
""",
)
REGISTRY = Registry([X])
PATH = TablesPath("p", "d")
START = dt.datetime(2026, 5, 6, tzinfo=dt.UTC)


def fields(*extras):
    seen = FieldsSeen(REGISTRY)
    for hours, extra in enumerate(extras):
        seen.add("X", START + dt.timedelta(hours=hours), json.dumps(extra))
    return {field.field: field for field in seen.fields()}


def test_a_field_has_its_rows_times_sample_and_column():
    found = fields({"new": 1}, {"other": "x"}, {"new": 2.5})
    assert list(found) == ["new", "other"]
    field = found["new"]
    assert (field.dataset, field.rows, field.sample) == ("X", 2, "1")
    assert (field.first_seen, field.last_seen) == (
        START,
        START + dt.timedelta(hours=2),
    )
    assert (field.column.name, field.column.kind) == ("new", "FLOAT64")
    assert field.column.since == dt.datetime.now(dt.UTC).date()
    assert field.problem == ""


def test_the_order_of_rows_does_not_matter():
    seen = FieldsSeen(REGISTRY)
    seen.add("X", START + dt.timedelta(hours=1), '{"new": 2}')
    seen.add("X", START, '{"new": 1}')
    (field,) = seen.fields()
    assert (field.sample, field.first_seen) == ("1", START)
    assert field.last_seen == START + dt.timedelta(hours=1)


def test_all_places_of_an_array_are_one_field_and_its_row_counts_once():
    found = fields({"profile[0].note": "a", "profile[1].note": "b"})
    assert list(found) == ["profile[].note"]
    assert found["profile[].note"].rows == 1
    assert found["profile[].note"].names == ("profile", "note")


def test_what_is_known_by_now_is_left_out():
    assert fields({"profile[0].mw": 1, "publishTime": "2026-05-06"}) == {}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("PublishTime", "differs only in case from publishTime"),
        ("Extra", "differs only in case from extra"),
        ("source", "the pipeline's own"),
        ("profile[0].MW", "differs only in case from mw"),
        ('["a.b"]', "does not allow such a name"),
        ("a b", "does not allow such a name"),
        ("_PARTITIONTIME", "does not allow such a name"),
        ("gone.note", "gone is not a RECORD"),
        ("publishTime.zone", "publishTime is not a RECORD"),
    ],
)
def test_a_name_that_cannot_be_a_column_is_a_problem(path, said):
    (field,) = fields({path: 1}).values()
    assert said in field.problem


def test_the_pipelines_own_names_are_free_inside_a_record():
    (field,) = fields({"profile[0].source": "x"}).values()
    assert field.problem == ""


def test_of_two_names_that_differ_only_in_case_the_frequent_one_is_the_column():
    found = fields({"NEW": 1, "new": 1}, {"new": 2})
    assert found["new"].problem == ""
    assert found["NEW"].problem == "differs only in case from new"


def test_a_name_with_a_problem_takes_no_place_from_another():
    found = fields({"NEW": True, "new": 1}, {"NEW": 1})
    assert found["NEW"].problem
    assert found["new"].problem == ""


def test_names_beyond_the_bound_are_counted_and_not_kept(monkeypatch, caplog):
    monkeypatch.setattr(unknown_fields, "MAX_NAMES", 2)
    with caplog.at_level(logging.WARNING):
        found = fields(*({f"n{number}": 1} for number in range(10)), {"n0": 2})
    assert list(found) == ["n0", "n1"]
    assert found["n0"].rows == 2
    assert "8 values" in caplog.text


def test_text_that_is_no_json_object_is_counted(caplog):
    seen = FieldsSeen(REGISTRY)
    for text in ("{", "[1]", "[" * 100_000):
        seen.add("X", START, text)
    assert seen.fields() == []
    assert "3 rows" in caplog.text


def test_a_sample_is_one_short_line():
    assert shown_json("£1") == '"£1"'
    assert shown_json("a\u202eb\x1b") == '"a\\u202eb\\u001b"'
    assert len(shown_json("x" * 100)) < 50


def test_the_report_gives_the_line_and_the_statement():
    seen = FieldsSeen(REGISTRY)
    extra = {"new": [1], "profile[0].note": "x", "a\x1bb": 1}
    seen.add("X", START, json.dumps(extra))
    text = as_table(seen.fields(), [], PATH)
    assert text.isprintable() is False  # it has lines
    assert all(line.isprintable() for line in text.splitlines())
    today = dt.datetime.now(dt.UTC).date()
    assert (
        f"  - {{name: new, type: INT64, mode: REPEATED, since: {today}, description: "
        in text
    )
    assert (
        "ALTER TABLE `p.d.bmrs_x_iris`\nADD COLUMN IF NOT EXISTS `new` ARRAY<INT64>"
        in text
    )
    assert "      - {name: note, type: STRING" in text
    assert "python -m sql apply" in text
    assert 'X.["a\\u001bb"]: BigQuery does not allow such a name; it stays' in text


def test_the_same_as_json():
    seen = FieldsSeen(REGISTRY)
    seen.add("X", START, '{"new": 1, "source": 2}')
    found = json.loads(as_json(seen.fields(), [], PATH))
    assert found["datasets"] == []
    new, source = found["fields"]
    assert (new["dataset"], new["field"], new["type"]) == ("X", "new", "INT64")
    assert new["statement"].startswith("ALTER TABLE `p.d.bmrs_x_iris`")
    assert (source["registry"], source["statement"]) == ("", "")


def test_nothing_unknown_is_one_line():
    assert as_table([], [], PATH).count("\n") == 1
