"""The demo's market: what is computed from its messages is what it says of itself."""

from collections import defaultdict
from datetime import date

import pytest
from google.cloud import bigquery

from local.simulator.demo import SEED
from local.simulator.market.acceptances import acceptances
from local.simulator.market.instants import day_and_period, half_hours_of
from local.simulator.market.records import balancing, outturn, physical
from local.simulator.market.settlement import adjustments, settlement
from local.simulator.market.units import UNITS
from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, rows, store
from tests.integration.random_units import Row

pytestmark = pytest.mark.integration

REGISTRY = registry_of(*("BOALF", "PN", "BOD", "BOAV", "EBOCF", "FUELINST", "FUELHH"))
MADE = "demo"
NUMBERS = half_hours_of(date(2026, 6, 10))[12:24]


@pytest.fixture(scope="module")
def found(client: bigquery.Client) -> list[Row]:
    """`gb_unit_balancing` of six hours of the demo."""
    make_market(client, MADE, REGISTRY)
    tables: dict[str, list[Row]] = defaultdict(list)
    for number in NUMBERS:
        about = number * 1800
        tables["PN"] += physical.pn(SEED, UNITS, about)
        tables["BOD"] += physical.bod(SEED, UNITS, about)
        tables["BOAV"] += balancing.boav(SEED, about, about)
        tables["EBOCF"] += balancing.ebocf(SEED, about, about)
        for at in range(about, about + 1800, 300):
            tables["FUELINST"] += outturn.fuelinst(SEED, at, at + 300)
        for acceptance in acceptances(SEED, number):
            tables["BOALF"] += balancing.boalf(acceptance)
    for name, dataset in REGISTRY.items():
        store(client, f"{MADE}.{dataset.table}", tables[name])
    return rows(client, f"SELECT * FROM {MADE}.gb_unit_balancing")


def test_volumes_and_cashflows_are_those_of_boav_and_ebocf(found):
    """Whose numbers have three decimals, for each acceptance."""
    assert len(found) > 50
    for row in found:
        near = pytest.approx(0, abs=0.001 * (row["acceptances"] + 1))
        assert row["offerVolumeDifference"] == near
        assert row["bidVolumeDifference"] == near
        assert row["cashflowDifference"] == near
        assert row["beyondRange"] == pytest.approx(0, abs=1e-9)


def test_volumes_and_adjustments_add_up_to_the_net_imbalance(found):
    for number in NUMBERS:
        day, period = day_and_period(number * 1800)
        moved = sum(
            row["offerVolume"] + row["bidVolume"]
            for row in found
            if (str(row["settlementDate"]), row["settlementPeriod"]) == (day, period)
        )
        adjusted = sum(one.volume for one in adjustments(SEED, number))
        expected = settlement(SEED, number).imbalance
        assert moved + adjusted == pytest.approx(expected, abs=0.001)


@pytest.mark.usefixtures("found")
def test_the_mean_of_five_minute_values_is_what_fuelhh_says(client):
    """Rounded to 1 MW. The market has no FUELHH here."""
    expected = {
        (*day_and_period(number * 1800), record["fuelType"]): record["generation"]
        for number in NUMBERS
        for record in outturn.fuelhh(SEED, number * 1800, number * 1800)
    }
    computed = {
        (str(row["settlementDate"]), row["settlementPeriod"], row["fuelType"]): row
        for row in rows(client, f"SELECT * FROM {MADE}.gb_generation_half_hours")
    }
    assert computed.keys() == expected.keys()
    for key, row in computed.items():
        assert row["fiveMinuteValues"] == 6
        assert row["generation"] == pytest.approx(expected[key], abs=0.5001)
