"""The question of a command line, before anything is asked."""

import argparse

import pytest

from command.usage import UsageError
from sql.query.question import add_options, format_of, question_of, size_bytes


def question(*arguments: str):
    parser = argparse.ArgumentParser()
    add_options(parser)
    return question_of(parser.parse_args(arguments))


@pytest.fixture(autouse=True)
def _no_sql(monkeypatch):
    monkeypatch.delenv("SQL", raising=False)


def test_a_statement_comes_from_a_file_without_its_mark(tmp_path):
    file = tmp_path / "a.sql"
    file.write_bytes(b"\xef\xbb\xbfSELECT '\xc2\xa3'")
    assert question("--file", str(file)).sql == "SELECT '£'"


def test_a_statement_of_the_environment_is_taken_as_it_is(monkeypatch):
    monkeypatch.setenv("SQL", "SELECT '$HOME'")
    assert question().sql == "SELECT '$HOME'"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot read"), (b"\xff", "is not UTF-8 text")]
)
def test_a_file_that_has_no_text_is_a_mistake(tmp_path, content, said):
    file = tmp_path / "a.sql"
    if content:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        question("--file", str(file))


def test_two_statements_are_a_mistake(tmp_path):
    with pytest.raises(UsageError, match="name SQL or SQL_FILE, not both"):
        question("SELECT 1", "--file", str(tmp_path / "a.sql"))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("rows.csv", "csv"),
        ("rows.JSONL", "json"),
        ("rows.parquet", "parquet"),
        ("rows.txt", "table"),
    ],
)
def test_the_ending_of_a_file_names_the_format(tmp_path, name, form):
    assert question("SELECT 1", "--out", str(tmp_path / name)).format == form


def test_a_format_that_is_named_counts_more_than_the_ending(tmp_path):
    out = str(tmp_path / "rows.csv")
    assert question("SELECT 1", "--out", out, "--format", "json").format == "json"


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("rows.dat", "its ending names no format"),
        ("none/rows.csv", "there is no folder"),
        (".", "is a folder"),
    ],
)
def test_a_place_that_cannot_hold_rows_is_a_mistake(tmp_path, out, said):
    with pytest.raises(UsageError, match=said):
        question("SELECT 1", "--out", str(tmp_path / out))


def test_a_pipe_gets_json_lines():
    assert format_of(None) == "json"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", 1000),
        ("500MB", 500_000_000),
        ("2 gb", 2 * 10**9),
        ("1.5T", 15 * 10**11),
    ],
)
def test_a_size_is_read_as_a_person_writes_it(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "1 XB", "many", "0.0001"])
def test_other_texts_are_not_sizes(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size"):
        size_bytes(text)
