"""`python -m dashboard report`: the demo's 6 May on paper."""

import pytest

from command.tables_path import DATASET
from dashboard.__main__ import main
from dashboard.pages import REPORTED
from tests.browser.conftest import BARE
from tests.browser.dashboard_fixture import Viewer

pytestmark = pytest.mark.integration

DAY = ["--day", "2026-05-06"]


def report(*options, dataset=DATASET):
    return main(["report", *DAY, "--dataset", dataset, *map(str, options)])


@pytest.fixture
def chosen(server, tables, monkeypatch):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.host)


def test_a_report_has_every_tile_and_asks_for_nothing(
    chosen, browser, tmp_path, capsys
):
    out = tmp_path / "day.html"
    assert report("--out", out) == 0
    assert f"{len(REPORTED)} of {len(REPORTED)} tiles" in capsys.readouterr().out
    seen = Viewer(browser, out.as_uri())
    seen.page.goto(seen.address)
    for tile in REPORTED:
        assert seen.page.get_by_role("region", name=tile.title, exact=True).count() == 1
    assert seen.page.locator("svg").count() >= 4
    assert (seen.errors, seen.hosts) == ([], {""})
    seen.close()


def test_a_report_is_pdf_if_its_name_says_so(chosen, tmp_path):
    out = tmp_path / "day.pdf"
    assert report("--out", out, dataset=BARE) == 1
    assert out.read_bytes().startswith(b"%PDF-")


def test_a_tile_that_fails_is_named_and_the_others_are_there(chosen, tmp_path, capsys):
    out = tmp_path / "day.html"
    assert report("--out", out, dataset=BARE) == 1
    assert "Frequency: " in capsys.readouterr().err
    assert "FUELINST has no rows" in out.read_text()


def test_another_ending_is_a_mistake_in_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        report("--out", "day.docx")
    assert ended.value.code == 2
    assert "'day.docx' does not end with .html or .pdf" in capsys.readouterr().err


def test_a_day_to_come_is_a_mistake(chosen, capsys):
    assert main(["report", "--day", "2999-01-01", "--dataset", DATASET]) == 2
    assert "2999-01-01 has not begun" in capsys.readouterr().err
