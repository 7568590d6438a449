"""What is due, and when: settlement days, clock changes, weekends, gaps as text."""

import datetime as dt

import pytest

from pipeline.registry import load_registry
from sql.check import around as around_gaps
from sql.check.around import Around
from sql.check.completeness import Owed, judged
from sql.check.context import Status
from sql.check.expectations import (
    Days,
    Instants,
    Periods,
    days_due,
    due,
    grid_of,
    lateness,
    runs,
)

REGISTRY = load_registry()
SPRING, AUTUMN = dt.date(2026, 3, 29), dt.date(2026, 10, 25)


def utc(text):
    return dt.datetime.fromisoformat(text + "Z")


def dates(*texts):
    return [dt.date.fromisoformat(text) for text in texts]


@pytest.mark.parametrize(
    ("day", "periods"), [(SPRING, 46), (AUTUMN, 50), (dt.date(2026, 5, 6), 48)]
)
def test_settlement_periods_of_a_day(day, periods):
    slots = Periods().slots(day)
    assert len(slots) == periods
    assert Periods().text(slots) == f"{day} settlement periods 1-{periods}"


@pytest.mark.parametrize(
    ("day", "first", "last", "count"),
    [
        (SPRING, "2026-03-29 00:00:00", "22:59:45", 23 * 240),
        (AUTUMN, "2026-10-24 23:00:00", "2026-10-25 23:59:45", 25 * 240),
        (dt.date(2026, 5, 6), "2026-05-05 23:00:00", "2026-05-06 22:59:45", 5760),
    ],
)
def test_instants_of_a_day_are_utc_between_london_midnights(day, first, last, count):
    slots = Instants("measurementTime", 15).slots(day)
    assert len(slots) == count
    text = Instants("measurementTime", 15).text(slots)
    assert text == f"{first} to {last} UTC"


def test_five_minute_slots_fill_a_clock_change_day():
    assert len(Instants("startTime", 300).slots(AUTUMN)) == 25 * 12


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("FREQ", Instants("measurementTime", 15)),
        ("FUELINST", Instants("startTime", 300)),
        ("FUELHH", Periods()),
        ("DISBSAD", Periods()),
        ("INDOD", Days("settlementDate")),
        ("TEMP", Days("measurementDate")),
        ("FOU2T14D", None),  # a forecast: published hourly, on no grid
        ("BOALF", None),
    ],
)
def test_the_slots_of_a_dataset(name, grid):
    assert grid_of(REGISTRY[name]) == grid


def test_lateness_grows_with_the_cadence_up_to_six_hours():
    minutes = {
        name: lateness(REGISTRY[name]).total_seconds() / 60
        for name in ("FREQ", "FUELINST", "INDO", "AGPT", "TEMP")
    }
    assert minutes == {
        "FREQ": 15.5, "FUELINST": 25, "INDO": 75, "AGPT": 195, "TEMP": 375
    }  # fmt: skip


def test_just_after_midnight_yesterday_is_not_due_yet():
    assert days_due(REGISTRY["INDO"], utc("2026-05-05T23:05:00"), 1) == dates(
        "2026-05-04"
    )
    assert days_due(REGISTRY["INDO"], utc("2026-05-06T08:00:00"), 1) == dates(
        "2026-05-05"
    )


def test_a_week_is_seven_days_whether_the_clocks_change_or_not():
    for at in (utc("2026-03-31T09:00:00"), utc("2026-10-27T09:00:00")):
        days = days_due(REGISTRY["INDO"], at, 7)
        assert len(days) == 7
        assert days[-1] == at.date() - dt.timedelta(days=1)


def test_a_daily_dataset_owes_nothing_for_a_weekend_or_a_bank_holiday():
    due_on = {
        day: days_due(REGISTRY["TEMP"], utc(f"2026-05-{day:02}T08:00:00"), 1)
        for day in range(1, 8)
    }
    # Friday is the 1st, Monday the 4th is a bank holiday.
    assert due_on == {
        1: dates("2026-04-30"),
        2: [],
        3: [],
        4: [],
        5: dates("2026-05-01"),
        6: dates("2026-05-05"),
        7: dates("2026-05-06"),
    }


@pytest.mark.parametrize("name", ["FREQ", "INDO", "AGPT", "DISEBSP"])
def test_a_check_every_day_sees_each_day_once(name):
    first = dt.date(2026, 3, 1)
    seen = [
        day
        for n in range(300)
        for day in days_due(
            REGISTRY[name],
            dt.datetime.combine(first + dt.timedelta(days=n), dt.time(9), dt.UTC),
            1,
        )
    ]
    assert seen == [seen[0] + dt.timedelta(days=n) for n in range(len(seen))]


def test_values_that_come_out_on_working_days_are_due_after_the_weekend():
    friday = dt.date(2026, 5, 8)
    # From Monday on: 25 h of lag, and 75 min.
    assert due(REGISTRY["DISEBSP"], friday) == utc("2026-05-12T01:15:00")


def test_runs_of_consecutive_numbers():
    assert list(runs([3, 17, 19, 18, 1])) == [(1, 1), (3, 3), (17, 19)]
    assert list(runs([])) == []


