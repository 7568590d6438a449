"""`gb_installed_capacity`, worked out by hand."""

from datetime import date
from typing import Any

import pytest

from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, store, values

pytestmark = pytest.mark.integration

MADE = "made"


@pytest.fixture(scope="module")
def client(client):
    make_market(client, MADE, registry_of("IGCPU"))
    store(
        client,
        f"{MADE}.bmrs_igcpu_iris",
        [
            row("EIC-1", 400, "2020-01-01", "2025-12-01"),
            row("EIC-1", 410, "2020-01-01", "2026-01-15"),  # corrected
            row("EIC-1", 450, "2026-06-01", "2026-01-15"),  # planned
            row("EIC-2", 90, "2024-01-01", "2024-01-01"),
            row("EIC-2", 0, "2026-04-01", "2026-03-01"),  # closed
            row("EIC-3", 30, "2026-09-01", "2026-03-01"),  # not built yet
            row("EIC-4", 20, None, "2026-03-01"),
        ],
    )
    return client


def row(eic: str, capacity: float, since: str | None, published: str) -> dict[str, Any]:
    return {
        "documentId": f"{eic} {published}",
        "publishTime": f"{published}T09:00:00Z",
        "effectiveFrom": since,
        "registeredResourceEicCode": eic,
        "bmUnit": f"T_{eic}",
        "psrType": "Fossil Gas",
        "installedCapacity": capacity,
    }


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2019-12-31", {"EIC-4": 20}),
        ("2026-03-31", {"EIC-1": 410, "EIC-2": 90, "EIC-4": 20}),
        ("2026-05-31", {"EIC-1": 410, "EIC-2": 0, "EIC-4": 20}),
        ("2026-06-01", {"EIC-1": 450, "EIC-2": 0, "EIC-4": 20}),
        ("2026-09-01", {"EIC-1": 450, "EIC-2": 0, "EIC-3": 30, "EIC-4": 20}),
    ],
)
def test_a_unit_has_the_capacity_that_is_in_force_on_the_day(client, day, expected):
    found = values(
        client,
        "SELECT registeredResourceEicCode, installedCapacity "
        f"FROM {MADE}.gb_installed_capacity_at(DATE '{day}') ORDER BY 1",
    )
    assert dict(found) == expected
    assert len(found) == len(expected)


def test_what_is_planned_is_beside_it(client):
    found = values(
        client,
        "SELECT bmUnit, effectiveFrom, effectiveTo, nextInstalledCapacity "
        f"FROM {MADE}.gb_installed_capacity_at(DATE '2026-05-31') "
        "WHERE effectiveTo IS NOT NULL",
    )
    assert found == [("T_EIC-1", date(2020, 1, 1), date(2026, 6, 1), 450)]


def test_the_view_is_that_of_today(client):
    today = "CURRENT_DATE('Europe/London')"
    sql = f"""
      SELECT COUNT(*) FROM {MADE}.gb_installed_capacity AS view
      INNER JOIN {MADE}.gb_installed_capacity_at({today}) AS day
      USING (registeredResourceEicCode, effectiveFrom, installedCapacity)
    """
    assert values(client, sql) == [(3,)]  # EIC-4 has no day to compare


def test_the_latest_rows_keep_a_planned_one_apart(client):
    sql = f"""
      SELECT effectiveFrom, installedCapacity FROM {MADE}.bmrs_igcpu_latest
      WHERE registeredResourceEicCode = 'EIC-1' ORDER BY effectiveFrom
    """
    assert values(client, sql) == [(date(2020, 1, 1), 410), (date(2026, 6, 1), 450)]
