"""The page Feed health, in a real browser, on tables with known gaps and faults."""

import asyncio
import datetime as dt
import threading

import pytest
from playwright.sync_api import expect

from bridge.health import Health, serve
from bridge.logs import Redactor
from dashboard.selection import HALF_HOUR, midnight
from pipeline.registry import load_registry
from sql.check.expectations import days_due
from sql.working_days import ONE_DAY
from tests.browser.dashboard_fixture import PATIENCE_MILLISECONDS, Viewer, dashboard
from tests.integration.bigquery_fixture import connected
from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, store

pytestmark = pytest.mark.integration

MADE = "health"
LOST_PERIODS = (10, 11)
SECRET_DAYS = 12


@pytest.fixture(scope="module", autouse=True)
def _patience():
    expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="module")
def now():
    """When these tests begin: a run of all tests may have begun a day before."""
    return dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def yesterday(now):
    """The last day whose values are due."""
    return days_due(load_registry()["FUELHH"], now, 7)[-1]


def generated(day, period):
    start = midnight(day) + (period - 1) * HALF_HOUR
    return {
        "publishTime": (start + HALF_HOUR).isoformat(),
        "settlementDate": str(day),
        "settlementPeriod": period,
        "startTime": start.isoformat(),
        "fuelType": "WIND",
        "generation": 9_000,
        "source": "IRIS",
        "message_id": f"wind {period}",
        "record_id": f"wind {period}",
        "ingested_utc": (start + HALF_HOUR).isoformat(),
        "enqueued_utc": (start + HALF_HOUR).isoformat(),
    }


def missing_of(day):
    half_hours = (midnight(day + ONE_DAY) - midnight(day)) // HALF_HOUR
    return half_hours - 46 + len(LOST_PERIODS)


def counted(now, dataset, minutes_ago, newest_minutes_ago, **counts):
    zero = dict.fromkeys(("duplicates", "dead_letters", "unmapped"), 0)
    minute = now.replace(second=0, microsecond=0) - dt.timedelta(minutes=minutes_ago)
    newest = now - dt.timedelta(minutes=newest_minutes_ago)
    return {
        "minute_utc": minute.isoformat(),
        "window_start": minute.isoformat(),
        "dataset": dataset,
        "newest_enqueued_utc": newest.isoformat(),
        "to_row_count": 1,
        "to_row_seconds_sum": 2.5,
        "to_row_seconds_max": 2.5,
        "entry_id": f"{dataset} {minutes_ago}",
        **zero,
        **counts,
    }


def send(client, table, rows):
    assert client.insert_rows_json(f"{MADE}.{table}", rows) == []


@pytest.fixture(scope="module")
def client(server):
    with connected(server.host) as client:
        yield client


@pytest.fixture(scope="module")
def made(client, now, yesterday):
    """A dataset with a gap, a late dataset, a dead letter and an unknown field."""
    make_market(client, MADE, registry_of("FUELHH", "FREQ"))
    periods = [n for n in range(1, 47) if n not in LOST_PERIODS]
    rows = [generated(yesterday, period) for period in periods]
    rows[0]["extra"] = '{"carbonFree": true}'
    store(client, f"{MADE}.bmrs_fuelhh_iris", rows)
    minutes = (now - midnight(yesterday)) // dt.timedelta(minutes=1)
    began = counted(now, "FUELHH", minutes, 1, messages=1, records=1, rows=1)
    send(
        client,
        "iris_ledger",
        [
            began,
            counted(now, "FUELHH", 3, 1, messages=4, records=44, rows=44),
            counted(
                now, "FREQ", 2, 200, messages=3, records=24, rows=23, dead_letters=1
            ),
        ],
    )
    letter = {
        "dead_letter_id": "1",
        "failed_utc": (now - dt.timedelta(minutes=5)).isoformat(),
        "stage": "coerce",
        "reason": "WRONG_TYPE",
        "error": "frequency: 'fifty' is not a number",
        "dataset": "FREQ",
        "message_id": "m",
        "record_index": 0,
        "record_id": "r",
        "attempt": 1,
    }
    send(client, "iris_dead_letters", [letter])
    return client


class Reporter:
    """What a bridge of one queue reports."""

    def __init__(self, health):
        self.problem, self.report = health.problem, health.report

    def exposition(self):
        return b""


