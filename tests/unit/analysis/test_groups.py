"""Half-hours of a unit, put together."""

import datetime as dt

import pytest

from analysis.trades.groups import HalfHour, by_frequency, by_hour, by_price

NOON = dt.datetime(2026, 7, 1, 11, tzinfo=dt.UTC)  # of London

TRADED = HalfHour(
    NOON, 80.0, 49.9, 2, offered=10.0, offer_cost=900.0, bid=-5.0, bid_cost=-200.0
)
QUIET = HalfHour(NOON + dt.timedelta(minutes=30), 80.0, 50.0)
UNPRICED = HalfHour(NOON + dt.timedelta(hours=1))


def named(groups):
    return {group.name: group for group in groups if group.half_hours}


def test_an_hour_is_of_the_clock_in_great_britain():
    assert list(named(by_hour([TRADED, QUIET, UNPRICED]))) == ["12:00", "13:00"]


def test_a_share_is_of_half_hours():
    assert named(by_hour([TRADED, QUIET]))["12:00"].share == 0.5


def test_prices_are_weighted_by_volume():
    more = HalfHour(NOON, 80.0, 50.0, 1, offered=30.0, offer_cost=1500.0)
    [group] = named(by_hour([TRADED, more])).values()
    assert group.offer_price == pytest.approx(2400 / 40)
    assert group.bid_price == pytest.approx(40)
    assert group.cashflow == pytest.approx(2200)


def test_a_band_has_its_lower_edge():
    assert list(named(by_frequency([TRADED, QUIET]))) == [
        "49.9 to 49.95",
        "50 to 50.05",
    ]


def test_half_hours_without_a_price_are_a_group():
    groups = named(by_price([TRADED, QUIET, UNPRICED]))
    assert {name: len(group.half_hours) for name, group in groups.items()} == {
        "75 to 100": 2,
        "unknown": 1,
    }


def test_a_group_without_half_hours_has_no_share():
    assert by_price([])[0].share is None
