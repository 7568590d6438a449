"""`gb_unit_position`: the level that a unit is to follow."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from google.cloud import bigquery

from tests.integration.history_fixture import registry_of
from tests.integration.made_units import MINUTE, START, accepted, battery, line
from tests.integration.market_fixture import make_market, rows, store, values
from tests.integration.random_units import CENTRES, Row, random_unit
from tests.integration.random_units import rows as rows_of
from tests.integration.settlement_model import (
    HALF_HOUR,
    SECONDS,
    Unit,
    asked_levels,
)

pytestmark = pytest.mark.integration

REGISTRY = registry_of("BOALF", "PN", "MELS", "MILS")
CASES, RANDOM = "positions", "random_positions"
UNITS = 70
COLUMNS = "timeFrom, timeTo, levelFrom, levelTo, dataset, acceptanceNumber, limitedBy"


def limit(unit: str, begin: datetime, end: datetime, level: int) -> Row:
    """A declaration of MELS or MILS."""
    return {
        "settlementDate": begin.date().isoformat(),
        "settlementPeriod": 1,
        "timeFrom": begin.isoformat(),
        "timeTo": end.isoformat(),
        "levelFrom": level,
        "levelTo": level,
        "notificationTime": begin.isoformat(),
        "notificationSequence": 1,
        "nationalGridBmUnit": unit,
        "bmUnit": f"T_{unit}",
    }


def fill(
    client: bigquery.Client, dataset: str, units: list[Unit], limits: dict[str, Any]
) -> None:
    make_market(client, dataset, REGISTRY)
    tables: dict[str, list[Row]] = {name: [] for name in REGISTRY} | limits
    for name, row in (pair for unit in units for pair in rows_of(unit)):
        if name in tables:
            tables[name].append(row)
    for name, found in tables.items():
        store(client, f"{dataset}.{REGISTRY[name].table}", found)


def case(name: str, *messages: Any, **more: Any) -> Unit:
    unit = battery(*messages, **more)
    unit.name = name
    return unit


UP = (line(0, 6, 100, 160), line(6, 24, 160))
BY_HAND = (
    case("up", accepted(1, *UP)),
    case("later", accepted(1, line(0, 30, 120)), accepted(2, line(10, 20, 90))),
    case("gone", accepted(1, line(0, 30, 9)), accepted(1, line(0, 30, 9), flag="DEL")),
    case("kept", notified=line(0, 30, -20)),
)
NOON = START - START.hour * 60 * MINUTE
LIMITS = {
    "MELS": [limit("up", NOON, NOON + 1440 * MINUTE, 150)],
    "MILS": [limit("kept", START + 10 * MINUTE, START + 20 * MINUTE, 5)],
}


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    fill(client, CASES, list(BY_HAND), LIMITS)
    return client


def position(client, unit: str, begin: int = 0, end: int = 30) -> list[tuple[Any, ...]]:
    """The segments of a unit between two minutes after 11:00, in minutes."""
    times = (f"TIMESTAMP '{(START + m * MINUTE).isoformat()}'" for m in (begin, end))
    sql = (
        f"SELECT {COLUMNS} FROM {CASES}.gb_unit_position({', '.join(times)}) "
        f"WHERE nationalGridBmUnit = '{unit}' ORDER BY timeFrom"
    )
    return [
        ((first - START) / MINUTE, (last - START) / MINUTE, *rest)
        for first, last, *rest in values(client, sql)
    ]


def test_a_ramp_is_held_at_the_export_limit_and_then_the_notification_counts(client):
    """150 MW are reached after 5 of the 6 minutes of the ramp to 160."""
    assert position(client, "up") == [
        (0, 5, 100, 150, "BOALF", 1, None),
        (5, 24, 150, 150, "BOALF", 1, "MEL"),
        (24, 30, 100, 100, "PN", None, None),
    ]


def test_the_last_acceptance_counts_and_then_the_one_before_it_goes_on(client):
    assert [found[:4] for found in position(client, "later")] == [
        (0, 10, 120, 120),
        (10, 20, 90, 90),
        (20, 30, 120, 120),
    ]


def test_a_withdrawn_acceptance_is_not_followed(client):
    assert position(client, "gone") == [(0, 30, 100, 100, "PN", None, None)]


def test_a_level_below_the_import_limit_is_held_there(client):
    assert position(client, "kept") == [
        (0, 10, -20, -20, "PN", None, None),
        (10, 20, 5, 5, "PN", None, "MIL"),
        (20, 30, -20, -20, "PN", None, None),
    ]


def test_the_segments_are_cut_at_the_ends_of_the_interval(client):
    assert position(client, "up", 3, 25) == [
        (3, 5, 130, 150, "BOALF", 1, None),
        (5, 24, 150, 150, "BOALF", 1, "MEL"),
        (24, 25, 100, 100, "PN", None, None),
    ]


def random_limits(units: list[Unit]) -> dict[str, list[Row]]:
    """Limits of most units, some of which begin or end within the time."""
    limits: dict[str, list[Row]] = {"MELS": [], "MILS": []}
    for number, unit in enumerate(units):
        chance = random.Random(number)
        for name, low, high in (("MELS", 60, 260), ("MILS", -60, 60)):
            centre = CENTRES[number % len(CENTRES)]
            begin = centre + chance.randint(-90, 10) * MINUTE
            end = begin + chance.randint(10, 120) * MINUTE
            if chance.random() < 0.8:
                limits[name].append(
                    limit(unit.name, begin, end, chance.randint(low, high))
                )
    return limits


def test_random_units_are_where_the_model_says(client):
    """Each second of five half-hours, in summer, winter and both clock changes."""
    units = [random_unit(f"U-{number}", number) for number in range(UNITS)]
    limits = random_limits(units)
    fill(client, RANDOM, units, limits)
    sql = (
        f"SELECT * FROM {RANDOM}.gb_unit_position(TIMESTAMP '2026-01-14', "
        "TIMESTAMP '2026-10-27')"
    )
    found: dict[str, list[dict[str, Any]]] = {unit.name: [] for unit in units}
    for row in rows(client, sql):
        found[row["nationalGridBmUnit"]].append(row)
    for number, unit in enumerate(units):
        for step in range(-2, 3):
            start = CENTRES[number % len(CENTRES)] + step * HALF_HOUR
            expected = kept(asked_levels(unit, start), unit.name, limits, start)
            seen = sampled(found[unit.name], start)
            assert np.allclose(seen, expected, atol=1e-3, equal_nan=True), unit.name


def kept(levels: Any, unit: str, limits: dict[str, list[Row]], start: datetime) -> Any:
    """Levels within the limits of a unit."""
    for name, cut in (("MILS", np.fmax), ("MELS", np.fmin)):
        for row in (row for row in limits[name] if row["nationalGridBmUnit"] == unit):
            inside = seconds_of(row, start)
            levels[inside] = np.where(
                np.isnan(levels[inside]),
                np.nan,
                cut(levels[inside], row["levelFrom"]),
            )
    return levels


def seconds_of(row: Row, start: datetime) -> Any:
    """Which middles of seconds of a half-hour a row of times as text covers."""
    begin, end = (
        (datetime.fromisoformat(row[name]) - start).total_seconds()
        for name in ("timeFrom", "timeTo")
    )
    middles = np.arange(SECONDS) + 0.5
    return (middles > begin) & (middles < end)


def sampled(segments: list[dict[str, Any]], start: datetime) -> Any:
    """The level in the middle of each second; NaN where no segment is."""
    levels = np.full(SECONDS, np.nan)
    for row in segments:
        if row["timeTo"] <= start or row["timeFrom"] >= start + HALF_HOUR:
            continue
        begin = (row["timeFrom"] - start) / timedelta(seconds=1)
        length = (row["timeTo"] - row["timeFrom"]) / timedelta(seconds=1)
        share = (np.arange(SECONDS) + 0.5 - begin) / length
        inside = (share >= 0) & (share < 1)
        assert np.isnan(levels[inside]).all(), "segments overlap"
        first, last = row["levelFrom"], row["levelTo"]
        levels[inside] = (first + (last - first) * share)[inside]
    return levels


def test_the_interval_may_begin_before_any_row(client):
    sql = (
        f"SELECT COUNT(*) FROM {CASES}.gb_unit_position(TIMESTAMP '2020-01-01', "
        f"TIMESTAMP '{datetime(2020, 1, 2, tzinfo=UTC)}')"
    )
    assert values(client, sql) == [(0,)]