def test_gaps_as_a_person_names_them():
    base = Periods().slots(dt.date(2026, 5, 5))[0] - 1
    slots = [base + period for period in (3, 17, 18, 19)]
    assert Periods().text(slots) == "2026-05-05 settlement periods 3, 17-19"
    many = [base + period for period in range(1, 20, 2)]
    assert Periods().text(many) == "2026-05-05 settlement periods 1, 3, 5 and 7 more"
    freq = Instants("measurementTime", 15)
    start = int(utc("2026-05-05T02:15:00").timestamp()) // 15
    assert freq.text(range(start, start + 120)) == (
        "2026-05-05 02:15:00 to 02:44:45 UTC"
    )
    assert freq.text([start]) == "2026-05-05 02:15:00 UTC"
    monday = (dt.date(2026, 5, 4) - dt.date(1970, 1, 1)).days
    assert Days("d").text([monday, monday + 1]) == "2026-05-04 to 2026-05-05"


def test_missing_values_are_counted_and_series_with_one_gap_named_together():
    day = dt.date(2026, 5, 5)
    slots = set(Periods().slots(day))
    owed = Owed(REGISTRY["FUELHH"], Periods(), [day], "t")
    base = min(slots) - 1
    found = {
        "CCGT": slots - {base + 3},
        "OIL": slots - {base + 17, base + 18},
        "PS": slots - {base + 3},
        "WIND": slots,
    }
    result = judged(owed, found)
    assert (result.status, result.measured) == (Status.FAIL, 4)
    assert result.figures["expected"] == 192
    assert result.figures["found"] == 188
    assert result.figures["missing_share"] == pytest.approx(4 / 192, abs=1e-6)
    assert result.detail == (
        "2026-05-05: 188 of 192 values, 4 missing (2.1%): "
        "2026-05-05 settlement periods 17-18 of OIL, "
        "2026-05-05 settlement periods 3 of CCGT, PS"
    )


def test_a_dataset_without_any_row_misses_everything():
    owed = Owed(REGISTRY["INDO"], Periods(), [SPRING], "t")
    result = judged(owed, {})
    assert (result.measured, result.figures["expected"]) == (46, 46)


def test_before_the_feed_began_only_gaps_between_values_are_owed():
    day = dt.date(2026, 5, 5)
    owed = Owed(REGISTRY["INDO"], Periods(), [day], "t")
    base = min(Periods().slots(day)) - 1
    # 12:00 in London: the end of settlement period 24.
    noon = utc("2026-05-05T11:00:00")
    afternoon = {base + period for period in range(25, 49)}
    assert judged(owed, {"": afternoon}, noon).measured == 0
    assert judged(owed, {"": afternoon | {base + 10, base + 12}}, noon).measured == 1
    assert judged(owed, {"": {base + 10, base + 12}}, noon).measured == 1 + 24
    after = utc("2026-05-06T08:00:00")
    assert judged(owed, {}, after).status == Status.INFO
    whole = {base + period for period in range(1, 49)}
    assert judged(owed, {"": whole}, after).figures["expected"] == 48


def test_units_owe_only_gaps_before_the_feed_began():
    around = Around(REGISTRY["PN"], [dt.date(2026, 5, 5)], "t")
    first = min(around.slots)
    after = utc("2026-05-06T08:00:00")
    for seen, missing in (
        ({}, None),
        ({first + 20: 5}, 0),
        ({first + 20: 5, first + 22: 5}, 5),
    ):
        result = around_gaps.judged(around, seen, [], has_rows_before=True, since=after)
        assert result.measured == missing
    stopped = {first + slot: 5 for slot in range(40)}
    began = utc("2026-05-05T02:00:00")
    result = around_gaps.judged(around, stopped, [], has_rows_before=True, since=began)
    assert result.measured == 8 * 5


def test_slots_begin_at_their_instants():
    winter = Periods().slots(AUTUMN)
    assert Periods().start(winter[0]) == utc("2026-10-24T23:00:00")
    assert Periods().start(winter[-1]) == utc("2026-10-25T23:30:00")
    assert Days("d").start(Days("d").slots(AUTUMN)[0]) == utc("2026-10-24T23:00:00")


def test_what_is_read_of_units_is_the_day_and_those_beside_it():
    around = Around(REGISTRY["PN"], [SPRING], "t")
    assert (around.read_from, around.read_until) == (
        dt.date(2026, 3, 28),
        dt.date(2026, 3, 31),
    )
    assert list(around.slots.values()) == list(Periods().slots(SPRING))
    instants = [dt.datetime.fromtimestamp(1800 * n, dt.UTC) for n in around.slots]
    assert (instants[0], instants[-1]) == (
        utc("2026-03-29T00:00:00"),
        utc("2026-03-29T22:30:00"),
    )


def test_the_largest_gaps_of_units_are_named():
    around = Around(REGISTRY["PN"], [dt.date(2026, 5, 5)], "t")
    first = min(around.slots)
    gaps = [
        around_gaps.Gap(first + at, first + at, 1, f"U-{at}") for at in (3, 5, 7, 9)
    ]
    gaps.append(around_gaps.Gap(first + 20, first + 30, 5, "A, B, C"))
    seen = dict.fromkeys(around.slots, 10)
    result = around_gaps.judged(around, seen, gaps, has_rows_before=True)
    assert result.measured == 4 + 11 * 5
    assert result.figures["gaps"] == (
        "2026-05-05 settlement periods 21-31 of A, B, C and 2 more, "
        "2026-05-05 settlement periods 4 of U-3, "
        "2026-05-05 settlement periods 6 of U-5 and 2 more"
    )
