"""`gb_wind`: by hand, and against a model."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from tests.integration.half_hours_fixture import (
    DAY,
    DAYS,
    HALF_HOUR,
    half_hours,
    midnight,
    period_of,
)
from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, rows, store
from tests.integration.pruning_fixture import store_lost
from tests.integration.random_units import Row

pytestmark = pytest.mark.integration

REGISTRY = registry_of("WINDFOR", "FUELHH")
MADE = "windy"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    make_market(client, MADE, REGISTRY)
    return client


def point(published: datetime, start: datetime, generation: int) -> Row:
    return {
        "publishTime": published.isoformat(),
        "startTime": start.isoformat(),
        "generation": generation,
    }


def outturn(
    start: datetime, generation: int, revision: int = 0, fuel: str = "WIND"
) -> Row:
    published = start + HALF_HOUR + revision * HOUR
    return {
        "publishTime": published.isoformat(),
        "fuelType": fuel,
        "generation": generation,
        **period_of(start),
    }


@pytest.fixture
def fill(client):
    """Stores rows of WINDFOR and FUELHH instead of those of before."""

    def stored(points: list[Row], outturns: list[Row] = ()) -> None:
        store(client, f"{MADE}.bmrs_windfor_iris", [*points])
        store(client, f"{MADE}.bmrs_fuelhh_iris", [*outturns])

    return stored


def found(
    client: bigquery.Client, begin: datetime, end: datetime, hours: int
) -> list[dict[str, Any]]:
    interval = f"TIMESTAMP '{begin:%F %T}', TIMESTAMP '{end:%F %T}', {hours}"
    sql = f"SELECT * FROM {MADE}.gb_wind({interval}) ORDER BY startTime"
    return rows(client, sql)


def utc(hour: int, minute: int = 0, *, day: int = 6) -> datetime:
    return datetime(2026, 5, day, hour, minute, tzinfo=UTC)


EXAMPLE = [
    *(point(utc(3, 30), utc(hour), 9_000 + 100 * hour) for hour in (9, 10, 11, 12)),
    *(point(utc(6, 30), utc(hour), 8_000 + 100 * hour) for hour in (9, 10, 11, 12)),
]
OUTTURNS = [
    *(outturn(utc(10), 9_200), outturn(utc(10, 30), 9_100)),
    *(outturn(utc(10), 9_250, revision=1), outturn(utc(10), 7, fuel="PS")),
]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        # The publication of 06:30 was known 4 hours before 10:30, not before 10:00.
        (4, [(10_000, utc(3, 30), 750), (9_000, utc(6, 30), -100)]),
        (3, [(9_000, utc(6, 30), -250), (9_000, utc(6, 30), -100)]),
        (7, [(None, None, None), (10_000, utc(3, 30), 900)]),
    ],
)
def test_the_example(client, fill, hours, expected):
    fill(EXAMPLE, OUTTURNS)
    listed = found(client, utc(10), utc(11), hours)
    assert [list(row.values()) for row in listed] == [
        [DAY, period, start, forecast, published, outturn, error]
        for (forecast, published, error), (period, start, outturn) in zip(
            expected, [(23, utc(10), 9_250), (24, utc(10, 30), 9_100)], strict=True
        )
    ]


def test_a_half_hour_ahead_has_a_forecast_and_no_error(client, fill):
    fill(EXAMPLE)
    (row,) = found(client, utc(12), utc(12, 30), 1)
    names = ("forecast", "generation", "forecastError")
    assert [row[name] for name in names] == [9_200, None, None]


def test_the_interval_has_its_begin_and_not_its_end(client, fill):
    fill(EXAMPLE, OUTTURNS)
    listed = found(client, utc(10, 1), utc(11, 30), 1)
    assert [row["startTime"] for row in listed] == [utc(10, 30), utc(11)]


def test_a_forecast_published_exactly_then_was_known(client, fill):
    fill(EXAMPLE)
    (row,) = found(client, utc(9, 30), utc(10), 3)
    assert row["forecastPublishTime"] == utc(6, 30)


def test_an_earlier_publication_fills_no_gap_of_a_later_one(client, fill):
    fill([row for row in EXAMPLE if row["generation"] != 9_000])
    listed = found(client, utc(9), utc(12), 1)
    starts = [row["startTime"] for row in listed]
    assert starts == [utc(9), utc(9, 30), utc(11), utc(11, 30)]


def random_points(day: date, chance: random.Random) -> list[Row]:
    """Publications around a day, with gaps, revisions and late first points."""
    points = []
    for hour in range(-80, 26, 3):
        published = midnight(day) + hour * HOUR + timedelta(minutes=10)
        first = published.replace(minute=0) + chance.choice((-6, -6, -6, 5)) * HOUR
        for number in range(chance.choice((30, 60, 72))):
            if chance.random() < 0.85:
                value = chance.randint(0, 17_000)
                points.append(point(published, first + number * HOUR, value))
    return points


def model(
    points: list[Row], outturns: list[Row], day: date, hours: int
) -> list[list[Any]]:
    """The rows of a day."""
    publications: dict[datetime, dict[datetime, int]] = {}
    for row in points:
        published = datetime.fromisoformat(row["publishTime"])
        start = datetime.fromisoformat(row["startTime"])
        publications.setdefault(published, {})[start] = row["generation"]
    real: dict[datetime, tuple[str, int]] = {}
    for row in outturns:
        start = datetime.fromisoformat(row["startTime"])
        version = row["publishTime"], row["generation"]
        real[start] = max(real.get(start, version), version)
    listed: list[list[Any]] = []
    for number, start in enumerate(half_hours(day), 1):
        known = [
            published
            for published, of_it in publications.items()
            if published + hours * HOUR <= start and min(of_it) <= start
        ]
        value = publications[max(known)].get(start.replace(minute=0)) if known else None
        published = None if value is None else max(known)
        _, outturn = real.get(start, (None, None))
        error = None if None in (value, outturn) else value - outturn
        if value is not None or outturn is not None:
            listed.append([day, number, start, value, published, outturn, error])
    return listed


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("hours", [0, 1, 13, 48])
def test_random_half_hours_are_those_of_the_model(client, fill, day, hours):
    chance = random.Random(hours)
    points = random_points(day, chance)
    outturns = [
        outturn(start, chance.randint(0, 17_000), revision)
        for start in half_hours(day)
        for revision in range(chance.choice((0, 1, 1, 2)))
    ]
    fill(points, outturns)
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    listed = found(client, begin, end, hours)
    expected = model(points, outturns, day, hours)
    assert [list(row.values()) for row in listed] == expected


def test_the_function_reads_no_other_day(client, bigquery_data, fill):
    """Days before and after are lost, but for those that forecasts need."""
    fill(EXAMPLE, OUTTURNS)
    for published in (utc(12, day=7), utc(12) - timedelta(days=9)):
        lost = point(published, published + HOUR, 9_000)
        store_lost(client, bigquery_data, f"{MADE}.bmrs_windfor_iris", [lost])
        real = outturn(published, 9_000)
        store_lost(client, bigquery_data, f"{MADE}.bmrs_fuelhh_iris", [real])
    assert len(found(client, utc(10), utc(11), 4)) == 2
    with pytest.raises(GoogleAPICallError, match="parquet"):
        found(client, utc(10), utc(13, day=7), 0)
