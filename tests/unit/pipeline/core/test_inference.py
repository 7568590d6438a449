"""Which column a list of samples gives."""

import pytest

from pipeline.core import inference
from pipeline.core.inference import MAX_LEVELS, Samples


def inferred(*values):
    samples = Samples()
    for value in values:
        samples.add(value)
    return samples.problem or samples.column("x").kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, -(2**63), 2**63 - 1], "INT64"),
        ([1, 2.5], "FLOAT64"),
        ([350.0], "FLOAT64"),
        ([2**53, 0.5], "FLOAT64"),
        ([2**53 + 2, 0.5], "STRING"),
        ([2**63], "STRING"),
        ([2**63, 1, 0.5], "STRING"),
        ([True, False], "BOOL"),
        (["2026-05-06", "2026-05-07"], "DATE"),
        (["2026-05-06", "2026-05-06T00:00:00Z"], "TIMESTAMP"),
        (["2026-05-06T00:00:00Z"], "TIMESTAMP"),
        (["2022-07-01T01:34:00.0000000+00:00", "2022-07-01 01:34:00"], "TIMESTAMP"),
        # The pipeline reads it, and BigQuery does not.
        (["2022-07-01 01:34"], "STRING"),
        (["2022-07-01T01:34:00.0000001Z"], "STRING"),
        (["2026-02-30"], "STRING"),
        (["2026-05-06", "soon"], "STRING"),
        (["12", "13"], "STRING"),
        (["12", 13], "STRING"),
        ([""], "STRING"),
        ([[1, 2], [], [3]], "REPEATED INT64"),
        ([["a"], [1]], "REPEATED STRING"),
        ([[{"a": 1}], [{"b": 2}, {}]], "REPEATED RECORD"),
        ([{"a": None, "b": 1}], "RECORD"),
    ],
)
def test_the_type_holds_all_samples_and_no_more_than_needed(values, kind):
    assert inferred(*values) == kind
    assert inferred(*reversed(values)) == kind


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, [1]], "array and scalar"),
        ([{"a": 1}, "a"], "object and scalar"),
        ([True, 1], "no type"),
        ([True, "true"], "no type"),
        (["\ud800"], "no type"),
        ([float("nan")], "no type"),
        ([[]], "only empty arrays"),
        ([[1, None]], "arrays of arrays or nulls"),
        ([[None]], "arrays of arrays or nulls"),
        ([[[1]]], "arrays of arrays or nulls"),
        ([[{"a": 1}, 1]], "object and scalar"),
        ([{}], "hold nothing"),
        ([{"a-b": 1}], "hold nothing"),
        ([{"a": {"b": [True, 1]}}], "hold nothing"),
        ([], "no value"),
    ],
)
def test_what_no_column_holds_is_a_problem(values, said):
    assert said in inferred(*values)


def test_objects_become_records_of_what_fits_and_the_rest_stays_in_extra():
    samples = Samples()
    samples.add({"at": "2026-05-06T00:00:00Z", "steps": [{"mw": 1}], "odd name": 1})
    samples.add({"steps": [{"mw": 2.5, "MW": 3}], "mixed": 1})
    samples.add({"mixed": [1]})
    column = samples.column("profile")
    assert [(field.name, field.kind) for field in column.fields] == [
        ("at", "TIMESTAMP"),
        ("steps", "REPEATED RECORD"),
    ]
    (mw,) = column.fields[1].fields
    assert (mw.name, mw.kind) == ("mw", "FLOAT64")
    assert mw.description == inference.DESCRIPTION


def test_names_beyond_the_bound_are_left_alone(monkeypatch):
    monkeypatch.setattr(inference, "MAX_NAMES", 3)
    samples = Samples()
    for number in range(100):
        samples.add({f"n{number}": number})
    assert samples.names == ("n0", "n1", "n2")
    assert len(samples.column("x").fields) == 3


def test_nesting_beyond_the_bound_is_left_alone():
    value = 1
    for _ in range(500):
        value = {"a": value, "b": 1}
    samples = Samples()
    samples.add(value)
    column, levels = samples.column("x"), 0
    while column.fields:
        column, levels = column.fields[0], levels + 1
    assert levels == MAX_LEVELS


@pytest.mark.parametrize("name", ["_TABLE_x", "_partitionTime", "9a", "a b", "", "ä"])
def test_a_name_that_bigquery_refuses_is_no_column(name):
    assert inferred({name: 1, "a": 1}) == "RECORD"
    assert "hold nothing" in inferred({name: 1})
