"""What a status says of the parts: from what they report of themselves."""

import datetime as dt

import pytest

from bridge.health import Health
from bridge.logs import Redactor
from local.ports import private_port
from local.status.parts import bigquery_item, items_of, queue_item, secret_items
from sql.status.item import State

NOW = dt.datetime(2026, 5, 6, 23, 59, tzinfo=dt.UTC)
PUBLISHED = {"iris_bridge_published_total": 1_234.0, "iris_bridge_in_hand": 2.0}


@pytest.fixture
def health():
    made = Health(Redactor())
    made.session_open = True
    made.turn()
    return made


def test_a_bridge_that_works_says_what_it_has_done(health):
    item = queue_item("bridge", health.report(), PUBLISHED)
    assert (item.state, item.advice) == (State.OK, "")
    assert item.says == "1,234 messages published, 2 in flight"


def test_a_bridge_without_a_session_says_why_and_what_to_do(health):
    health.session_open, health.advice = False, "check the network"
    item = queue_item("bridge", health.report(), {})
    assert item.state is State.FAIL
    assert item.says.startswith("no session with the IRIS queue; ")
    assert item.advice == "check the network"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("queue_shared", True, "another client reads the queue"),
        ("dead_letters", 3, "the queue gave up 3 messages"),
        ("clock_ahead_seconds", 90.0, "this clock is 90 s ahead of the queue's"),
    ],
)
def test_what_a_person_should_look_at_is_a_warning(health, name, value, said):
    setattr(health, name, value)
    item = queue_item("bridge", health.report(), PUBLISHED)
    assert item.state is State.WARN
    assert item.says.startswith(f"{said}; ")
    assert item.advice


@pytest.mark.parametrize(
    ("days", "state"),
    [(-1, State.FAIL), (0, State.WARN), (30, State.WARN), (31, State.OK)],
)
def test_the_days_of_a_secret_are_counted(health, days, state):
    health.secret_expires = NOW.date() + dt.timedelta(days=days)
    [item] = secret_items(health.report(), NOW.date())
    assert item.state is state
    assert item.figures == {"days": days}


def test_a_secret_of_which_nothing_is_known_is_not_shown(health):
    assert list(secret_items(health.report(), NOW.date())) == []


def test_a_part_that_is_away_says_so_and_where_to_look():
    names = ("IRIS_CONTROL_URL", "BRIDGE_URL", "PUBSUB_METRICS_URL")
    names += ("PIPELINE_METRICS_URL",)
    addresses = {name: f"http://127.0.0.1:{private_port()}" for name in names}
    items = list(items_of(addresses, "data/logs", NOW))
    assert [item.part for item in items] == [
        *("simulator", "bridge", "Pub/Sub", "pipeline")
    ]
    assert {item.says for item in items} == {"does not answer"}
    assert {item.state for item in items} == {State.FAIL}
    assert all("data/logs" in item.advice for item in items)


def test_a_bigquery_that_is_away_says_so_at_once():
    item = bigquery_item(f"http://127.0.0.1:{private_port()}", "data/bigquery.log")
    assert (item.state, item.says) == (State.FAIL, "does not answer")
    assert "data/bigquery.log" in item.advice


def test_a_dashboard_that_is_away_does_not_stop_the_feed():
    url = f"http://127.0.0.1:{private_port()}"
    [item] = items_of({"DASHBOARD_URL": url}, "logs", NOW)
    assert item.state is State.WARN


def test_parts_that_were_not_started_are_not_shown():
    assert list(items_of({}, "logs", NOW)) == []
