"""What all tests share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery
from hypothesis import HealthCheck, settings

from tests.integration.bigquery_fixture import connected, server
from tests.property.examples import examples

TESTS = Path(__file__).parent
SAMPLES = TESTS.parent / "local" / "samples"
# A third of the time and more, a test waits for a server or for the end of a process.
WORKERS_A_PROCESSOR = 2
# With its server and what a test of the whole system starts.
WORKER_BYTES = 2_000_000_000
# A file runs on one worker. These take longest, so they begin first, and then all that
# start servers: what is left for the end is short.
LONGEST = (
    *("integration/test_stack.py", "integration/test_check.py", "browser/test_now.py"),
    *("integration/test_compact.py", "integration/test_views.py"),
    *("unit/sql/test_style.py", "integration/test_query.py"),
    *("unit/test_page_commands.py", "unit/templates/test_terraform_apply.py"),
)
FOLDERS = ("faults", "browser", "integration", "property", "unit")
# A worker has a million objects of libraries, which live as long as it: without them,
# and with rarer looks, sqlfluff and Beam take a sixth less time.
COLLECT_AFTER = (50_000, 20, 100)

# A shared machine may stall for seconds: a deadline would say nothing about the code.
settings.register_profile(
    "gb-iris",
    deadline=None,
    max_examples=examples(settings.get_profile("default").max_examples),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gb-iris")


def pytest_xdist_auto_num_workers() -> int | None:
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist reads it
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = WORKERS_A_PROCESSOR * (os.cpu_count() or 1)
    return max(1, min(most, memory_bytes // WORKER_BYTES))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the files, for the scheduler, which hands them out in this order."""
    items.sort(key=lambda item: _turn(item.path.relative_to(TESTS)))


def _turn(file: Path) -> tuple[int, int]:
    name = file.as_posix()
    first = LONGEST.index(name) if name in LONGEST else len(LONGEST)
    return first, FOLDERS.index(file.parts[0])


def pytest_collection_finish() -> None:
    """Keeps what was loaded for all tests out of the collector's sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


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
