"""`gb_demand`: by hand, and against a model."""

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
    LONDON,
    half_hours,
    midnight,
    period_of,
)
from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, rows, store
from tests.integration.pruning_fixture import store_lost
from tests.integration.random_units import Row

pytestmark = pytest.mark.integration

REGISTRY = registry_of("INDO", "ITSDO", "NDF", "TSDF")
MADE = "demanded"
NOON = midnight(DAY) + timedelta(hours=12)
KINDS = {"national": ("INDO", "NDF"), "transmission": ("ITSDO", "TSDF")}
VIEW = f"gb_demand WHERE settlementDate = DATE '{DAY}'"
BETWEEN = (
    "gb_demand_between(TIMESTAMP '2026-05-05 23:00:00', "
    "TIMESTAMP '2026-05-06 23:00:00')"
)


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    make_market(client, MADE, REGISTRY)
    return client


def outturn(start: datetime, demand: int, revision: int = 0) -> Row:
    published = start + HALF_HOUR + timedelta(hours=revision)
    return {"publishTime": published.isoformat(), "demand": demand, **period_of(start)}


def forecast(
    published: datetime, start: datetime, demand: int, boundary: str = "N"
) -> Row:
    return {
        "publishTime": published.isoformat(),
        "boundary": boundary,
        "demand": demand,
        **period_of(start),
    }


@pytest.fixture
def fill(client):
    """Stores rows by dataset, instead of those of before."""

    def stored(**tables: list[Row]) -> None:
        for name, dataset in REGISTRY.items():
            store(client, f"{MADE}.{dataset.table}", tables.get(name, []))

    return stored


def found(client: bigquery.Client, source: str = VIEW) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM {MADE}.{source} ORDER BY startTime"
    return rows(client, sql)


def at(hour: int, minute: int = 0, *, day: int = 6) -> datetime:
    """An instant in May, in London."""
    return datetime(2026, 5, day, hour, minute, tzinfo=LONDON).astimezone(UTC)


EXAMPLE = [
    forecast(at(9, day=5), NOON, 30_900),
    forecast(at(23, 45, day=5), NOON, 31_000),
    forecast(at(0), NOON, 31_500),
    forecast(at(11, 30), NOON, 29_800),
]


def test_the_example(client, fill):
    fill(
        INDO=[outturn(NOON, 30_000), outturn(NOON, 30_050, revision=1)],
        NDF=EXAMPLE,
        ITSDO=[outturn(NOON, 31_000)],
        TSDF=[forecast(at(23, 45, day=5), NOON, 30_800)],
    )
    (row,) = found(client)
    assert list(row.values()) == [
        *(DAY, 25, NOON),
        *(30_050, 31_000, at(23, 45, day=5), 950, 29_800, at(11, 30), -250),
        *(31_000, 30_800, at(23, 45, day=5), -200, 30_800, at(23, 45, day=5), -200),
    ]


def test_the_function_has_the_rows_of_the_view(client, fill):
    fill(INDO=[outturn(NOON, 30_000)], NDF=EXAMPLE)
    assert found(client, BETWEEN) == found(client) != []


def test_a_half_hour_ahead_has_a_forecast_and_no_error(client, fill):
    fill(NDF=EXAMPLE)
    (row,) = found(client)
    assert (row["nationalDayAheadForecast"], row["nationalDemand"]) == (31_000, None)
    assert row["nationalDayAheadError"] is None


def test_a_forecast_of_midnight_is_not_of_the_day_before(client, fill):
    fill(INDO=[outturn(NOON, 30_000)], NDF=[forecast(at(0), NOON, 31_500)])
    (row,) = found(client)
    assert row["nationalDayAheadForecast"] is None
    assert row["nationalLatestForecast"] == 31_500


def test_only_the_national_boundary_counts(client, fill):
    fill(TSDF=[forecast(at(9, day=5), NOON, 700, "B1")])
    assert found(client) == []


def test_a_later_publication_replaces_the_points_that_it_lacks(client, fill):
    """From its first point on, as in the latest view."""
    early, late = at(9, day=5), at(23, day=5)
    fill(
        NDF=[
            *(forecast(early, at(hour), 100 + hour) for hour in (0, 1, 2, 3)),
            *(forecast(late, at(hour), 200 + hour) for hour in (1, 3)),
        ]
    )
    day_ahead = [row["nationalDayAheadForecast"] for row in found(client)]
    assert day_ahead == [100, 201, 203]


