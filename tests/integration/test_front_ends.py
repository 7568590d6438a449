"""The queries of docs/front-ends.md, with the values that each front end puts in."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, rows

pytestmark = pytest.mark.integration

PAGE = (Path(__file__).parents[2] / "docs/front-ends.md").read_text(encoding="utf-8")
MADE = "front_ends"
# What Grafana puts in the place of its macros, and Looker Studio of its parameters.
GIVEN = {
    "$__timeFrom()": "TIMESTAMP('2026-05-06 00:00:00')",
    "$__timeTo()": "TIMESTAMP('2026-05-07 00:00:00')",
    "@DS_START_DATE": "'20260506'",
    "@DS_END_DATE": "'20260506'",
}


def queries() -> Iterator[tuple[str, str]]:
    """The section and the text of each query."""
    for section in PAGE.split("\n## ")[1:]:
        for sql in re.findall(r"```(?:sql|text)\n(.*?)```", section, re.DOTALL):
            yield section.partition("\n")[0], sql


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    registry = registry_of("FUELINST", "FUELHH", "DISEBSP", "MID")
    make_market(client, MADE, registry)
    measured = {
        "publishTime": "2026-05-06T12:00:00Z",
        "settlementDate": "2026-05-06",
        "settlementPeriod": 25,
        "startTime": "2026-05-06T11:00:00Z",
        "fuelType": "WIND",
        "generation": 9_000,
        "message_id": "m",
    }
    for table in ("bmrs_fuelinst_iris", "bmrs_fuelhh_iris"):
        assert not client.insert_rows_json(f"{MADE}.{table}", [measured])
    return client


@pytest.mark.parametrize(("section", "sql"), [*queries()], ids=dict(queries()))
def test_bigquery_takes_the_query(
    client: bigquery.Client, section: str, sql: str
) -> None:
    for name, value in GIVEN.items():
        sql = sql.replace(name, value)
    found = rows(client, sql.replace("uk_energy_prod", MADE))
    if "generation" in sql:
        assert [(row["fuelType"], row["generation"]) for row in found] == [
            ("WIND", 9_000)
        ]


def test_each_front_end_has_a_query_with_bounds() -> None:
    found = dict(queries())
    assert found.keys() == {"Connected Sheets", "Looker Studio", "Grafana"}
    assert all("_between" in sql for sql in found.values())
