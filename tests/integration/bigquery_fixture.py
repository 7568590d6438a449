"""A local BigQuery for tests: started once, each test in a dataset of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.cloud import bigquery

from pipeline.inserts import connect


@contextmanager
def running_bigquery(data: Path, port: int | None = None) -> Iterator[str]:
    """Runs `python -m local bigquery` and gives its address, `http://HOST:PORT`."""
    options = ["--data", str(data), *(["--port", str(port)] if port else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "bigquery", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    before = os.environ.get("BIGQUERY_EMULATOR_HOST")
    try:
        assert process.stdout is not None
        host = json.loads(process.stdout.readline())["host"]
        os.environ["BIGQUERY_EMULATOR_HOST"] = host
        yield host
    finally:
        os.environ.pop("BIGQUERY_EMULATOR_HOST", None)
        if before is not None:
            os.environ["BIGQUERY_EMULATOR_HOST"] = before
        process.terminate()
        process.wait(timeout=30)


def own_dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> str:
    """A dataset of one test's own."""
    name = f"d_{abs(hash(request.node.name)):x}"
    client.create_dataset(name)
    return name


@contextmanager
def connected(data: Path, project: str = "gb-iris") -> Iterator[bigquery.Client]:
    """Runs the server and gives the client that the product's own code uses."""
    with running_bigquery(data):
        connect.cache_clear()
        yield connect(project)
        connect.cache_clear()
