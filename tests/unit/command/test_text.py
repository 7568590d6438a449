"""Texts for a terminal: one line, nothing that moves a cursor, sizes in their unit."""

import pytest
from google.api_core.exceptions import NotFound

from command.text import first_line, listed, one_line, printable, size_text, table


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1200, "1.2 kB"),
        (1500, "1.5 kB"),
        (3e6, "3.0 MB"),
        (2.5e9, "2.5 GB"),
        (3.21e12, "3.2 TB"),
        (5e12, "5.0 TB"),
        (4e15, "4,000.0 TB"),
    ],
)
def test_sizes_read_well(size_bytes, text):
    assert size_text(size_bytes) == text


def test_what_moves_a_cursor_is_made_visible():
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"


def test_an_error_is_one_line_with_its_type_and_cut_to_its_length():
    assert one_line(ValueError("a\n  b")) == "ValueError: a b"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(ValueError("x" * 500), 20) == "ValueError: xxxxxxxx"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotFound("gone\nsee below"), "gone"),  # without the 404 before it
        (ValueError("one\ntwo"), "one"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_first_line_of_an_error_is_what_it_says(error, text):
    assert first_line(error) == text


def test_a_table_has_texts_on_the_left_and_numbers_on_the_right():
    rows = [["dataset", "why", "rows"], ["FREQ", "late", "1"], ["B", "", "1,234"]]
    assert list(table(rows, left=2)) == [
        "dataset  why    rows",
        "FREQ     late      1",
        "B              1,234",
    ]


def test_a_long_list_is_cut_and_says_how_many_more_there_are():
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(name for name in "abcdefg") == "a, b, c and 4 more"
    assert listed("abc", limit=1) == "a and 2 more"
