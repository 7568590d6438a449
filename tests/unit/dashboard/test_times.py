import datetime as dt

import pytest

from dashboard.selection import bounds
from dashboard.tiles.times import half_hours, last


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-05-06", 24), ("2026-10-25", 25)]
)
@pytest.mark.parametrize("span", [last(24), half_hours(24)])
def test_the_day_before_a_midnight_is_whole_when_clocks_change(span, day, hours):
    start, end = bounds(dt.date.fromisoformat(day))
    assert span({"at": end}, end) == (start, end)
    assert end - start == dt.timedelta(hours=hours)


def test_an_hour_is_an_hour_when_clocks_change():
    at = dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)
    assert last(1)({"at": at}, at) == (at - dt.timedelta(hours=1), at)
