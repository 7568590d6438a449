"""What `start` and `end` may be."""

import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from command.usage import UsageError
from gb_iris.interval import bound, interval

DAY = dt.date(2026, 5, 6)
NOON = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, None),
        (DAY, DAY),
        ("2026-05-06", DAY),
        (NOON, NOON),
        ("2026-05-06T12:00Z", NOON),
        ("2026-05-06 13:00+01:00", NOON),
        (dt.datetime(2026, 5, 6, 13, tzinfo=ZoneInfo("Europe/London")), NOON),
        (pd.Timestamp("2026-05-06T12:00Z"), NOON),
    ],
    ids=str,
)
def test_a_bound_is_a_day_or_an_instant_in_utc(given, found):
    assert bound("start", given) == found
    assert type(bound("start", given)) is type(found)


@pytest.mark.parametrize(
    "given",
    [NOON.replace(tzinfo=None), "2026-05-06T12:00", pd.Timestamp(2026, 5, 6)],
)
def test_a_time_without_its_zone_is_refused(given):
    with pytest.raises(UsageError, match=r"start: .* has no time zone: say UTC"):
        bound("start", given)


@pytest.mark.parametrize("given", ["yesterday", "2026-05-32", "", 20260506])
def test_what_is_no_time_is_refused_with_an_example(given):
    with pytest.raises(UsageError, match=r'end: .* is not a date or a time.*"2026-'):
        bound("end", given)


def test_a_day_needs_the_next_day_as_its_end():
    with pytest.raises(
        UsageError, match=r"half-open.* 2026-05-06 .*ends at 2026-05-07"
    ):
        interval("2026-05-06", "2026-05-06")


def test_an_end_before_the_start_is_refused():
    with pytest.raises(UsageError, match="is not after start"):
        interval("2026-05-06T12:00Z", "2026-05-06T11:00Z")


def test_a_day_and_an_instant_go_together():
    assert interval("2026-05-06", "2026-05-06T12:00Z") == (DAY, NOON)
