"""The functions that are compiled for the forms of records."""

import textwrap

from pipeline.core import fast_paths
from pipeline.core.fast_paths import FastPaths, no_proof
from pipeline.registry import Column

COLUMNS = (
    Column("time", "TIMESTAMP"),
    Column("level", "FLOAT64"),
    Column("note", "STRING"),
    Column("pair", "RECORD", fields=(Column("to", "INT64"),)),
)
RECORD = {
    "time": "2026-05-06T02:31:00Z",
    "level": 49.97,
    "note": None,
    "pair": {"to": 1},
}


def form(record):
    return tuple(record), tuple(map(type, record.values()))


def test_the_module_shows_the_function_of_its_example():
    source = FastPaths(COLUMNS).source(*form(RECORD))
    shown = textwrap.indent(source, "    ")
    assert shown in fast_paths.__doc__
    example, _, _ = fast_paths.__doc__.partition("has this function:")
    assert f"\n    {RECORD}\n" in example.replace('"', "'")


def test_a_form_is_compiled_when_it_comes_again():
    paths = FastPaths(COLUMNS)
    assert paths.of(*form(RECORD)) is no_proof
    fast_path = paths.of(*form(RECORD))
    assert paths.of(*form(RECORD)) is fast_path is not no_proof
    assert fast_path(RECORD) is None  # the form of its pair has come only once
    row, canonical = fast_path(RECORD)
    assert row is canonical
    assert row == {name: value for name, value in RECORD.items() if value is not None}


def test_a_form_with_an_unknown_field_or_a_wrong_type_has_no_fast_path():
    paths = FastPaths(COLUMNS)
    for record in ({}, {**RECORD, "other": 1}, {**RECORD, "level": "49.97"}):
        assert paths.source(*form(record)) is None
        for _ in range(3):
            assert paths.of(*form(record)) is no_proof