def random_day(day: date, seed: int) -> dict[str, list[Row]]:
    """Outturn and publications around a day, with gaps and revisions."""
    chance = random.Random(seed)
    tables: dict[str, list[Row]] = {name: [] for name in REGISTRY}
    for real, planned in KINDS.values():
        for start in half_hours(day):
            for revision in range(chance.choice((0, 1, 1, 2))):
                value = chance.randint(20_000, 40_000)
                tables[real].append(outturn(start, value, revision))
        for hour in range(-30, 24, 3):
            published = midnight(day) + timedelta(hours=hour, minutes=17)
            first = chance.choice((0, 0, 0, 9, 30))
            for start in half_hours(day)[first:]:
                if start > published and chance.random() < 0.8:
                    value = chance.randint(20_000, 40_000)
                    tables[planned].append(forecast(published, start, value))
                    zone = forecast(published, start, value // 9, "B4")
                    tables[planned] += [zone] if planned == "TSDF" else []
    return tables


def last(
    publications: dict[datetime, dict[datetime, int]], start: datetime, before: datetime
) -> tuple[int | None, datetime | None]:
    """The point of the last publication that begins at or before the half-hour."""
    reaching = [
        published
        for published, points in publications.items()
        if published < before and min(points) <= start
    ]
    points = publications[max(reaching)] if reaching else {}
    return (points[start], max(reaching)) if start in points else (None, None)


def model(tables: dict[str, list[Row]], day: date) -> dict[datetime, list[Any]]:
    """The values of each half-hour of the day."""
    expected: dict[datetime, list[Any]] = {start: [] for start in half_hours(day)}
    for real, planned in KINDS.values():
        publications: dict[datetime, dict[datetime, int]] = {}
        for row in tables[planned]:
            if row["boundary"] == "N":
                published = datetime.fromisoformat(row["publishTime"])
                points = publications.setdefault(published, {})
                points[datetime.fromisoformat(row["startTime"])] = row["demand"]
        for start, listed in expected.items():
            versions = [
                (row["publishTime"], row["demand"])
                for row in tables[real]
                if datetime.fromisoformat(row["startTime"]) == start
            ]
            demand = max(versions)[1] if versions else None
            listed.append(demand)
            for before in (midnight(day), midnight(day) + timedelta(days=2)):
                value, published = last(publications, start, before)
                error = None if None in (value, demand) else value - demand
                listed += [value, published, error]
    return expected


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_random_half_hours_are_those_of_the_model(client, fill, day):
    tables = random_day(day, seed=5)
    fill(**tables)
    listed = found(client, f"gb_demand WHERE settlementDate = DATE '{day}'")
    assert [list(row.values()) for row in listed] == [
        [day, number, start, *values]
        for number, (start, values) in enumerate(model(tables, day).items(), 1)
        if any(value is not None for value in values)
    ]


@pytest.fixture
def lost(client, bigquery_data, fill) -> None:
    """Rows of the day, and of another day whose rows cannot be read."""
    fill(INDO=[outturn(NOON, 30_000)], ITSDO=[outturn(NOON, 31_000)], NDF=EXAMPLE)
    other = NOON + timedelta(days=2)
    for name in ("indo", "itsdo"):
        row = outturn(other, 30_000)
        store_lost(client, bigquery_data, f"{MADE}.bmrs_{name}_iris", [row])
    for name in ("ndf", "tsdf"):
        row = forecast(at(9, day=7), other, 30_000)
        store_lost(client, bigquery_data, f"{MADE}.bmrs_{name}_iris", [row])


@pytest.mark.usefixtures("lost")
class TestOneDay:
    """Each table has a day that cannot be read."""

    def test_without_a_day_all_days_are_read(self, client):
        with pytest.raises(GoogleAPICallError, match="parquet"):
            found(client, "gb_demand")

    @pytest.mark.parametrize("source", [VIEW, BETWEEN], ids=["view", "function"])
    def test_one_day_reads_no_other_day(self, client, source):
        assert len(found(client, source)) == 1
