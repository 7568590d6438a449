"""The tiles of Feed health, from rows to what a reader sees."""

import datetime as dt

import pytest

from dashboard.selection import HALF_HOUR, LONDON
from dashboard.tiles.completeness import half_hours_of
from dashboard.tiles.feed import FRESHNESS, LAGS, span_text
from pipeline.registry import load_registry
from sql.check.completeness import Owed
from sql.check.expectations import grid_of
from sql.working_days import day_start

NOW = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)


def counted(dataset, age):
    return {
        "dataset": dataset,
        "newest": NOW - age,
        "messages_hour": 4,
        "rows_hour": 40,
        "records_day": 1_000,
        "duplicates_day": 25,
    }


def fresh(*rows):
    return FRESHNESS.draw(rows, {}, NOW)


def row_of(drawing, dataset):
    [row] = [row for row in drawing.rows if row["dataset"] == dataset]
    return row


def test_a_dataset_within_its_cadence_is_fresh():
    drawing = fresh(counted("FREQ", dt.timedelta(minutes=2)))
    assert row_of(drawing, "FREQ")["state"] == "fresh"


def test_a_dataset_beyond_its_cadence_is_late_and_comes_first():
    drawing = fresh(
        counted("FUELINST", dt.timedelta(minutes=1)),
        counted("FREQ", dt.timedelta(hours=3)),
    )
    first = drawing.rows[0]
    assert (first["dataset"], first["state"]) == ("FREQ", "late")


def test_a_dataset_that_was_never_seen_is_missing_if_it_has_a_cadence():
    drawing = fresh(counted("FREQ", dt.timedelta(minutes=1)))
    assert row_of(drawing, "FUELINST")["state"] == "missing"
    assert row_of(drawing, "REMIT")["state"] == "not seen"


def test_every_dataset_of_the_registry_is_in_the_numbers():
    drawing = fresh(counted("FREQ", dt.timedelta(minutes=1)))
    assert {row["dataset"] for row in drawing.rows} == set(load_registry())


def test_duplicates_are_a_share_of_the_records():
    drawing = fresh(counted("FREQ", dt.timedelta(minutes=1)))
    assert row_of(drawing, "FREQ")["duplicate_share"] == 2.5


def test_a_bar_of_a_dataset_that_is_away_for_days_does_not_hide_the_others():
    drawing = fresh(counted("FREQ", dt.timedelta(days=5)))
    [chart] = drawing.charts
    assert max(row["length"] for row in chart.rows) == 2


def test_a_minute_without_a_delay_has_no_point():
    rows = [
        {"minute": NOW, "to_pubsub": None, "to_row": 2.0, "to_row_max": 3.0},
    ]
    [chart] = LAGS.draw(rows, {"at": None}, NOW).charts
    assert [row["leg"] for row in chart.rows] == ["Pub/Sub to row"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(40, "40 s"), (150, "2.5 min"), (3_600 * 12, "12 h"), (86_400 * 3, "3.0 days")],
)
def test_an_age_is_short(seconds, text):
    assert span_text(dt.timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("day", "count"),
    [
        (dt.date(2026, 3, 29), 46),
        (dt.date(2026, 5, 6), 48),
        (dt.date(2026, 10, 25), 50),
    ],
)
@pytest.mark.parametrize("dataset", ["FUELHH", "FUELINST"])
def test_a_day_has_all_of_its_half_hours(dataset, day, count):
    rows = halves(dataset, day, lambda slot: True)
    assert [row["period"] for row in rows] == list(range(1, count + 1))
    assert {row["state"] for row in rows} == {"complete"}
    assert rows[-1]["start"] + HALF_HOUR == day_start(day + dt.timedelta(days=1))


def test_the_missing_half_hour_is_the_one_without_values():
    day = dt.date(2026, 10, 25)
    eight = dt.datetime(2026, 10, 25, 8, tzinfo=LONDON)
    rows = halves("FUELINST", day, lambda start: not eight <= start < eight + HALF_HOUR)
    gaps = [row for row in rows if row["missing"]]
    # Nine hours after midnight: the hour from 1 to 2 comes twice.
    assert [(row["period"], row["missing"]) for row in gaps] == [(19, 6)]


def test_what_was_before_the_feed_is_not_missing():
    day = dt.date(2026, 5, 6)
    noon = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)
    rows = halves("FUELHH", day, lambda start: start >= noon, begun=noon)
    assert rows[0]["period"] == 25


def halves(name, day, is_there, begun=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)):
    dataset = load_registry()[name]
    grid = grid_of(dataset)
    slots = {slot for slot in grid.slots(day) if is_there(grid.start(slot))}
    return list(half_hours_of(Owed(dataset, grid, [day], ""), {"WIND": slots}, begun))
