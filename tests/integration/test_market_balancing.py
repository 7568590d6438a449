"""`gb_unit_balancing`, and the check that compares it with what is published."""

import json
from datetime import date
from typing import Any

import pytest
from google.cloud import bigquery

from sql.__main__ import main
from sql.check import command as check
from tests.integration.history_fixture import registry_of
from tests.integration.made_units import accepted, battery, line
from tests.integration.market_fixture import make_market, rows, store, values
from tests.integration.random_units import Row
from tests.integration.random_units import rows as rows_of
from tests.integration.settlement_model import Unit

pytestmark = pytest.mark.integration

REGISTRY = registry_of("BOALF", "PN", "BOD", "BOAV", "EBOCF")
MADE = "balanced"
DAY = date(2026, 5, 6)
# Up and then down by more: 25 MWh are offered, and 20 + 25 taken back and bid.
BUSY = battery(accepted(1, line(0, 30, 150)), accepted(2, line(0, 30, 60)))
BETWEEN = (
    "gb_unit_balancing_between(TIMESTAMP '2026-05-06', TIMESTAMP '2026-05-07 12:00:00')"
)
COLUMNS = ("offerVolume", "bidVolume", "cashflow")
PUBLISHED = ("publishedOfferVolume", "publishedBidVolume", "publishedCashflow")


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    make_market(client, MADE, REGISTRY)
    return client


def published(unit: str, **values: Any) -> Row:
    """A row of BOAV or EBOCF for 12:00 to 12:30."""
    return {
        "createdDateTime": "2026-05-07T08:00:00Z",
        "settlementDate": str(DAY),
        "settlementPeriod": 25,
        "startTime": "2026-05-06T11:00:00Z",
        "nationalGridBmUnit": unit,
        "bmUnit": f"T_{unit}",
        **values,
    }


def volumes_of(unit: str, acceptance: int, **pairs: float) -> Row:
    total = sum(pairs.values())
    return published(
        unit, acceptanceId=acceptance, totalVolumeAccepted=total, pairVolumes=pairs
    )


def cashflow_of(unit: str, total: float) -> Row:
    pairs = {"positive1": total}
    return published(unit, totalCashflow=total, bidOfferPairCashflows=pairs)


AGREEING = (
    [
        volumes_of("U-1", 1, positive1=25.0),
        volumes_of("U-1", 2, positive1=-25.0, negative1=-20.0),
    ],
    [cashflow_of("U-1", 25 * 90 - 25 * 80 - 20 * 60)],
)


@pytest.fixture
def fill(client):
    """Stores units, volumes and cashflows instead of those of before."""

    def stored(
        units: list[Unit], volumes: list[Row] = (), cashflows: list[Row] = ()
    ) -> None:
        tables: dict[str, list[Row]] = {name: [] for name in REGISTRY}
        for name, row in (pair for unit in units for pair in rows_of(unit)):
            tables[name].append(row)
        tables["BOAV"], tables["EBOCF"] = [*volumes], [*cashflows]
        for name, found in tables.items():
            store(client, f"{MADE}.{REGISTRY[name].table}", found)

    return stored


def compared(client, source: str = BETWEEN) -> list[dict[str, Any]]:
    sql = f"SELECT * FROM {MADE}.{source} ORDER BY nationalGridBmUnit"
    return rows(client, sql)


def test_computed_and_published_are_beside_each_other(client, fill):
    fill([BUSY], *AGREEING)
    (row,) = compared(client)
    assert (row["settlementDate"], row["settlementPeriod"]) == (DAY, 25)
    assert (row["bmUnit"], row["acceptances"]) == ("T_U-1", 2)
    assert [round(row[name], 6) for name in COLUMNS] == [25, -45, -950]
    assert [row[name] for name in PUBLISHED] == [25, -45, -950]
    differences = [row[f"{name}Difference"] for name in COLUMNS]
    assert differences == pytest.approx([0, 0, 0], abs=1e-6)


def test_the_view_has_the_rows_of_the_function(client, fill):
    fill([BUSY], *AGREEING)
    view = f"gb_unit_balancing WHERE settlementDate = DATE '{DAY}'"
    assert compared(client, view) == compared(client)


