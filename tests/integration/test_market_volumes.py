"""`gb_acceptance_volumes`: by hand, and beside a model that knows no SQL."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from sql.apply import apply_views
from tests.integration.far_day import hidden
from tests.integration.history_fixture import registry_of
from tests.integration.made_units import accepted, around, battery, line
from tests.integration.market_fixture import make_market, rows, store, values
from tests.integration.random_units import Row, random_unit
from tests.integration.random_units import rows as rows_of
from tests.integration.settlement_model import (
    Unit,
    settlement_period,
    volumes,
)

pytestmark = pytest.mark.integration

REGISTRY = registry_of("BOALF", "PN", "BOD")
UNITS = 210
SOURCES = (
    "gb_acceptance_volumes",
    "gb_acceptance_volumes_between(TIMESTAMP '2026-01-01', TIMESTAMP '2027-01-01')",
)
MADE, RANDOM = "made", "random"
DAY = date(2026, 5, 6)


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    for name in (MADE, RANDOM):
        make_market(client, name, REGISTRY)
    units = [random_unit(f"U-{number}", number) for number in range(UNITS)]
    fill(client, RANDOM, units)
    return client


def fill(client: bigquery.Client, dataset: str, units: list[Unit]) -> None:
    """The rows of the units instead of those of before."""
    tables: dict[str, list[Row]] = {name: [] for name in REGISTRY}
    for unit in units:
        for name, row in rows_of(unit):
            tables[name].append(row)
    for name, found in tables.items():
        store(client, f"{dataset}.{REGISTRY[name].table}", found)


@pytest.fixture(scope="module")
def cases(client) -> dict[str, list[dict[str, Any]]]:
    """The rows of the function for the units of all cases, by unit."""
    fill(client, MADE, list(CASES.values()))
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    sql = (
        f"SELECT * FROM {MADE}.{SOURCES[1]} "
        "ORDER BY settlementDate, settlementPeriod, acceptanceNumber, pairId"
    )
    for row in rows(client, sql):
        found[row["nationalGridBmUnit"]].append(row)
    return found


@pytest.fixture
def ask(cases):
    """Some columns of the rows of one case."""

    def answer(unit: str, *columns: str) -> list[tuple[Any, ...]]:
        return [
            tuple(
                round(row[name], 3) if isinstance(row[name], float) else row[name]
                for name in columns
            )
            for row in cases[unit]
        ]

    return answer


UP = (line(0, 6, 100, 160), line(6, 30, 160))
# Local midnights, with the half-hours before and after them.
MIDNIGHTS = {
    "2026-01-15T00:00": ((date(2026, 1, 14), 48), (date(2026, 1, 15), 1)),
    "2026-05-06T23:00": ((date(2026, 5, 6), 48), (date(2026, 5, 7), 1)),
    "2026-03-29T23:00": ((date(2026, 3, 29), 46), (date(2026, 3, 30), 1)),
    "2026-10-26T00:00": ((date(2026, 10, 25), 50), (date(2026, 10, 26), 1)),
}
# What is said of an acceptance around midnight, and the MWh before and after it.
CROSSINGS = {
    "once": ([(-15, 6, "ORI")], 5, 2),
    "amended to before": ([(-15, 6, "ORI"), (-15, -3, "UPD")], 4, 0),
    "amended to after": ([(-15, 6, "ORI"), (3, 6, "UPD")], 0, 1),
    "withdrawn": ([(-15, 6, "ORI"), (-15, 6, "DEL")], 0, 0),
}
CASES = {
    "ramp": battery(accepted(1, *UP)),
    "undone": battery(accepted(1, line(0, 30, 70)), accepted(2, line(10, 30, 100))),
    "before it": battery(accepted(1, line(0, 30, 160)), accepted(2, line(0, 30, 150))),
    "goes on": battery(accepted(1, line(0, 30, 120)), accepted(2, line(10, 20, 140))),
    "slope": battery(accepted(1, line(0, 30, 100)), notified=line(0, 30, 100, 160)),
    "both": battery(accepted(1, line(0, 30, 120)), accepted(2, line(0, 30, 100, 140))),
    "beyond": battery(accepted(1, line(0, 30, 200)), accepted(2, line(0, 30, 20))),
    "amended": battery(
        accepted(1, *UP),
        accepted(1, line(0, 15, 140), flag="UPD"),
        accepted(1, line(0, 15, 120), flag="UPD"),
    ),
    "withdrawn": battery(
        accepted(1, line(0, 30, 140)),
        accepted(2, line(0, 30, 150)),
        accepted(1, line(0, 30, 140), flag="DEL"),
    ),
    "reserve": battery(
        accepted(1, line(0, 30, 140), reserve=True), accepted(2, line(0, 30, 150))
    ),
    "NO_PN": replace(battery(accepted(1, line(0, 30, 140))), notified=[]),
    "NO_BOD": replace(battery(accepted(1, line(0, 30, 140))), bids=[]),
    **{
        f"{midnight} {name}": around(midnight, *messages)
        for midnight in MIDNIGHTS
        for name, (messages, _, _) in CROSSINGS.items()
    },
}
for name, unit in CASES.items():
    unit.name = name
VOLUMES = ("acceptanceNumber", "pairId", "offerVolume", "bidVolume")


def test_a_ramp_into_the_second_pair(ask):
    """60 MW for 24 minutes, and 6 minutes of ramp: 27 MWh, above 50 MW in pair 2."""
    assert ask("ramp", "settlementPeriod", *VOLUMES, "cashflow") == [
        (25, 1, 1, 22.917, 0, 2062.5),
        (25, 1, 2, 4.083, 0, 490.0),
    ]


def test_a_bid_that_is_undone_is_an_offer_in_the_negative_pair(ask):
    """30 MW less are bought back 10 minutes later, at the offer price of pair -1."""
    assert ask("undone", *VOLUMES, "cashflow") == [
        (1, -1, 0, -15, -900.0),
        (2, -1, 10, 0, 700.0),
    ]


def test_an_acceptance_is_compared_with_the_one_before_it(ask):
    """From 160 to 150 MW is a bid in pair 2, though 150 is above the notified 100."""
    assert ask("before it", *VOLUMES, "cashflow") == [
        (1, 1, 25, 0, 2250.0),
        (1, 2, 5, 0, 600.0),
        (2, 2, 0, -5, -550.0),
    ]


def test_where_a_later_acceptance_ends_the_earlier_one_goes_on(ask):
    assert ask("goes on", *VOLUMES) == [(1, 1, 10, 0), (2, 1, 3.333, 0)]


def test_ranges_follow_a_notified_level_that_slopes(ask):
    """From 100 to 160 MW is notified: held at 100, the unit gives back 15 MWh."""
    assert ask("slope", *VOLUMES) == [(1, -1, 0, -15)]


def test_one_acceptance_can_be_a_bid_and_an_offer_in_one_pair(ask):
    """The level passes that of the acceptance before it in the middle."""
    assert ask("both", *VOLUMES, "cashflow") == [
        (1, 1, 10, 0, 900.0),
        (2, 1, 2.5, -2.5, 25.0),
    ]


def test_what_is_beyond_the_last_pair_is_in_it_and_shown(ask):
    assert ask("beyond", *VOLUMES, "beyondRange", "cashflow") == [
        (1, 1, 25, 0, 0, 2250.0),
        (1, 2, 25, 0, 5, 3000.0),
        (2, -1, 0, -40, 10, -2400.0),
        (2, 1, 0, -25, 0, -2000.0),
        (2, 2, 0, -25, 5, -2750.0),
    ]


def test_the_last_amendment_counts_with_all_its_segments(ask):
    assert ask("amended", *VOLUMES) == [(1, 1, 5, 0)]


def test_a_withdrawn_acceptance_has_no_volume_and_moves_no_other(ask):
    assert ask("withdrawn", *VOLUMES) == [(2, 1, 25, 0)]


def test_a_replacement_reserve_instruction_moves_the_level_and_has_no_volume(ask):
    assert ask("reserve", *VOLUMES) == [(2, 1, 5, 0)]


@pytest.mark.parametrize("reason", ["NO_PN", "NO_BOD"])
def test_an_acceptance_without_a_notification_or_bids_is_listed_with_the_reason(
    ask, reason
):
    assert ask(reason, *VOLUMES, "reason") == [(1, None, None, None, reason)]


@pytest.mark.parametrize("what", CROSSINGS)
@pytest.mark.parametrize("midnight", MIDNIGHTS)
def test_each_day_has_its_part_of_an_acceptance_over_midnight(ask, midnight, what):
    expected = [
        (*half_hour, volume)
        for half_hour, volume in zip(
            MIDNIGHTS[midnight], CROSSINGS[what][1:], strict=True
        )
        if volume
    ]
    columns = ("settlementDate", "settlementPeriod", "offerVolume")
    assert ask(f"{midnight} {what}", *columns) == expected


def test_the_view_for_one_day_has_the_rows_of_the_function(client, cases):
    """Both days of each midnight, one query each."""
    for day in (day for pair in MIDNIGHTS.values() for day, _ in pair):
        columns = "nationalGridBmUnit, acceptanceNumber, ROUND(offerVolume, 3)"
        sql = (
            f"SELECT {columns} FROM {MADE}.{SOURCES[0]} "
            f"WHERE settlementDate = DATE '{day}' AND pairId > 0"
        )
        expected = [
            (name, row["acceptanceNumber"], round(row["offerVolume"], 3))
            for name, found in cases.items()
            for row in found
            if row["settlementDate"] == day and (row["pairId"] or 0) > 0
        ]
        assert sorted(values(client, sql)) == sorted(expected)


def test_the_function_has_the_half_hours_that_begin_in_its_time(client, cases):
    sql = (
        f"SELECT DISTINCT startTime FROM {MADE}.gb_acceptance_volumes_between("
        "TIMESTAMP '2026-05-06 22:30:00+00', TIMESTAMP '2026-05-06 23:00:00+00')"
    )
    assert values(client, sql) == [(datetime(2026, 5, 6, 22, 30, tzinfo=UTC),)]


def test_a_notification_of_a_historic_table_counts(client):
    """IRIS has the bids and the acceptance, the user's table the notification."""
    make_market(client, "old", REGISTRY)
    unit = battery(accepted(1, line(0, 30, 120)))
    fill(client, "old", [replace(unit, notified=[])])
    client.query_and_wait(
        "CREATE TABLE old.bmrs_pn (settlementDate DATETIME, settlementPeriod INT64, "
        "timeFrom STRING, timeTo STRING, levelFrom INT64, levelTo INT64, "
        "nationalGridBmUnit STRING, bmUnit STRING)"
    )
    client.query_and_wait(
        "INSERT INTO old.bmrs_pn VALUES (DATETIME '2026-05-06', 25, "
        "'2026-05-06T11:00:00Z', '2026-05-06T11:30:00Z', 100, 100, 'U-1', 'T_U-1')"
    )
    assert apply_views(client, "old", REGISTRY).conflicts == []
    for source in SOURCES:
        sql = f"SELECT pairId, ROUND(offerVolume, 3) FROM old.{source}"
        assert values(client, sql) == [(1, 10)]


