"""Fixtures that several modules have in common."""

from collections.abc import Iterator

import pytest
from google.cloud import bigquery

from tests.integration.bigquery_fixture import connected


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bigquery.Client]:
    """A client of a local BigQuery of the module's own."""
    with connected(tmp_path_factory.mktemp("bigquery")) as client:
        yield client
