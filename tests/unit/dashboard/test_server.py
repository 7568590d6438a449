"""What the server refuses, and what no answer of it may lack."""

import asyncio

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from command.tables_path import TablesPath
from dashboard.scripts import Scripts
from dashboard.server import HEADERS, application
from dashboard.viewing import Viewing
from dashboard.warehouse import Warehouse
from tests.unit.dashboard.nowhere import client_of_nothing

HOST = "http://127.0.0.1:8050"


class Visitor:
    """Asks the application as a browser does, without a network."""

    def __init__(self, app):
        self._app = app

    def request(self, method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path, **options):
        return self.request("GET", path, **options)


@pytest.fixture
def visitor(tmp_path):
    """A client of a dashboard whose BigQuery does not exist."""
    warehouse = Warehouse(client_of_nothing(), TablesPath("p", "d"), is_local=True)
    scripts = Scripts(tmp_path)
    app = application(Viewing(warehouse, lambda: 1.0), scripts, ["127.0.0.1"])
    return Visitor(app)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_another_name_of_the_host_gets_nothing(host, visitor):
    assert visitor.get("/now", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
@pytest.mark.parametrize("path", ["/tiles/frequency", "/pages/now/state", "/rows.csv"])
def test_a_page_of_another_site_asks_nothing(path, headers, visitor):
    assert visitor.get(path, headers=headers).status_code == 403


def test_a_link_from_another_site_opens_a_page(visitor):
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert visitor.get("/now", headers=followed).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/now", "/tiles/frequency", "/pages/now/state"])
def test_nothing_but_reading_is_allowed(method, path, visitor):
    assert visitor.request(method, path).status_code == 405


@pytest.mark.parametrize(
    "path", ["/nothing", "/tiles/nothing", "/pages/nothing/state", "/scripts/x.js"]
)
def test_what_does_not_exist_is_not_found(path, visitor):
    assert visitor.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/static/../serve.py", "/static/%2e%2e/serve.py"])
def test_no_file_outside_of_its_folder_is_served(path, visitor):
    assert visitor.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/tiles/frequency?at=yesterday", "at: 'yesterday' is not a value"),
        ("/tiles/frequency?at=2026-05-06T11:00", "such as 2026-05-06T11:00Z"),
        ("/tiles/position?unit=%27%20OR%201", 'unit: "\' OR 1" is not a value'),
        ("/tiles/position?day=2026-13-01", "day: '2026-13-01' is not a value"),
        ("/pages/balancing/state?batteries=yes", "batteries: 'yes' is not a value"),
        ("/tiles/compare?first_period=51", "first_period: '51' is not a value"),
        ("/tiles/compare?first_period=0050999", "first_period: '0050999' is not"),
        ("/rows.csv?day=9999-12-31", "day: '9999-12-31' is not a value"),
        ("/rows.csv?day=0001-01-01", "day: '0001-01-01' is not a value"),
    ],
)
def test_a_selection_that_is_none_is_refused_in_a_line(path, said, visitor):
    answer = visitor.get(path)
    assert answer.status_code == 400
    assert said in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "path", ["/now", "/nothing", "/static/dashboard.js", "/status"]
)
def test_every_answer_has_the_headers(path, visitor):
    answer = visitor.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_a_tile_of_a_bigquery_that_is_away_says_so(visitor):
    answer = visitor.get("/tiles/frequency").json()
    assert answer["state"] == "failed"
    assert "BigQuery does not answer" in answer["error"]


def test_the_state_of_a_page_says_that_bigquery_is_away(visitor):
    visitor.get("/tiles/frequency")
    state = visitor.get("/pages/now/state").json()
    assert "BigQuery does not answer" in state["banner"]


def test_what_it_asks_is_counted_for_prometheus(visitor):
    visitor.get("/tiles/frequency")
    answer = visitor.get("/metrics")
    found = {one.name: one for one in text_string_to_metric_families(answer.text)}
    assert found["iris_dashboard_warehouse_queries"].samples[0].value > 0
    assert found["iris_dashboard_billed_bytes_today"].type == "gauge"


def test_the_first_page_is_that_of_now(visitor):
    answer = visitor.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/now")