@pytest.fixture(scope="module")
def expected() -> dict[tuple[Any, ...], Any]:
    units = [random_unit(f"U-{number}", number) for number in range(UNITS)]
    return {(u.name, *key): one for u in units for key, one in volumes(u).items()}


@pytest.mark.parametrize("source", SOURCES, ids=["view", "function"])
def test_random_units_have_the_volumes_of_the_model(client, expected, source):
    """To 2 kWh and 1 GBP: the model samples, and cannot be more exact."""
    found: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0.0] * 4)
    sql = f"SELECT * FROM {RANDOM}.{source} WHERE pairId IS NOT NULL"
    for row in rows(client, sql):
        names = ("settlementDate", "settlementPeriod", "acceptanceNumber", "pairId")
        key = (row["nationalGridBmUnit"], *(row[name] for name in names))
        assert key not in found
        numbers = ("offerVolume", "bidVolume", "beyondRange", "cashflow")
        found[key] = [row[name] for name in numbers]
    wrong = {}
    for key in expected.keys() | found.keys():
        one = expected.get(key)
        model = [one.offer, one.bid, one.beyond, one.cash] if one else [0.0] * 4
        away = [abs(a - b) for a, b in zip(model, found[key], strict=True)]
        if max(away[:3]) > 0.002 or away[3] > 1:
            wrong[key] = (model, found[key])
    assert wrong == {}
    assert len(found) > 1_000


