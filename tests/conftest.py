"""What all tests share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery
from hypothesis import HealthCheck, settings

from tests.integration.bigquery_fixture import connected, server

SAMPLES = Path(__file__).parents[1] / "local" / "samples"

# A shared machine may stall for seconds: a deadline would say nothing about the code.
settings.register_profile(
    "gb-iris", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gb-iris")


@pytest.fixture(scope="session")
def samples() -> list[Path]:
    """The real payloads that ship with the product: `<DATASET>/<message_id>`."""
    return sorted(SAMPLES.glob("*/*.json"))


@pytest.fixture(scope="session")
def bigquery_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DATA folder of the local BigQuery."""
    return tmp_path_factory.mktemp("bigquery")


@pytest.fixture(scope="session")
def bigquery_server(bigquery_data: Path) -> Iterator[dict[str, Any]]:
    """The addresses of a local BigQuery, which modules use one after another."""
    with server(bigquery_data) as addresses:
        yield addresses


@pytest.fixture(scope="session")
def bigquery_host(bigquery_server: dict[str, Any]) -> str:
    """Its address, `http://HOST:PORT`."""
    host: str = bigquery_server["host"]
    return host


@pytest.fixture(scope="module")
def client(bigquery_host: str) -> Iterator[bigquery.Client]:
    """A client of the local BigQuery, which has no dataset before and after."""
    with connected(bigquery_host) as client:
        yield client
        for dataset in client.list_datasets():
            client.delete_dataset(dataset.reference, delete_contents=True)
