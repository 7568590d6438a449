"""Working days: the calendar's own rules, and time counted on them."""

import datetime as dt

import pytest

from sql.working_days import (
    after_working_time,
    bank_holidays,
    is_working_day,
    working_time,
)

# As published on gov.uk/bank-holidays, without the one-off ones.
HOLIDAYS = {
    2021: "01-01 04-02 04-05 05-03 05-31 08-30 12-27 12-28",
    2022: "01-03 04-15 04-18 05-02 05-30 08-29 12-26 12-27",
    2026: "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
}


@pytest.mark.parametrize("year", HOLIDAYS)
def test_bank_holidays_of_england_and_wales(year):
    assert sorted(f"{day:%m-%d}" for day in bank_holidays(year)) == (
        HOLIDAYS[year].split()
    )


def test_a_saturday_a_sunday_and_a_bank_holiday_are_no_working_days():
    days = [dt.date(2026, 5, day) for day in range(1, 6)]
    assert [is_working_day(day) for day in days] == [True, False, False, False, True]


def utc(text):
    return dt.datetime.fromisoformat(text + "Z")


def test_a_weekend_does_not_count():
    friday, monday = utc("2026-05-08T15:45:00"), utc("2026-05-11T08:00:00")
    # Midnight is London's: 7 h 15 min of Friday, 9 h of Monday.
    assert working_time(friday, monday) == dt.timedelta(hours=16, minutes=15)


def test_time_within_a_working_day_counts_as_it_is():
    start, end = utc("2026-05-06T10:00:00"), utc("2026-05-06T10:30:00")
    assert working_time(start, end) == dt.timedelta(minutes=30)


def test_the_end_of_a_span_of_working_time():
    friday = utc("2026-05-01T22:00:00")
    span = dt.timedelta(hours=2)
    # One hour of Friday, then Tuesday: Monday is a bank holiday.
    assert after_working_time(friday, span) == utc("2026-05-05T00:00:00")
    assert working_time(friday, after_working_time(friday, span)) == span
