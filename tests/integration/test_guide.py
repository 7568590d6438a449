"""The guide's queries run as they stand."""

import re
from pathlib import Path

import pytest

from local.bigquery import connect
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.history_fixture import registry_of

pytestmark = pytest.mark.integration

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
DATASETS = sorted(
    {name.upper() for name in re.findall(r"uk_energy_prod\.bmrs_([a-z]+)_", GUIDE)}
)


@pytest.fixture(scope="module")
def client(client, bigquery_host):
    """Like `make query`'s: names without a dataset are those of uk_energy_prod."""
    registry = registry_of(*DATASETS)
    apply_tables(client, "uk_energy_prod", list(all_tables(registry)), "EU")
    assert apply_views(client, "uk_energy_prod", registry).conflicts == []
    return connect(bigquery_host)


def test_every_query_runs(client):
    assert len(QUERIES) >= 10
    for query in QUERIES:
        rows = client.query_and_wait(query)
        assert rows.schema, query
