"""The items of a status, as a table and as JSON."""

import datetime as dt
import io
import json

import pytest
from rich.console import Console

from sql.status.command import report
from sql.status.item import Item, State, overall, print_items
from sql.status.tables import age_text

AT = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)
GOOD = Item("ledger", State.OK, "24 hours: 5 messages", figures={"messages": 5})
BAD = Item("pipeline", State.FAIL, "does not answer", "see its log")


def test_the_table_has_a_line_for_each_and_what_to_do_below():
    output = io.StringIO()
    print_items([GOOD, BAD], Console(file=output, width=100))
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    assert lines == [
        "ledger    ok    24 hours: 5 messages",
        "pipeline  fail  does not answer",
        "pipeline: see its log",
    ]


def test_json_has_every_figure_and_the_worst_state(capsys):
    assert report([GOOD, BAD], AT, "json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["at"] == "2026-05-06T12:00:00+00:00"
    assert document["state"] == "fail"
    assert document["items"][0]["figures"] == {"messages": 5}


@pytest.mark.parametrize(
    ("states", "worst", "code"),
    [
        ([State.OK, State.OFF], State.OK, 0),
        ([State.OK, State.WARN], State.WARN, 0),
        ([State.WARN, State.FAIL, State.OK], State.FAIL, 1),
    ],
)
def test_the_exit_code_is_1_for_a_failure_alone(states, worst, code, capsys):
    items = [Item(str(state), state, "") for state in states]
    assert overall(items) is worst
    assert report(items, AT, "table") == code


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 seconds"), (59, "59 seconds"), (180, "3 minutes"), (9000, "2 hours")],
)
def test_an_age_is_short(seconds, text):
    assert age_text(dt.timedelta(seconds=seconds)) == text
