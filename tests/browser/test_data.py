"""The page Data, in a real browser, on the demo's morning of 6 May."""

import csv
import io
import urllib.error
import urllib.parse
import urllib.request

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from command.tables_path import DATASET
from tests.browser.dashboard_fixture import PATIENCE_MILLISECONDS, Viewer

pytestmark = pytest.mark.integration

DAY = "dataset=FUELINST&day=2026-05-06"


@pytest.fixture(scope="module", autouse=True)
def _patience():
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="module")
def seen(browser, address):
    viewer = Viewer(browser, address).open(f"/data?{DAY}")
    yield viewer
    viewer.close()


def counted(client, where):
    sql = f"SELECT COUNT(*) AS n FROM {DATASET}.bmrs_fuelinst_latest WHERE {where}"
    [row] = client.query_and_wait(sql)
    return row["n"]


def cells(viewer, line):
    row = viewer.tile("rows").locator("tbody tr").nth(line)
    return row.locator("td").all_text_contents()


def get(address, path):
    try:
        with urllib.request.urlopen(f"{address}{path}") as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_the_page_loads_without_a_complaint_of_the_browser(seen):
    expect(seen.tile("rows").locator("tbody tr").first).to_be_visible()
    assert seen.errors == []


def test_columns_come_with_their_units_and_meaning(seen):
    row = seen.tile("columns").locator("tbody tr", has_text="generation")
    expect(row.locator("td").nth(2)).to_have_text("MW")


def test_the_newest_row_of_the_day_is_first(seen, tables):
    [newest] = tables.query_and_wait(
        f"SELECT fuelType, generation FROM {DATASET}.bmrs_fuelinst_latest "
        "WHERE settlementDate = '2026-05-06' ORDER BY startTime DESC, fuelType LIMIT 1"
    )
    expect(seen.tile("rows").locator("tbody tr").first).to_contain_text(
        f"{newest['generation']:,}"
    )
    assert newest["fuelType"] in cells(seen, 0)


def test_the_sql_behind_returns_the_rows_that_are_shown(seen, tables):
    tile = seen.tile("rows")
    tile.get_by_text("The SQL behind").click()
    found = list(tables.query_and_wait(tile.locator("pre").text_content()))
    assert len(found) == tile.locator("tbody tr").count()
    assert f"{found[-1]['generation']:,}" in cells(seen, len(found) - 1)


def test_a_csv_has_every_row_of_the_day(address, tables):
    status, headers, body = get(address, f"/rows.csv?{DAY}")
    assert status == 200
    assert "FUELINST-2026-05-06.csv" in headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert len(rows) == counted(tables, "settlementDate = '2026-05-06'")
    assert {row["settlementDate"] for row in rows} == {"2026-05-06"}


def test_a_parquet_file_has_the_types_of_the_columns(address, tables):
    status, _, body = get(address, f"/rows.parquet?{DAY}")
    assert status == 200
    found = pq.read_table(io.BytesIO(body))
    assert found.num_rows == counted(tables, "settlementDate = '2026-05-06'")
    assert str(found.schema.field("generation").type) == "int64"
    assert str(found.schema.field("startTime").type) == "timestamp[us, tz=UTC]"


def test_a_click_downloads_the_file(seen):
    with seen.page.expect_download() as download:
        seen.tile("rows").get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "FUELINST-2026-05-06.csv"


def test_a_unit_is_found_by_either_name(address, viewer, tables):
    [row] = tables.query_and_wait(
        f"SELECT nationalGridBmUnit, bmUnit FROM {DATASET}.bmrs_boalf_latest "
        "WHERE settlementDate = '2026-05-06' AND bmUnit IS NOT NULL LIMIT 1"
    )
    counts = set()
    for name in row.values():
        unit = urllib.parse.quote(name)
        path = f"/rows.csv?dataset=BOALF&day=2026-05-06&unit={unit}"
        counts.add(len(get(address, path)[2].splitlines()))
    assert len(counts) == 1
    assert counts.pop() > 1


def test_a_unit_of_a_dataset_without_units_is_reported_in_the_tile(address, viewer):
    page = viewer(address).open("/data?dataset=FREQ&unit=T_DEMO-1")
    expect(page.tile("rows").locator(".trouble")).to_have_text(
        "FREQ has no column with a unit: leave the unit out"
    )
    expect(page.tile("columns").locator("tbody tr").first).to_be_visible()


def test_a_day_without_rows_explains_itself(address, viewer):
    page = viewer(address).open("/data?dataset=FUELINST&day=2020-01-01")
    expect(page.tile("rows").locator(".message")).to_contain_text("choose another day")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/rows.csv?dataset=NOTHING", 400),
        ("/rows.csv?day=tomorrow", 400),
        ("/rows.csv?dataset=FREQ&unit=T_DEMO-1", 400),
        ("/rows.csv?dataset=FUELINST&day=2020-01-01", 404),
        ("/rows.exe?dataset=FREQ", 404),
    ],
)
def test_a_download_that_makes_no_sense_is_refused_in_one_line(address, path, status):
    code, _, body = get(address, path)
    assert code == status
    assert len(body.decode().splitlines()) == 1


def test_text_of_the_address_never_becomes_sql(address):
    unit = urllib.parse.quote("x' OR '1'='1")
    assert get(address, f"/rows.csv?dataset=BOALF&unit={unit}")[0] == 400
