"""Tables for people."""

import pytest
from google.cloud.bigquery import SchemaField

from sql.query.text_table import MEASURED_ROWS, columns_of, cut, table_lines

NAME, NUMBER = SchemaField("name", "STRING"), SchemaField("mw", "INTEGER")
TIME = SchemaField("at", "TIMESTAMP")


def lines(schema, rows, width=None):
    return list(table_lines(schema, rows, width))


def test_numbers_are_right_and_texts_are_left():
    assert lines([NAME, NUMBER], [("CCGT", 7515), ("PS", -20)]) == [
        "name    mw",
        "----  ----",
        "CCGT  7515",
        "PS     -20",
    ]


def test_null_is_shown():
    assert lines([NAME, NUMBER], [(None, None)])[-1] == "NULL  NULL"


def test_a_wide_cell_is_cut_with_a_mark():
    line = lines([NAME], [("x" * 100,)])[-1]
    assert line == "x" * 59 + "…"


def test_wide_characters_take_two_columns():
    assert lines([NAME, NUMBER], [("電力", 1), ("ab", 2)])[2:] == [
        "電力   1",
        "ab     2",
    ]


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31mred", "\u202eback"])
def test_control_characters_are_escaped(value):
    line = lines([NAME], [(value,)])[-1]
    assert line.isprintable()


def test_texts_shrink_to_the_terminal_but_numbers_do_not():
    rows = [("n" * 50, 123_456_789_012)]
    shown = lines([NAME, NUMBER], rows, width=40)
    assert max(map(len, shown)) == 40
    assert shown[-1].endswith("…  123456789012")


def test_what_does_not_fit_has_a_line_for_each_column():
    schema = [NAME, TIME, TIME]
    at = "2026-05-06T02:31:00Z"
    shown = lines(schema, [("a", at, at), ("b", at, None)], width=40)
    assert shown == [
        "name  a",
        f"at    {at}",
        f"at    {at}",
        "",
        "name  b",
        f"at    {at}",
        "at    NULL",
    ]


def test_rows_after_the_measured_ones_are_cut_to_the_same_widths():
    rows = [("ab",)] * MEASURED_ROWS + [("abcdefgh",)]
    assert lines([NAME], rows)[-1] == "abc…"


def test_rows_are_taken_as_they_are_needed():
    def endless():
        while True:
            yield ("a",)

    shown = table_lines([NAME], endless())
    assert [next(shown) for _ in range(5_000)][-1] == "a"


@pytest.mark.parametrize("width", [2, 3, 7])
@pytest.mark.parametrize("text", ["abcdefgh", "電力電力電", "e\u0301a\u0301bcdefgh"])
def test_a_cut_text_is_never_wider(text, width):
    assert columns_of(cut(text, width)) <= width
