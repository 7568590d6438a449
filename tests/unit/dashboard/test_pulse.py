"""When a tile is late by the cadence of its dataset."""

import datetime as dt

import pytest

from dashboard.pulse import Beat, Pulse

NOON = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)
SATURDAY = dt.datetime(2026, 5, 9, 11, tzinfo=dt.UTC)


def late(dataset, age, now=NOON):
    pulse = Pulse(None, lambda: 1.0, lambda: now)
    pulse._beats = {dataset: Beat(1, now - age)}
    return pulse.freshness([dataset], now).late


@pytest.mark.parametrize(
    ("dataset", "fresh", "old"),
    [
        ("FREQ", dt.timedelta(minutes=3), dt.timedelta(minutes=4)),
        ("FUELINST", dt.timedelta(minutes=12), dt.timedelta(minutes=14)),
        ("INDO", dt.timedelta(minutes=62), dt.timedelta(minutes=64)),
    ],
)
def test_a_dataset_is_late_after_two_of_its_cadences(dataset, fresh, old):
    assert late(dataset, fresh) == ""
    assert late(dataset, old).startswith(f"{dataset} is late")


def test_a_dataset_without_a_cadence_is_never_late():
    assert late("REMIT", dt.timedelta(days=9)) == ""


def test_days_on_which_it_is_not_published_do_not_count():
    assert late("DISEBSP", dt.timedelta(hours=20), SATURDAY) == ""


def test_a_dataset_that_the_ledger_does_not_know_is_not_late():
    pulse = Pulse(None, lambda: 1.0, lambda: NOON)
    assert pulse.freshness(["FREQ"], NOON).late == ""


def test_the_text_says_how_late_and_what_is_usual():
    text = late("FUELINST", dt.timedelta(minutes=25))
    assert text == (
        "FUELINST is late: its newest message is 25 minutes old, and it has a value "
        "every 5 minutes"
    )
