"""The report: sheets as HTML and as PDF."""

import datetime as dt
import re
from dataclasses import replace

import pytest

from dashboard.paper import Sheet, cell, picture
from dashboard.print_out import html_page, pdf_page
from dashboard.tile import Column
from dashboard.tiles.frequency import FREQUENCY
from dashboard.tiles.outages import OUTAGES

AT = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)
SELECTION = {"at": AT}
SAMPLES = [
    {"measurementTime": AT - dt.timedelta(seconds=15 * n), "frequency": 50 + n / 1000}
    for n in range(1, 200)
]


@pytest.fixture(scope="module")
def sheets():
    drawn = FREQUENCY.draw(SAMPLES[::-1], SELECTION, AT)
    return [
        Sheet(FREQUENCY, drawn, ""),
        Sheet(replace(FREQUENCY, name="again"), drawn, ""),
        Sheet(OUTAGES, None, ""),
        Sheet(replace(OUTAGES, name="broken"), None, "no view <gb_outages_at>"),
    ]


@pytest.fixture(scope="module")
def html(sheets):
    return html_page("A day", "As of noon.", sheets)


def test_a_chart_shows_londons_clock(sheets):
    drawing = sheets[0].drawing
    svg = picture(drawing.charts[0], drawing.rows, 500, "c0").svg
    # 10:30 UTC in summer.
    assert ">11:30<" in svg


def test_a_chart_has_the_width_that_it_is_given(sheets):
    drawing = sheets[0].drawing
    assert picture(drawing.charts[0], drawing.rows, 500, "c0").width == pytest.approx(
        500, abs=20
    )


def test_no_two_parts_of_a_page_have_one_id(html):
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_a_page_loads_nothing(html):
    outside = re.findall(r'(?:src|href)="(?!#)([^"]+)"|url\((?!#)([^)]+)\)', html)
    assert outside == []
    assert "<script" not in html


def test_a_tile_without_rows_explains_itself(html):
    assert OUTAGES.empty in html


def test_an_error_is_text(html):
    assert "no view &lt;gb_outages_at&gt;" in html


def test_a_chart_has_a_name_for_screen_readers(html):
    assert 'role="img" aria-label="' in html


def test_a_pdf_has_one_page(sheets):
    found = pdf_page("A day & more", "As of noon.", sheets)
    assert found.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", found)) == 1


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (None, Column("a", "A"), "-"),
        (1234.5, Column("a", "A", "number", "MW", 1), "1,234.5"),
        (AT, Column("a", "A", "time"), "6 May 12:00 BST"),
    ],
)
def test_a_cell_is_what_the_page_shows(value, column, text):
    assert cell(value, column) == text
