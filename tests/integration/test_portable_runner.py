"""The bounded plan on a portable runner: a job service, and workers that it asks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from local.ports import private_port
from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
SERVICE = "apache_beam.runners.portability.local_job_service_main"


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The address of Beam's own job service, a process beside this one."""
    port = private_port()
    process = subprocess.Popen(
        [sys.executable, "-m", SERVICE, "--job_port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if "Listening for beam jobs" in line:
            break
    yield f"localhost:{port}"
    process.kill()
    process.communicate()


def test_the_bounded_plan_is_balanced_on_a_portable_runner(
    endpoint: str,
    client: bigquery.Client,
    bigquery_server: object,
    request: pytest.FixtureRequest,
) -> None:
    name = own_dataset(client, request)
    registry = load_registry()
    used = {path.name for path in SAMPLES.iterdir() if path.is_dir()}
    tables = all_tables(Registry([registry[one] for one in used]))
    apply_tables(client, name, tables, "EU")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pipeline", "--files", str(SAMPLES)),
            *("--project", "gb-iris", "--dataset", name),
            *("--write_method", "STREAMING_INSERTS", "--runner=PortableRunner"),
            *(f"--job_endpoint={endpoint}", "--environment_type=LOOPBACK"),
        ],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "16 messages: 29 records = 29 rows + 0 duplicates" in done.stdout + done.stderr
    )
    sql = f"SELECT SUM(`rows`) AS stored FROM {name}.iris_ledger"
    (row,) = client.query_and_wait(sql)
    assert row.stored == 29
