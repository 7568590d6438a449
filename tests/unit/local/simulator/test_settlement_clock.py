"""Settlement periods over a year's clock changes."""

from datetime import UTC, date, datetime

import pytest

from local.simulator.market.settlement_clock import period_start, settlement_period


@pytest.mark.parametrize(
    ("instant", "day", "period"),
    [
        ("2026-01-15T00:00:00Z", "2026-01-15", 1),
        ("2026-01-15T23:59:59Z", "2026-01-15", 48),
        ("2026-05-05T23:00:00Z", "2026-05-06", 1),  # summer: the evening before
        ("2026-05-06T03:00:00Z", "2026-05-06", 9),  # a real BOALF record
        ("2026-03-29T22:59:00Z", "2026-03-29", 46),  # clocks go forward
        ("2026-10-25T23:59:00Z", "2026-10-25", 50),  # and back
    ],
)
def test_period_of_an_instant(instant, day, period):
    found = settlement_period(datetime.fromisoformat(instant))
    assert found == (date.fromisoformat(day), period)


@pytest.mark.parametrize(
    ("day", "count"), [("03-29", 46), ("05-06", 48), ("10-25", 50)]
)
def test_period_start_is_the_inverse(day, count):
    date_ = date.fromisoformat(f"2026-{day}")
    for period in range(1, count + 1):
        start = period_start(date_, period)
        assert start.tzinfo is UTC
        assert settlement_period(start) == (date_, period)
