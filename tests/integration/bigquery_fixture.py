"""A local BigQuery for tests: started once, each test in a dataset of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from pipeline.bigquery.client import connect


@contextmanager
def server(data: Path, port: int | None = None) -> Iterator[dict[str, Any]]:
    """Runs `python -m local bigquery`; yields its addresses, `host` and `grpc_port`."""
    options = ["--data", str(data), *(["--port", str(port)] if port else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "bigquery", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def running_bigquery(data: Path, port: int | None = None) -> Iterator[str]:
    """The address of a server of this test's own, which everything uses meanwhile."""
    with server(data, port) as ready, chosen(ready["host"]):
        yield ready["host"]


@contextmanager
def chosen(host: str) -> Iterator[None]:
    """Makes everything use a server."""
    before = os.environ.get("BIGQUERY_EMULATOR_HOST")
    os.environ["BIGQUERY_EMULATOR_HOST"] = host
    try:
        yield
    finally:
        os.environ.pop("BIGQUERY_EMULATOR_HOST")
        if before is not None:
            os.environ["BIGQUERY_EMULATOR_HOST"] = before


def own_dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> str:
    """A dataset of one test's own."""
    name = f"d_{abs(hash(request.node.name)):x}"
    client.create_dataset(name)
    return name


@contextmanager
def connected(host: str, project: str = "gb-iris") -> Iterator[bigquery.Client]:
    """Makes everything use a server, and yields the client that the product uses."""
    with chosen(host):
        connect.cache_clear()
        yield connect(project)
        connect.cache_clear()


def running_job(client: bigquery.Client, sql: str) -> str:
    """The id of a running job with this statement, once there is one."""
    while True:
        for job in client.list_jobs(state_filter="running"):
            if job.query == sql:
                return str(job.job_id)
        time.sleep(0.05)  # the job is the condition waited for


def ended_job(client: bigquery.Client, name: str) -> Any:
    """The job, once it has ended."""
    while (job := client.get_job(name)).state != "DONE":
        time.sleep(0.05)  # its state is the condition waited for
    return job
