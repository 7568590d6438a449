"""The budget of a project: counted by day, kept over restarts."""

import datetime as dt

import pytest

from dashboard.budget import OVER_SECONDS, Budget

NOON = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "billed.json"


def budget(path, at=NOON):
    return Budget(path, 1_000_000_000, 100_000_000, 60.0, lambda: at)


def test_it_survives_a_restart(path):
    budget(path).add(400_000_000)
    assert budget(path).text() == "400.0 MB of 1.0 GB today"


def test_every_day_begins_with_nothing(path):
    budget(path).add(400_000_000)
    assert budget(path, NOON + dt.timedelta(days=1)).text() == (
        "0 bytes of 1.0 GB today"
    )


def test_when_it_is_used_tiles_ask_less_often_and_the_page_says_so(path):
    one = budget(path)
    assert (one.least_seconds(), one.warning()) == (60.0, "")
    one.add(1_000_000_000)
    assert one.least_seconds() == OVER_SECONDS
    assert one.warning() == (
        "Today's budget of 1.0 GB is used: until midnight UTC each tile asks every 15 "
        "minutes at most."
    )


@pytest.mark.parametrize("content", ["", "{}", '{"day": "x", "bytes": 1}'])
def test_a_broken_file_counts_as_none(content, path):
    path.parent.mkdir()
    path.write_text(content)
    assert budget(path).text().startswith("0 bytes")
