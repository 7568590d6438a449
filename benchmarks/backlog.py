"""How fast a backlog of files becomes rows that a query finds.

The product's `--files`, from a folder and from one .tar.gz, beside a loader as people
write it: file by file, 500 rows an insert. All of it in one run, on one local BigQuery,
so that the ratio holds on any machine.
"""

import os
import resource
import subprocess
import sys
import tarfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson
from google.cloud import bigquery

from benchmarks import corpus
from local import bigquery as local_bigquery
from local.process import ROOT
from pipeline.registry import load_registry
from sql.apply import apply_tables
from sql.tables import all_tables

# The simple loader is measured on a part of the backlog: its speed does not change.
LOADER_MESSAGES = 3_000
INSERT_ROWS = 500


class Measured(NamedTuple):
    """One way in: files a second, and the most memory that it took."""

    name: str
    files: int
    seconds: float
    peak_mb: float | None

    @property
    def files_per_second(self) -> float:
        """Its speed."""
        return self.files / self.seconds


def run(messages: int = corpus.MESSAGES) -> list[Measured]:
    """Measures all ways in; the first one is the loader that the others are beside."""
    with TemporaryDirectory(prefix="gb-iris-bench-") as name:
        work = Path(name)
        folder, archive = work / "backlog", work / "backlog.tar.gz"
        corpus.write(folder, messages)
        with tarfile.open(archive, "w:gz", compresslevel=6) as written:
            written.add(folder, "backlog")
        with _server(work / "data") as host:
            client = local_bigquery.connect(host)
            return [
                _simple_loader(client, folder),
                _files(client, host, "--files folder", folder, messages),
                _files(client, host, "--files .tar.gz", archive, messages),
            ]


@contextmanager
def _server(data: Path) -> Iterator[str]:
    data.mkdir()
    command = [sys.executable, "-m", "local", "bigquery", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield orjson.loads(process.stdout.readline())["host"]
        finally:
            process.terminate()


def _tables(client: bigquery.Client, dataset: str) -> None:
    apply_tables(client, dataset, list(all_tables(load_registry())), "EU")


def _simple_loader(client: bigquery.Client, folder: Path) -> Measured:
    """Reads file by file, and inserts what it has of a dataset 500 rows at a time."""
    _tables(client, "simple")
    registry = load_registry()
    paths = [path for path in folder.glob("*/*") if path.parent.name in registry]
    paths = paths[:: max(1, len(paths) // LOADER_MESSAGES)]
    held: dict[str, list[Any]] = defaultdict(list)
    started = time.monotonic()
    for path in paths:
        rows = held[path.parent.name]
        rows += orjson.loads(orjson.loads(path.read_bytes()))
        if len(rows) >= INSERT_ROWS:
            _insert(client, registry[path.parent.name].table, rows)
    for name, rows in held.items():
        if rows:
            _insert(client, registry[name].table, rows)
    return Measured("500 rows an insert", len(paths), time.monotonic() - started, None)


def _insert(client: bigquery.Client, table: str, rows: list[Any]) -> None:
    errors = client.insert_rows_json(f"{client.project}.simple.{table}", rows)
    if errors:
        raise RuntimeError(f"{table}: {errors[0]}")
    rows.clear()


def _files(
    client: bigquery.Client, host: str, name: str, files: Path, messages: int
) -> Measured:
    dataset = name.strip("-").replace(" ", "_").replace(".", "")
    _tables(client, dataset)
    command = [sys.executable, "-m", "pipeline", f"--files={files}"]
    command += [f"--project={client.project}", f"--dataset={dataset}"]
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"BIGQUERY_EMULATOR_HOST": host}
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status:
        raise RuntimeError(f"{name} ended with {os.waitstatus_to_exitcode(status)}")
    return Measured(name, messages, seconds, _megabytes(usage))


def _megabytes(usage: resource.struct_rusage) -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return usage.ru_maxrss * unit / 2**20