@pytest.fixture(scope="module")
def bridge(now):
    """The health that a bridge reports; yields its address."""
    expires = now.date() + dt.timedelta(days=SECRET_DAYS)
    health = Health(Redactor(), secret_expires=expires, last_message=now)
    health.session_open = True
    started, ended, ports = threading.Event(), threading.Event(), []

    async def run():
        async with serve(Reporter(health), "127.0.0.1", 0) as port:
            ports.append(port)
            started.set()
            while not ended.is_set():
                health.turn()
                await asyncio.sleep(0.1)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(60)
    yield f"http://127.0.0.1:{ports[0]}"
    ended.set()
    thread.join()


@pytest.fixture(scope="module")
def health_address(made, cache, bridge):
    with dashboard(cache, "--dataset", MADE, "--bridge", bridge) as address:
        yield address


@pytest.fixture(scope="module")
def seen(browser, health_address):
    """The page, opened once for the tests that only look."""
    viewer = Viewer(browser, health_address).open("/health")
    yield viewer
    viewer.close()


def test_the_page_loads_without_a_complaint_of_the_browser(seen):
    expect(seen.tile("completeness").locator("svg")).to_be_visible()
    assert seen.errors == []


def test_a_dataset_beyond_its_cadence_is_late(seen):
    expect(seen.figure("freshness", "Late")).to_have_text("1datasets")
    tile = seen.tile("freshness")
    tile.locator(".numbers summary").click()
    # The tile draws itself again, and may do so now.
    cells = tile.locator("tbody tr").first.locator("td")
    expect(cells.nth(0)).to_have_text("FREQ")
    expect(cells.nth(1)).to_have_text("late")


def test_messages_and_rows_are_those_of_the_ledger(seen):
    expect(seen.figure("traffic", "Messages")).to_have_text("7last hour")
    expect(seen.figure("traffic", "Rows")).to_have_text("67last hour")


def test_the_delay_is_the_mean_of_the_minute(seen):
    expect(seen.figure("lag", "Pub/Sub to row")).to_have_text("2.5s")


def test_missing_values_are_counted(seen, yesterday):
    tile = seen.tile("completeness")
    tile.locator(".numbers summary").click()
    day = f"{yesterday:%a %-d %b}"
    row = tile.locator("tbody tr", has_text="FUELHH").filter(has_text=day)
    cells = row.locator("td")
    expect(cells.nth(3)).to_have_text(str(missing_of(yesterday)))


def test_a_click_on_the_map_shows_the_half_hours_of_the_dataset(
    health_address, viewer, yesterday
):
    page = viewer(health_address).open("/health")
    cells = page.tile("completeness").locator("svg .mark-rect path")
    # Of FREQ and FUELHH; the middle has a text.
    cells.last.click(position={"x": 12, "y": 12})
    page.page.wait_for_url("**/health?dataset=FUELHH")
    expect(page.figure("half-hours", "Dataset")).to_have_text("FUELHH")
    gaps = page.figure("half-hours", "Half-hours with a gap")
    expect(gaps).to_have_text(str(missing_of(yesterday)))


def test_a_dead_letter_comes_with_a_sample_and_the_command_that_replays_it(seen):
    row = seen.tile("dead-letters").locator("tbody tr")
    expect(row).to_contain_text("frequency: 'fifty' is not a number")
    expect(row).to_contain_text("make replay REASON=WRONG_TYPE IRIS_DATASET=FREQ")


def test_an_unknown_field_comes_with_the_type_that_fits(seen):
    row = seen.tile("unknown").locator("tbody tr")
    expect(row).to_contain_text("FUELHH.carbonFree")
    expect(row).to_contain_text("BOOL")


def test_the_bridge_says_how_long_its_secret_is_valid(seen):
    expect(seen.figure("bridge", "Bridge")).to_have_text("ok")
    expect(seen.figure("bridge", "Secret")).to_have_text(f"{SECRET_DAYS}days left")
    expect(seen.tile("bridge")).to_contain_text("Renew the secret now")


def test_rows_are_counted_by_where_they_are_from(seen):
    expect(seen.figure("origins", "IRIS")).to_have_text("100.0%")


def test_a_bridge_that_is_away_is_reported_in_its_tile_alone(made, cache, viewer):
    with dashboard(cache, "--dataset", MADE, "--bridge", "http://127.0.0.1:9") as own:
        page = viewer(own).open("/health")
        expect(page.tile("bridge").locator(".trouble")).to_contain_text(
            "the bridge does not answer"
        )
        expect(page.tile("freshness").locator(".trouble")).to_be_hidden()


def test_a_page_of_the_width_of_a_phone_does_not_scroll_sideways(
    health_address, viewer
):
    phone = viewer(health_address, viewport={"width": 390, "height": 844})
    phone.open("/health")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390
