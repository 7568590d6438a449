"""The queries in the documents run as they are."""

import re
from pathlib import Path

import pytest

from local.bigquery.emulator import connect
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.history_fixture import registry_of

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guide.md").read_text()
OPERATIONS = (DOCS / "operations.md").read_text()
DEAD_LETTERS = (DOCS / "dead-letters.md").read_text()
ROWS = (DOCS / "rows.md").read_text()
MARKET = (DOCS / "market.md").read_text()


def queries(text):
    """Its queries, but those of what only BigQuery itself has."""
    found = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    return [query for query in found if "INFORMATION_SCHEMA" not in query]


NAMES = re.findall(r"uk_energy_prod\.bmrs_([a-z]+)_", GUIDE + OPERATIONS)
# The market views read these.
UNDER_MARKET = ("REMIT", "PN", "UOU2T14D", "EBOCF", "IGCPU")
DATASETS = sorted({name.upper() for name in NAMES} | {*UNDER_MARKET})


@pytest.fixture(scope="module")
def client(client, bigquery_host):
    """Like `make query`'s: names without a dataset are those of uk_energy_prod."""
    registry = registry_of(*DATASETS)
    apply_tables(client, "uk_energy_prod", list(all_tables(registry)), "EU")
    assert apply_views(client, "uk_energy_prod", registry).conflicts == []
    return connect(bigquery_host)


@pytest.mark.parametrize(
    ("page", "least"),
    [(GUIDE, 10), (OPERATIONS, 5), (DEAD_LETTERS, 2), (ROWS, 1), (MARKET, 3)],
    ids=["guide", "operations", "dead letters", "rows", "market"],
)
def test_every_query_runs(client, page, least):
    assert len(queries(page)) >= least
    for query in queries(page):
        rows = client.query_and_wait(query)
        assert rows.schema, query
