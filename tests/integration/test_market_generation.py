"""`gb_generation` and `gb_generation_half_hours`, by hand and against a model."""

import random
from collections import defaultdict
from collections.abc import Iterator
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
from tests.integration.market_fixture import make_market, rows, store, values
from tests.integration.pruning_fixture import store_lost
from tests.integration.random_units import Row

pytestmark = pytest.mark.integration

REGISTRY = registry_of("FUELINST", "FUELHH")
MADE = "generated"
NOON = datetime(2026, 5, 6, 11, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    make_market(client, MADE, REGISTRY)
    return client


def fuel_row(
    fuel: str, start: datetime, generation: int, lasts: timedelta, revision: int = 0
) -> Row:
    """A row of FUELINST or FUELHH; a revision is published an hour after another."""
    published = start + lasts + timedelta(hours=revision)
    return {
        "publishTime": published.isoformat(),
        **period_of(start),
        "fuelType": fuel,
        "generation": generation,
        "message_id": f"{fuel} {published.isoformat()}",
    }


def five(fuel: str, minute: int, generation: int, revision: int = 0) -> Row:
    start = NOON + timedelta(minutes=minute)
    return fuel_row(fuel, start, generation, FIVE_MINUTES, revision)


def half(fuel: str, minute: int, generation: int, revision: int = 0) -> Row:
    start = NOON + timedelta(minutes=minute)
    return fuel_row(fuel, start, generation, HALF_HOUR, revision)


@pytest.fixture
def fill(client):
    """Stores rows of FUELINST and FUELHH instead of those of before."""

    def stored(inst: list[Row], hh: list[Row] = ()) -> None:
        store(client, f"{MADE}.bmrs_fuelinst_iris", [*inst])
        store(client, f"{MADE}.bmrs_fuelhh_iris", [*hh])

    return stored


def listed(client: bigquery.Client, columns: str, source: str) -> list[tuple[Any, ...]]:
    found = values(client, f"SELECT {columns} FROM {MADE}.{source}")
    return sorted(found, key=lambda row: [(value is None, value) for value in row])


PAGE = [five("WIND", minute, 5000 + 20 * minute) for minute in range(0, 30, 5)]
PAGE += [five("INTFR", 0, -900), five("INTFR", 5, -800), five("PS", 0, -700)]
PAGE += [five("WIND", 0, 4940, revision=1)]


def test_the_example_of_five_minutes(client, fill):
    fill(PAGE)
    columns = "fuelType, country, interconnector, generation"
    where = f"startTime = TIMESTAMP '{NOON:%F %T}'"
    assert listed(client, columns, f"gb_generation WHERE {where}") == [
        ("INTFR", "France", "IFA", -900),
        ("PS", None, None, -700),
        ("WIND", None, None, 4940),
    ]


def test_the_example_of_half_hours(client, fill):
    fill(PAGE, [half("WIND", 0, 5255), half("WIND", 0, 5251, revision=1)])
    columns = "settlementPeriod, fuelType, generation, dataset, fiveMinuteValues"
    assert listed(client, columns, "gb_generation_half_hours") == [
        (25, "INTFR", -850.0, "FUELINST", 2),
        (25, "PS", -700.0, "FUELINST", 1),
        (25, "WIND", 5251.0, "FUELHH", 6),
    ]


def test_a_half_hour_has_its_date_and_start(client, fill):
    fill(PAGE)
    columns = "DISTINCT settlementDate, settlementPeriod, startTime"
    assert listed(client, columns, "gb_generation_half_hours") == [(DAY, 25, NOON)]


def test_until_fuelhh_is_there_the_mean_of_six_values_stands_for_it(client, fill):
    fill(PAGE)
    where = "gb_generation_half_hours WHERE fuelType = 'WIND'"
    found = listed(client, "generation, dataset, fiveMinuteValues", where)
    assert found == [(5240.0, "FUELINST", 6)]


def test_a_half_hour_that_only_fuelhh_has_counts_no_five_minute_values(client, fill):
    fill([], [half("COAL", 0, 0)])
    columns = "fuelType, generation, dataset, fiveMinuteValues"
    assert listed(client, columns, "gb_generation_half_hours") == [
        ("COAL", 0.0, "FUELHH", 0)
    ]


def test_every_interconnector_has_its_country_and_cable(client, fill):
    cables = {
        "INTELEC": ("France", "ElecLink"),
        "INTEW": ("Ireland", "East-West"),
        "INTFR": ("France", "IFA"),
        "INTGRNL": ("Ireland", "Greenlink"),
        "INTIFA2": ("France", "IFA2"),
        "INTIRL": ("Northern Ireland", "Moyle"),
        "INTNED": ("Netherlands", "BritNed"),
        "INTNEM": ("Belgium", "Nemo Link"),
        "INTNSL": ("Norway", "North Sea Link"),
        "INTVKL": ("Denmark", "Viking Link"),
    }
    fill([five(code, 0, 100) for code in cables])
    columns = "fuelType, country, interconnector"
    expected = [(code, *names) for code, names in cables.items()]
    assert listed(client, columns, "gb_generation") == expected
    assert listed(client, columns, "gb_generation_half_hours") == expected


def test_the_interval_has_its_begin_and_not_its_end(client, fill):
    fill([five("WIND", minute, minute) for minute in range(0, 65, 5)])
    interval = "TIMESTAMP '2026-05-06 11:10:00', TIMESTAMP '2026-05-06 11:55:00'"
    found = listed(client, "generation", f"gb_generation_between({interval})")
    assert found == [(minute,) for minute in range(10, 55, 5)]
    half_hours = f"gb_generation_half_hours_between({interval})"
    assert listed(client, "settlementPeriod", half_hours) == [(26,)]


def day_of_random_rows(day: date, seed: int) -> Iterator[tuple[str, Row]]:
    """All half-hours of a day and of its neighbours, with gaps and revisions."""
    chance = random.Random(seed)
    for step in range(-12, 12 * 26):
        start = midnight(day) + step * FIVE_MINUTES
        for fuel in ("WIND", "INTFR", "PS"):
            for revision in range(chance.choice((0, 1, 1, 1, 2))):
                value = chance.randint(-900, 900)
                yield (
                    "FUELINST",
                    fuel_row(fuel, start, value, FIVE_MINUTES, revision),
                )
            if step % 6 == 0:
                for revision in range(chance.choice((0, 0, 1, 2))):
                    value = chance.randint(-900, 900)
                    yield "FUELHH", fuel_row(fuel, start, value, HALF_HOUR, revision)


def model(stored: list[tuple[str, Row]], day: date) -> dict[Any, Any]:
    """The half-hours of a day, by instants alone."""
    latest: dict[tuple[str, str, datetime], tuple[str, int]] = {}
    for name, row in stored:
        key = name, row["fuelType"], datetime.fromisoformat(row["startTime"])
        version = row["publishTime"], row["generation"]
        latest[key] = max(latest.get(key, version), version)
    six: dict[tuple[str, datetime], list[int]] = defaultdict(list)
    for (name, fuel, start), (_, value) in latest.items():
        begin = start - timedelta(seconds=start.timestamp() % 1800)
        if name == "FUELINST" and start.astimezone(LONDON).date() == day:
            six[fuel, begin].append(value)
    found = {
        key: (sum(some) / len(some), "FUELINST", len(some)) for key, some in six.items()
    }
    for (name, fuel, start), (_, value) in latest.items():
        if name == "FUELHH" and start.astimezone(LONDON).date() == day:
            found[fuel, start] = (value, "FUELHH", len(six.get((fuel, start), [])))
    return found


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_random_half_hours_are_those_of_the_model(client, fill, day):
    stored = list(day_of_random_rows(day, 3))
    fill(
        [row for name, row in stored if name == "FUELINST"],
        [row for name, row in stored if name == "FUELHH"],
    )
    found = rows(
        client,
        f"SELECT * FROM {MADE}.gb_generation_half_hours "
        f"WHERE settlementDate = DATE '{day}'",
    )
    starts = dict(enumerate(half_hours(day), 1))
    assert {row["settlementPeriod"]: row["startTime"] for row in found} == starts
    assert {
        (row["fuelType"], row["startTime"]): (
            *(pytest.approx(row["generation"]), row["dataset"]),
            row["fiveMinuteValues"],
        )
        for row in found
    } == model(stored, day)


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("name", ["gb_generation", "gb_generation_half_hours"])
def test_the_function_has_the_rows_of_the_view(client, fill, name, day):
    stored = list(day_of_random_rows(day, 7))
    fill(
        [row for dataset, row in stored if dataset == "FUELINST"],
        [row for dataset, row in stored if dataset == "FUELHH"],
    )
    local = f"TIMESTAMP('{day}', 'Europe/London')"
    end = f"TIMESTAMP('{day + timedelta(days=1)}', 'Europe/London')"
    function = f"{name}_between({local}, {end})"
    view = f"{name} WHERE settlementDate = DATE '{day}'"
    assert listed(client, "*", function) == listed(client, "*", view)


@pytest.fixture
def lost(client, bigquery_data, fill) -> None:
    """Rows of the day, and of another day whose rows cannot be read."""
    fill(PAGE, [half("WIND", 0, 5251)])
    other = datetime(2026, 5, 8, 11, tzinfo=UTC)
    for name, lasts in (("fuelinst", FIVE_MINUTES), ("fuelhh", HALF_HOUR)):
        row = fuel_row("WIND", other, 5000, lasts)
        store_lost(client, bigquery_data, f"{MADE}.bmrs_{name}_iris", [row])


@pytest.mark.parametrize("name", ["gb_generation", "gb_generation_half_hours"])
@pytest.mark.usefixtures("lost")
class TestOneDay:
    """Each table has a day that cannot be read."""

    def test_without_a_day_all_days_are_read(self, client, name):
        with pytest.raises(GoogleAPICallError, match="parquet"):
            listed(client, "*", name)

    def test_a_filter_on_the_day_reads_no_other_day(self, client, name):
        assert listed(client, "*", f"{name} WHERE settlementDate = DATE '{DAY}'")

    def test_the_function_reads_no_other_day(self, client, name):
        interval = "TIMESTAMP '2026-05-06', TIMESTAMP '2026-05-07'"
        assert listed(client, "*", f"{name}_between({interval})")
