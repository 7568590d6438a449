"""The pages Balancing and Compare, in a real browser, on 5 and 6 May of the demo."""

import re

import pytest
from playwright.sync_api import expect

from command.tables_path import DATASET
from local.simulator.market.units import BATTERY, UNITS
from tests.browser.dashboard_fixture import PATIENCE_MILLISECONDS, Viewer

pytestmark = pytest.mark.integration

DAY = "2026-05-05"
BOUNDS = "TIMESTAMP '2026-05-04 23:00:00+00', TIMESTAMP '2026-05-05 23:00:00+00'"
VOLUMES = f"{DATASET}.gb_acceptance_volumes_between({BOUNDS})"
BATTERIES = {unit.name for unit in UNITS if unit.fuel == BATTERY}


@pytest.fixture(scope="module", autouse=True)
def _patience():
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="module")
def day(browser, address):
    """The page Balancing of a day, for the tests that only look."""
    seen = Viewer(browser, address).open(f"/balancing?day={DAY}")
    yield seen
    seen.close()


@pytest.fixture(scope="module")
def two(browser, address):
    """The page Compare of two days, for the tests that only look."""
    seen = Viewer(browser, address).open("/compare?first=2026-05-05&second=2026-05-06")
    yield seen
    seen.close()


@pytest.fixture(scope="module")
def largest(tables):
    """The unit with the largest cashflow of the day."""
    [row] = tables.query_and_wait(
        "SELECT nationalGridBmUnit AS unit, SUM(cashflow) AS cashflow, "
        f"COUNT(DISTINCT acceptanceNumber) AS acceptances FROM {VOLUMES} "
        "GROUP BY unit ORDER BY ABS(SUM(cashflow)) DESC LIMIT 1"
    )
    return row


def first_row(seen, tile):
    return seen.tile(tile).locator("tbody tr").first.locator("td")


def test_the_pages_load_without_a_complaint_of_the_browser(day, two):
    assert day.errors == two.errors == []


def test_a_row_of_the_units_is_what_a_query_answers(day, largest):
    cells = first_row(day, "balancing-units")
    expect(cells.first).to_have_text(largest["unit"])
    expect(cells.nth(1)).to_have_text(str(largest["acceptances"]))
    expect(cells.last).to_have_text(f"{largest['cashflow']:,.0f}")


def test_the_cashflow_of_the_day_is_that_of_all_acceptances(day, tables):
    [[cashflow]] = tables.query_and_wait(f"SELECT SUM(cashflow) FROM {VOLUMES}")
    expect(day.figure("balancing-units", "Cashflow")).to_have_text(
        f"{cashflow:,.0f}GBP"
    )
    expect(day.figure("balancing-published", "Computed")).to_have_text(
        f"{cashflow:,.0f}GBP"
    )


def test_without_a_unit_the_position_says_what_to_do(day):
    expect(day.tile("position").locator(".message")).to_contain_text("Select a unit")


def test_the_name_of_a_unit_selects_it_and_the_address_says_so(
    address, viewer, largest
):
    seen = viewer(address).open(f"/balancing?day={DAY}")
    units = seen.tile("balancing-units")
    units.get_by_role("link", name=largest["unit"], exact=True).click()
    seen.page.wait_for_url(re.compile(f"unit={largest['unit']}"))
    expect(seen.figure("position", "Unit")).to_have_text(largest["unit"])
    expect(seen.tile("position").locator("svg")).to_be_visible()
    seen.page.go_back()
    expect(seen.tile("position").locator(".message")).to_be_visible()


def test_batteries_only_leaves_the_batteries(address, viewer):
    seen = viewer(address).open(f"/balancing?day={DAY}")
    seen.page.get_by_label("Batteries only").check()
    units = seen.figure("balancing-units", "Units")
    expect(units).to_have_text(re.compile(r"^\d$"))
    names = seen.tile("balancing-units").locator("tbody a").all_text_contents()
    assert set(names) <= BATTERIES
    assert len(names) == int(units.text_content())


def test_a_figure_of_two_days_stands_side_by_side(two, tables):
    means = [
        row["mean"]
        for row in tables.query_and_wait(
            f"SELECT settlementDate, AVG(generation) AS mean "
            f"FROM {DATASET}.bmrs_fuelinst_latest WHERE fuelType = 'WIND' AND "
            "settlementDate IN ('2026-05-05', '2026-05-06') GROUP BY 1 ORDER BY 1"
        )
    ]
    row = two.tile("compare").locator("tr").filter(has_text="generation WIND")
    cells = row.locator("td").all_text_contents()
    difference = f"{means[1] - means[0]:+,.0f}"
    assert cells[2:] == [f"{means[0]:,.0f}", f"{means[1]:,.0f}", difference]


def test_half_hours_are_compared_too(address, viewer):
    query = "first=2026-05-05&first_period=20&second=2026-05-05&second_period=40"
    seen = viewer(address).open(f"/compare?{query}")
    expect(seen.tile("compare").locator("thead")).to_contain_text("5 May, period 20")


def test_a_half_hour_that_a_day_does_not_have_is_a_mistake_in_a_line(address, viewer):
    seen = viewer(address).open("/compare?first=2026-03-29&first_period=48")
    expect(seen.tile("compare").locator(".trouble")).to_have_text(
        "2026-03-29 has 46 half-hours, and none with number 48"
    )
