"""`gb_frequency` and its events: by hand, and beside a model that knows no SQL."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from tests.integration.far_day import hidden, stored_files
from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, rows, store, values

pytestmark = pytest.mark.integration

Row = dict[str, Any]

REGISTRY = registry_of("FREQ")
CASES, RANDOM = "frequencies", "random_frequencies"
LONDON = ZoneInfo("Europe/London")
SAMPLE = timedelta(seconds=15)
MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
# The hours around the midnights that begin and end a day on which clocks change.
STARTS = [
    datetime.fromisoformat(f"{start}:00+00:00")
    for start in ("2026-03-28T23:00", "2026-03-29T22:00", "2026-10-24T22:00")
]
STARTS.append(datetime(2026, 10, 25, 23, tzinfo=UTC))
HOURS = 2


def sample(at: datetime, frequency: float, *, correction: bool = False) -> Row:
    sent = at + (2 if correction else 1) * MINUTE
    return {
        "measurementTime": at.isoformat(),
        "frequency": frequency,
        "enqueued_utc": sent.isoformat(),
    }


def samples(at: datetime, *frequencies: float | None) -> list[Row]:
    """Samples 15 seconds apart; None is missing."""
    return [
        sample(at + n * SAMPLE, frequency)
        for n, frequency in enumerate(frequencies)
        if frequency is not None
    ]


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    make_market(client, CASES, REGISTRY)
    made = [
        *samples(NOON, 50.0, 49.9, 49.78, 49.72),
        *samples(NOON + MINUTE, 49.79, 49.8, 50.2, None),
        # The missing sample parts two events.
        *samples(NOON + 10 * MINUTE, 50.21, None, 50.25, 50.0),
        # A jump is two events.
        *samples(NOON + 20 * MINUTE, 49.7, 50.3, 50.0, 50.0),
        *samples(NOON + 30 * MINUTE, 49.0, 50.0, 50.0, 50.0),
        sample(NOON + 30 * MINUTE, 49.95, correction=True),
    ]
    store(client, f"{CASES}.bmrs_freq_iris", made)
    return client


def events(client, begin: datetime, end: datetime, columns: str = "*"):
    times = f"TIMESTAMP '{begin.isoformat()}', TIMESTAMP '{end.isoformat()}'"
    sql = f"SELECT {columns} FROM {CASES}.gb_frequency_events({times}) ORDER BY since"
    return values(client, sql)


def minute(client, at: datetime) -> tuple[Any, ...]:
    (row,) = values(
        client,
        "SELECT lowestFrequency, ROUND(meanFrequency, 4), highestFrequency, "
        f"secondsOutside, samples, completeness FROM {CASES}.gb_frequency "
        f"WHERE startTime = TIMESTAMP '{at.isoformat()}'",
    )
    return row


def test_a_minute_has_its_samples(client):
    """The example of docs/market.md: 49.78 and 49.72 are outside, 30 seconds."""
    assert minute(client, NOON) == (49.72, 49.85, 50.0, 30, 4, 1.0)


def test_a_limit_itself_is_inside_and_a_missing_sample_makes_it_incomplete(client):
    found = minute(client, NOON + MINUTE)
    assert found == (49.79, round((49.79 + 49.8 + 50.2) / 3, 4), 50.2, 15, 3, 0.75)


def test_a_correction_counts(client):
    assert minute(client, NOON + 30 * MINUTE)[0] == 49.95


def test_a_minute_without_samples_has_no_row(client):
    sql = f"SELECT COUNT(*) FROM {CASES}.gb_frequency"
    assert values(client, sql) == [(5,)]


def test_a_run_of_samples_is_an_event(client):
    """The example of docs/market.md: three samples, over the end of a minute."""
    assert events(client, NOON, NOON + 5 * MINUTE) == [
        (NOON + 2 * SAMPLE, NOON + 5 * SAMPLE, 45, "BELOW", 49.72)
    ]


def test_a_missing_sample_ends_an_event(client):
    found = events(client, NOON + 5 * MINUTE, NOON + 15 * MINUTE, "seconds, extreme")
    assert found == [(15, 50.21), (15, 50.25)]


def test_a_jump_from_one_side_to_the_other_is_two_events(client):
    found = events(client, NOON + 15 * MINUTE, NOON + 25 * MINUTE, "side, extreme")
    assert found == [("BELOW", 49.7), ("ABOVE", 50.3)]


def test_an_event_is_of_the_interval_in_which_it_begins(client):
    """It is whole there, and not in the next."""
    middle = NOON + 3 * SAMPLE
    assert events(client, NOON, middle, "seconds") == [(45,)]
    assert events(client, middle, NOON + 5 * MINUTE) == []


def test_the_function_has_the_minutes_that_begin_in_its_time(client):
    sql = (
        f"SELECT startTime FROM {CASES}.gb_frequency_between("
        "TIMESTAMP '2026-05-06 12:00:30+00', TIMESTAMP '2026-05-06 12:10:00+00')"
    )
    assert values(client, sql) == [(NOON + MINUTE,)]


def random_samples() -> list[Row]:
    """Two hours at each start, with gaps, corrections and long deviations."""
    chance = random.Random(11)
    made = []
    for start in STARTS:
        level = 50.0
        for n in range(HOURS * 240):
            level += chance.uniform(-0.1, 0.1) + 0.1 * (50 - level)
            at = start + n * SAMPLE
            if chance.random() < 0.95:
                made.append(sample(at, round(level, 3)))
                if chance.random() < 0.05:
                    other = round(chance.uniform(49.6, 50.4), 3)
                    made.append(sample(at, other, correction=True))
    chance.shuffle(made)
    return made


def last_values(made: list[Row]) -> dict[datetime, float]:
    in_turn = sorted(
        made, key=lambda row: (row["measurementTime"], row["enqueued_utc"])
    )
    return {
        datetime.fromisoformat(row["measurementTime"]): row["frequency"]
        for row in in_turn
    }


def is_outside(frequency: float) -> bool:
    return not 49.8 <= frequency <= 50.2


def half_hour(at: datetime) -> tuple[date, int]:
    """By counting half-hours from local midnight on."""
    day = at.astimezone(LONDON).date()
    begin = datetime(day.year, day.month, day.day, tzinfo=LONDON).astimezone(UTC)
    period = 1
    while begin + timedelta(minutes=30) <= at:
        begin += timedelta(minutes=30)
        period += 1
    return day, period


def minutes_of(found: dict[datetime, float]) -> dict[datetime, tuple[Any, ...]]:
    by_minute = defaultdict(list)
    for at, frequency in found.items():
        by_minute[at.replace(second=0)].append(frequency)
    return {
        at: (
            *half_hour(at),
            min(there),
            sum(there) / len(there),
            max(there),
            15 * sum(map(is_outside, there)),
            len(there),
            len(there) / 4,
        )
        for at, there in by_minute.items()
    }


def events_of(found: dict[datetime, float]) -> list[tuple[Any, ...]]:
    """Walks along the samples."""
    events: list[list[Any]] = []
    for at, frequency in sorted(found.items()):
        if not is_outside(frequency):
            continue
        side = "BELOW" if frequency < 50 else "ABOVE"
        if events and events[-1][1] == at and events[-1][3] == side:
            since, _, seconds, _, extreme = events.pop()
            farther = max(extreme, frequency, key=lambda value: abs(value - 50))
            events.append([since, at + SAMPLE, seconds + 15, side, farther])
        else:
            events.append([at, at + SAMPLE, 15, side, frequency])
    return [tuple(event) for event in events]


@pytest.fixture(scope="module")
def market(client) -> dict[datetime, float]:
    make_market(client, RANDOM, REGISTRY)
    made = random_samples()
    store(client, f"{RANDOM}.bmrs_freq_iris", made)
    return last_values(made)


YEAR = "TIMESTAMP '2026-01-01', TIMESTAMP '2027-01-01'"


@pytest.mark.parametrize(
    "source",
    ["gb_frequency", f"gb_frequency_between({YEAR})"],
    ids=["view", "function"],
)
def test_random_minutes_are_those_of_the_model(client, market, source):
    found = {
        row.pop("startTime"): tuple(row.values())
        for row in rows(client, f"SELECT * FROM {RANDOM}.{source}")
    }
    expected = minutes_of(market)
    assert found.keys() == expected.keys()
    for at, (day, *figures) in expected.items():
        assert found[at][0] == day
        assert found[at][1:] == pytest.approx(tuple(figures), abs=1e-9), at
    assert {each[1] for each in found.values()} >= {1, 2, 46, 49, 50}


def test_random_events_are_those_of_the_model(client, market):
    sql = f"SELECT * FROM {RANDOM}.gb_frequency_events({YEAR}) ORDER BY since"
    found = values(client, sql)
    assert found == events_of(market)
    assert len(found) > 50
    assert {each[3] for each in found} == {"BELOW", "ABOVE"}


def test_seconds_outside_are_those_of_the_events(client, market):
    (outside,) = values(
        client, f"SELECT SUM(secondsOutside) FROM {RANDOM}.gb_frequency"
    )
    sql = f"SELECT SUM(seconds) FROM {RANDOM}.gb_frequency_events({YEAR})"
    assert values(client, sql) == [outside]


@pytest.fixture(scope="module")
def far_files(client, bigquery_data):
    """The files with a sample of another day than that of `NOON`."""
    make_market(client, "days", REGISTRY)
    made = [sample(at, 49.0) for at in (NOON, NOON - timedelta(days=90))]
    return stored_files(client, bigquery_data, "days.bmrs_freq_iris", made)


@pytest.mark.parametrize("name", ["gb_frequency_between", "gb_frequency_events"])
def test_a_question_about_a_day_opens_no_file_of_another(client, far_files, name):
    times = "TIMESTAMP '2026-05-06', TIMESTAMP '2026-05-07'"
    sql = f"SELECT COUNT(*) FROM days.{name}({times})"
    with hidden(far_files):
        assert values(client, sql) == [(1,)]
        with pytest.raises(BadRequest, match="Cannot open file"):
            values(client, "SELECT SUM(frequency) FROM days.bmrs_freq_iris")