def test_before_anything_is_published_there_is_no_difference(client, fill):
    fill([BUSY])
    (row,) = compared(client)
    assert [row[name] for name in PUBLISHED] == [None, None, None]
    assert row["cashflowDifference"] is None


def test_a_unit_that_only_one_side_names_has_0_on_the_other(client, fill):
    fill([BUSY], [volumes_of("U-2", 9, positive1=4.0)], [cashflow_of("U-2", 400.0)])
    names = ("nationalGridBmUnit", *COLUMNS, *PUBLISHED)
    assert [
        tuple(round(row[name], 3) if name in names[1:] else row[name] for name in names)
        for row in compared(client)
    ] == [("U-1", 25, -45, -950, 0, 0, 0), ("U-2", 0, 0, 0, 4, 0, 400)]


def test_what_cannot_be_computed_is_not_compared(client, fill):
    unit = battery(accepted(1, line(0, 30, 150)))
    unit.bids.clear()
    fill([unit], [volumes_of("U-1", 1, positive1=25.0)])
    (row,) = compared(client)
    assert (row["reason"], row["offerVolume"], row["publishedOfferVolume"]) == (
        *("NO_BOD", None),
        25,
    )
    assert row["offerVolumeDifference"] is None


@pytest.fixture
def checked(monkeypatch, capsys):
    """The results of the check by dataset, and its exit code with --strict."""

    def run() -> tuple[int, dict[str | None, dict[str, Any]]]:
        monkeypatch.setattr(check, "load_registry", lambda: REGISTRY)
        arguments = ["check", "--project", "gb-iris", "--dataset", MADE, "--strict"]
        arguments += ["--only", "balancing", "--at", "2026-05-08T09:00:00Z"]
        code = main([*arguments, "--format", "json"])
        results = json.loads(capsys.readouterr().out)["results"]
        found = [result for result in results if result["check"] == "balancing"]
        return code, {result["dataset"]: result for result in found}

    return run


def test_the_check_is_content_if_both_agree(fill, checked):
    fill([BUSY], *AGREEING)
    code, results = checked()
    assert code == 0
    assert [result["status"] for result in results.values()] == ["ok", "ok"]
    assert results["BOAV"]["detail"] == "0 of 1 half-hours of units differ"


def test_losses_in_a_cashflow_are_no_difference(fill, checked):
    volumes, _ = AGREEING
    fill([BUSY], volumes, [cashflow_of("U-1", -950 * 0.98)])
    assert checked()[0] == 0


def test_the_check_names_the_half_hour_that_differs_most(fill, checked):
    volumes, _ = AGREEING
    more = [volumes_of("U-2", 5, positive1=2.0)]
    fill([BUSY], [volumes[0], *more], [cashflow_of("U-1", -800.0)])
    code, results = checked()
    assert code == 1
    assert results["BOAV"]["detail"] == (
        "2 of 2 half-hours of units differ, most 2026-05-06 half-hour 25 of U-1: "
        "published 25.000 and 0.000, computed 25.000 and -45.000 MWh of offers and bids"
    )
    assert results["EBOCF"]["detail"] == (
        "1 of 2 half-hours of units differ, most 2026-05-06 half-hour 25 of U-1: "
        "published -800.00, computed -950.00 GBP"
    )


def test_the_check_says_that_nothing_is_published(fill, checked):
    fill([BUSY])
    code, results = checked()
    assert code == 0
    assert {result["detail"] for result in results.values()} == {
        "nothing published to compare with"
    }


def test_a_day_of_another_time_is_not_compared(client, fill, checked):
    old = volumes_of("U-2", 5, positive1=2.0) | {
        "settlementDate": "2026-04-06",
        "startTime": "2026-04-06T11:00:00Z",
    }
    fill([BUSY], [*AGREEING[0], old], AGREEING[1])
    assert values(client, f"SELECT COUNT(*) FROM {MADE}.gb_unit_balancing") == [(2,)]
    assert checked()[0] == 0
