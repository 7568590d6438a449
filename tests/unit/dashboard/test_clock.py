"""The time axis: London's clock on days of 46, 48 and 50 half-hours."""

import datetime as dt

import pytest
from vl_convert import vegalite_to_svg

from dashboard import vega
from dashboard.selection import LONDON, bounds

SPRING, AUTUMN = dt.date(2026, 3, 29), dt.date(2026, 10, 25)
USUAL = dt.date(2026, 5, 6)


def ticks(day):
    found = vega.clock_params(*bounds(day))["ticks"]
    times = [dt.datetime.fromtimestamp(each / 1000, dt.UTC) for each in found]
    return [f"{time.astimezone(LONDON):%H:%M}" for time in times]


@pytest.mark.parametrize(
    ("day", "hours"), [(SPRING, 23), (USUAL, 24), (AUTUMN, 25)], ids=str
)
def test_a_day_is_as_long_as_it_is(day, hours):
    start, end = bounds(day)
    assert (end - start) == dt.timedelta(hours=hours)


@pytest.mark.parametrize("day", [SPRING, USUAL, AUTUMN], ids=str)
def test_labels_are_at_round_hours_of_the_clock(day):
    assert ticks(day) == [f"{hour:02d}:00" for hour in range(0, 24, 3)] + ["00:00"]


@pytest.mark.parametrize(
    ("day", "texts"),
    [
        (SPRING, ["00:59 GMT", "02:00 BST"]),
        (AUTUMN, ["01:59 BST", "01:00 GMT"]),
    ],
    ids=str,
)
def test_around_a_change_the_clock_says_its_zone(day, texts):
    """As Vega computes it, of the minute before 01:00 UTC and of that instant."""
    one = dt.datetime.combine(day, dt.time(1), dt.UTC)
    rows = [{"time": vega.milliseconds(one + dt.timedelta(minutes=n))} for n in (-1, 0)]
    mark = {
        "transform": [vega.clock("time")],
        "mark": "text",
        "encoding": {
            "x": vega.time_x("time"),
            "text": {"field": "clock", "type": "nominal"},
        },
    }
    params = vega.clock_params(*bounds(day))
    spec = vega.complete(vega.spec("", mark), params, rows, width=600)
    svg = vegalite_to_svg(spec)
    for text in texts:
        assert text in svg


@pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=str)
def test_labels_of_a_changing_day_are_those_of_the_clock(day):
    mark = {"mark": "point", "encoding": {"x": vega.time_x("time")}}
    params = vega.clock_params(*bounds(day))
    rows = [{"time": params["start"]}]
    svg = vegalite_to_svg(vega.complete(vega.spec("", mark), params, rows, width=900))
    for hour in range(3, 24, 3):
        assert f">{hour:02d}:00<" in svg
