"""The page Now, in a real browser, on the demo's morning of 6 May."""

import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from command.tables_path import DATASET
from dashboard.pages import NOW
from pipeline.command import main
from tests.browser.dashboard_fixture import PATIENCE_MILLISECONDS, Viewer, queries

pytestmark = pytest.mark.integration

NOON = "/now?at=2026-05-06T11:00Z"
TILES = [tile.name for tile in NOW.tiles]


@pytest.fixture(scope="module", autouse=True)
def _patience():
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="module")
def noon(browser, address):
    """The page, opened once for the tests that only look."""
    seen = Viewer(browser, address).open(NOON)
    seen.picture("dashboard")
    yield seen
    seen.close()


def one(client, sql):
    [row] = client.query_and_wait(sql.replace("FROM ", f"FROM {DATASET}."))
    return row[0]


def test_the_page_loads_without_a_complaint_of_the_browser(noon):
    assert noon.errors == []


def test_no_request_leaves_the_machine(noon):
    assert noon.hosts == {noon.address.removeprefix("http://")}


@pytest.mark.parametrize("name", TILES)
def test_every_tile_shows_the_demo(name, noon):
    expect(noon.tile(name).locator("svg, td").first).to_be_visible()
    expect(noon.tile(name).locator(".trouble")).to_be_hidden()


def test_a_number_of_the_headline_is_what_a_query_answers(noon, tables):
    total = one(
        tables,
        "SELECT SUM(GREATEST(generation, 0)) FROM bmrs_fuelinst_latest "
        "WHERE startTime = '2026-05-06T10:55:00Z' AND NOT STARTS_WITH(fuelType, 'INT')",
    )
    expect(noon.figure("generation", "All fuels")).to_have_text(f"{total:,}MW")


def test_the_numbers_under_a_chart_are_those_of_the_tables(noon, tables):
    price = one(
        tables,
        "SELECT systemBuyPrice FROM bmrs_disebsp_latest "
        "ORDER BY startTime DESC LIMIT 1",
    )
    tile = noon.tile("system-price")
    tile.get_by_text("Numbers").click()
    expect(tile.locator("tbody tr").first.locator("td").nth(2)).to_have_text(
        f"{price:,.2f}"
    )


def test_times_are_those_of_london_wherever_the_viewer_is(noon):
    tile = noon.tile("frequency")
    tile.get_by_text("Numbers").click()
    newest = tile.locator("tbody tr").first.locator("td").first
    expect(newest).to_have_text(re.compile(r"6 May, 11:59:\d\d BST"))


@pytest.mark.parametrize("name", ["generation", "frequency", "demand"])
def test_pointing_at_a_chart_shows_the_values_of_that_time(name, noon):
    chart = noon.tile(name).locator("svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    noon.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown = noon.page.locator("#vg-tooltip-element")
    expect(shown).to_contain_text(re.compile(r"(Tue 5|Wed 6) May \d\d:\d\d BST"))
    assert re.search(r"[\d,.]{4,}", shown.text_content())
    assert "NaN" not in shown.text_content()


def test_twenty_viewers_ask_no_more_than_one(address):
    def look(name):
        query = "at=2026-05-06T10:30Z"
        with urllib.request.urlopen(f"{address}/tiles/{name}?{query}") as answer:
            return answer.read()

    before = queries(address)
    with ThreadPoolExecutor(20) as viewers:
        bodies = set(viewers.map(look, ["frequency"] * 20))
    assert len(bodies) == 1
    assert queries(address) - before == 1


def test_a_page_of_the_width_of_a_phone_does_not_scroll_sideways(address, viewer):
    phone = viewer(address, viewport={"width": 390, "height": 844}).open(NOON)
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_dark_system_gets_a_dark_page(address, viewer):
    seen = viewer(address, color_scheme="dark").open(NOON)
    colour = seen.page.locator("body").evaluate(
        "body => getComputedStyle(body).backgroundColor"
    )
    assert colour == "rgb(17, 21, 27)"


def test_every_chart_has_a_name_for_screen_readers(noon):
    charts = noon.page.get_by_role("img", name=re.compile(r"MW|Hz|GBP|MWh"))
    assert charts.count() == noon.page.locator(".chart").count() > 0


def test_the_keyboard_reaches_the_numbers(noon):
    noon.tile("generation").locator(".numbers summary").focus()
    noon.page.keyboard.press("Enter")
    expect(noon.tile("generation").locator("table")).to_be_visible()


def test_a_selection_is_in_the_address(address, viewer):
    seen = viewer(address).open("/now")
    field = seen.page.get_by_label("As of")
    field.fill("2026-05-06T11:00Z")
    field.press("Enter")
    seen.page.wait_for_url(re.compile(r"\?at=2026-05-06T11"))
    expect(seen.figure("frequency", "Latest")).to_be_visible()


def test_a_dataset_without_rows_explains_itself(bare_address, viewer):
    seen = viewer(bare_address).open(NOON)
    expect(seen.tile("generation").locator(".message")).to_contain_text(
        "FUELINST has no rows"
    )


def test_a_late_dataset_turns_its_tiles_amber_and_they_say_why(
    bare_address, viewer, tables
):
    tables.query_and_wait(
        "INSERT INTO bare.iris_ledger (minute_utc, dataset, messages, "
        "newest_enqueued_utc) SELECT came, dataset, 1, came FROM (SELECT 'FUELINST' AS "
        "dataset, TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 25 MINUTE) AS came "
        "UNION ALL SELECT 'MID', CURRENT_TIMESTAMP())"
    )
    seen = viewer(bare_address).open("/now")
    late = seen.tile("generation")
    expect(late).to_have_class(re.compile(r"\blate\b"))
    expect(late.locator(".lateness")).to_contain_text("FUELINST is late")
    expect(late.locator(".age")).to_have_text(re.compile("updated 2[56] min ago"))
    expect(seen.tile("market-index")).not_to_have_class(re.compile(r"\blate\b"))


def test_a_tile_that_fails_says_why_and_the_others_stand(bare_address, viewer):
    seen = viewer(bare_address).open(NOON)
    expect(seen.tile("frequency").locator(".trouble")).to_contain_text(
        "bmrs_freq_latest"
    )
    expect(seen.tile("generation").locator(".trouble")).to_be_hidden()


def test_a_new_message_shows_and_what_was_opened_stays_open(
    address, viewer, tables, tmp_path
):
    seen = viewer(address).open(NOON)
    tile = seen.tile("frequency")
    tile.get_by_text("Numbers").click()
    message = tmp_path / "FREQ" / "new.json"
    message.parent.mkdir()
    message.write_text(
        '[{"dataset": "FREQ", "measurementTime": "2026-05-06T10:59:58Z", '
        '"frequency": 49.713}]'
    )
    options = ["--project", tables.project, "--dataset", DATASET]
    assert main(["--files", str(tmp_path), *options]) == 0
    expect(seen.figure("frequency", "Latest")).to_have_text("49.713Hz")
    expect(tile.locator("tbody tr").first.locator("td").last).to_have_text("49.713")


def test_while_bigquery_is_away_the_page_keeps_its_picture_and_says_so(
    address, viewer, server
):
    seen = viewer(address).open(NOON)
    latest = seen.figure("generation", "All fuels")
    before = latest.text_content()
    server.stop()
    try:
        expect(seen.page.get_by_role("status").first).to_contain_text("does not answer")
        expect(latest).to_have_text(before)
        expect(seen.tile("generation").locator("svg")).to_be_visible()
    finally:
        server.start()
    expect(seen.page.locator("#banner")).to_be_hidden()
