"""The tile of the bridge, from what it reports to what a reader sees."""

import datetime as dt

import pytest

from bridge.health import Health
from bridge.logs import Redactor
from dashboard.sources import Sources
from dashboard.tiles import bridge
from gb_iris.failure import ReadError

NOW = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)


def drawn(report):
    rows = bridge.rows_of(report)
    return bridge.BRIDGE.draw(rows, {}, NOW)


def figure(drawing, label):
    [one] = [one for one in drawing.figures if one.label == label]
    return f"{one.value} {one.unit}".strip()


def report_of(**state):
    health = Health(Redactor(), last_message=NOW - dt.timedelta(seconds=40), **state)
    return health.report()


def test_a_bridge_without_a_session_says_what_is_wrong():
    drawing = drawn(report_of())
    assert figure(drawing, "Bridge") == "unhealthy"
    assert "no session with the IRIS queue" in [row["says"] for row in drawing.rows]


def test_the_age_of_the_last_message_is_a_figure():
    assert figure(drawn(report_of()), "Last message") == "40 s ago"


@pytest.mark.parametrize(
    ("days", "note"), [(30, "Renew the secret now"), (31, ""), (-1, "Renew")]
)
def test_a_secret_that_ends_soon_is_to_be_renewed(days, note):
    expires = NOW.date() + dt.timedelta(days=days)
    drawing = drawn(report_of(secret_expires=expires))
    assert figure(drawing, "Secret") == f"{days} days left"
    assert drawing.note.startswith(note)
    assert bool(drawing.note) == bool(note)


def test_a_secret_without_a_day_is_said_to_have_none():
    assert "IRIS_SECRET_EXPIRES is not set" in drawn(report_of()).note


def test_of_several_queues_each_has_its_lines():
    one, other = report_of(), report_of(queue_shared=True)
    whole = {"status": "degraded", "reason": "not healthy: a", "queues": {}}
    drawing = drawn({**whole, "queues": {"a": one, "b": other}})
    assert figure(drawing, "Bridge") == "degraded"
    shared = [row for row in drawing.rows if "another client" in row["what"]]
    assert [row["queue"] for row in shared] == ["b"]


def test_without_an_address_the_secret_of_the_environment_is_shown(monkeypatch):
    monkeypatch.setenv("IRIS_SECRET_EXPIRES", "2026-05-16")
    found = bridge.BRIDGE.ask(Sources(None), {}, NOW)
    drawing = bridge.BRIDGE.draw(found.rows, {}, NOW)
    assert figure(drawing, "Bridge") == "not known here"
    assert figure(drawing, "Secret") == "10 days left"


def test_a_port_at_which_nobody_answers_is_said_to_be_the_bridges():
    with pytest.raises(ReadError, match="the bridge does not answer at"):
        bridge.BRIDGE.ask(Sources(None, "http://127.0.0.1:9"), {}, NOW)