def test_the_random_units_have_all_that_is_hard(expected):
    units = [random_unit(f"U-{number}", number) for number in range(UNITS)]
    said = [message for unit in units for message in unit.messages]
    assert {message.flag for message in said} == {"ORI", "UPD", "DEL"}
    assert any(message.reserve for message in said)
    assert any(one.beyond > 1 for one in expected.values())
    assert any(one.offer > 1 and one.bid < -1 for one in expected.values())
    assert any(key[4] < 0 and one.offer > 1 for key, one in expected.items())
    assert {key[2] for key in expected} >= {1, 2, 46, 48, 49, 50}


@pytest.fixture(scope="module")
def far_files(client, bigquery_data) -> dict[str, set[Path]]:
    """The files of tables with the rows of another day than `DAY`, by dataset."""
    make_market(client, "days", REGISTRY)
    files = {}
    for number, unit in enumerate(
        (
            battery(accepted(1, *UP)),
            around("2026-01-15T00:00", (-9, 9, "ORI")),
        )
    ):
        for name, dataset in REGISTRY.items():
            there = set(bigquery_data.rglob("*.parquet"))
            found = [row for kind, row in rows_of(unit) if kind == name]
            for place, row in enumerate(found):
                row |= {"source": "IRIS", "record_id": f"{number} {place}"}
            table = client.get_table(f"days.{dataset.table}")
            config = bigquery.LoadJobConfig(schema=table.schema)
            client.load_table_from_json(found, table, job_config=config).result()
            files[name] = set(bigquery_data.rglob("*.parquet")) - there
    return files


ONE_DAY = {
    "view": f"SELECT COUNT(*) FROM days.{SOURCES[0]} "
    f"WHERE settlementDate = DATE '{DAY}'",
    "function": "SELECT COUNT(*) FROM days.gb_acceptance_volumes_between("
    f"TIMESTAMP '{DAY}', TIMESTAMP '{DAY + timedelta(days=1)}')",
}


@pytest.mark.parametrize(
    ("asked", "dataset"),
    [("view", "PN"), ("view", "BOD"), *(("function", name) for name in REGISTRY)],
)
def test_a_question_about_a_day_opens_no_file_of_another(
    client, far_files, asked, dataset
):
    with hidden(far_files[dataset]):
        assert values(client, ONE_DAY[asked]) == [(2,)]
        with pytest.raises(BadRequest, match="Cannot open file"):
            values(client, f"SELECT SUM(levelFrom) FROM days.{REGISTRY[dataset].table}")


def test_the_model_counts_half_hours_as_the_days_have_them():
    assert settlement_period(datetime(2026, 10, 25, 23, 30, tzinfo=UTC)) == (
        date(2026, 10, 25),
        50,
    )
