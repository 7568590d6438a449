"""A backlog of files to rows that a query finds: the product's `--files`.

From a folder, and from one .tar.gz. References are a simple loader as people write it,
and reading and decoding alone. All take turns on one local BigQuery.
"""

import json
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from google.cloud import bigquery

from benchmarks import corpus
from benchmarks.measurement import Measurement, Target
from benchmarks.run_of_pipeline import PipelineRun, run_pipeline
from benchmarks.warehouse import Warehouse, serving
from pipeline.core.decoding import Message, decode, utc_now
from pipeline.files.messages import message_of
from pipeline.registry import load_registry
from pipeline.steps.sources import find

# Each dataset has some 3,000 records at scale 1: five full inserts and a rest. The
# loader is measured on one dataset in eight, but on all of its records: all datasets
# would take minutes.
LOADER_EVERY = 8
INSERT_ROWS = 500
TURNS = 2
LOADER_TARGET = Target(10)
DECODE_TARGET = Target(5, at_most=True)
ARCHIVE_TARGET = Target(4, at_most=True)


class Timed(NamedTuple):
    """The records of one turn of one side, and how long it took."""

    records: int
    seconds: float


class Sides(NamedTuple):
    """All turns of each side.

    Attributes:
        loader: The simple loader, before and after each turn of the product.
        decoded: List, read and decode of the folder.
        unpacked: `tarfile`, read and decode of the archive.
        folder: `--files` with the folder.
        archive: `--files` with the archive.
    """

    loader: list[Timed]
    decoded: list[Timed]
    unpacked: list[Timed]
    folder: list[PipelineRun]
    archive: list[PipelineRun]


def measure(scale: float) -> Iterator[Measurement]:
    """All sides, over the same files."""
    messages = max(500, int(corpus.MESSAGES * scale))
    with TemporaryDirectory(prefix="gb-iris-bench-") as name:
        work = Path(name)
        folder, archive = work / "backlog", work / "backlog.tar.gz"
        corpus.write(folder, messages)
        with tarfile.open(archive, "w:gz", compresslevel=6) as written:
            written.add(folder, "backlog")
        with serving(work) as warehouse:
            sides = _turns(warehouse, work, folder, archive)
    yield from measurements(sides)


def _turns(warehouse: Warehouse, work: Path, folder: Path, archive: Path) -> Sides:
    sides = Sides([], [], [], [], [])
    for turn in range(TURNS):
        sides.loader.append(_simple_loader(warehouse, folder, 2 * turn))
        sides.decoded.append(timed(in_folder, folder))
        sides.folder.append(_product(warehouse, work, folder))
        sides.unpacked.append(timed(in_archive, archive))
        sides.archive.append(_product(warehouse, work, archive))
        sides.loader.append(_simple_loader(warehouse, folder, 2 * turn + 1))
    return sides


def _product(warehouse: Warehouse, work: Path, source: Path) -> PipelineRun:
    with warehouse.tables("backlog"):
        return run_pipeline(work, warehouse.environment, "backlog", f"--files={source}")


def measurements(sides: Sides) -> Iterator[Measurement]:
    """The measurements of the turns, each side summed over them."""
    folder, archive = _mean(sides.folder), _mean(sides.archive)
    loader, decoded = _mean(sides.loader), _mean(sides.decoded)
    unpacked = _mean(sides.unpacked)
    context = {
        "messages": sides.folder[0].messages,
        "records": folder.records,
        "peak_mb": max(run.peak_mb for run in sides.folder),
        "pipeline_cpu_seconds": min(run.cpu_seconds for run in sides.folder),
    }
    yield Measurement(
        "files to rows, against inserts of 500",
        folder.records / folder.seconds,
        "records/s",
        "one process, stdlib json, one insertAll of 500 rows at a time",
        loader.records / loader.seconds,
        LOADER_TARGET,
        "how many times the records a second of a loader as people write it",
        context | {"loader_records": loader.records},
    )
    yield Measurement(
        "files to rows, against decode alone",
        folder.seconds,
        "s",
        "list, read and decode of the same files",
        decoded.seconds,
        DECODE_TARGET,
        "how many times as long as decoding alone it takes to fill the tables",
        context,
    )
    yield Measurement(
        ".tar.gz to rows, against tarfile and decode",
        archive.seconds,
        "s",
        "tarfile and decode of the same archive",
        unpacked.seconds,
        ARCHIVE_TARGET,
        "how many times as long as unpacking and decoding it takes to fill the tables",
        {"peak_mb": max(run.peak_mb for run in sides.archive)},
    )


def _mean(turns: Sequence[Timed | PipelineRun]) -> Timed:
    records = sum(turn.records for turn in turns)
    return Timed(
        records // len(turns), sum(turn.seconds for turn in turns) / len(turns)
    )


def timed(messages: Callable[[Path], Iterator[Message]], source: Path) -> Timed:
    started, now = time.monotonic(), utc_now()
    records = sum(decode(message, now).count for message in messages(source))
    return Timed(records, time.monotonic() - started)


def in_folder(folder: Path) -> Iterator[Message]:
    for found in find(str(folder)):
        yield message_of(found.path, Path(found.path).read_bytes())


def in_archive(archive: Path) -> Iterator[Message]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if content := opened.extractfile(member):
                yield message_of(member.name, content.read())


def _simple_loader(warehouse: Warehouse, folder: Path, turn: int) -> Timed:
    """Reads file by file, and inserts the rows of a dataset 500 at a time."""
    tables = {name: one.table for name, one in load_registry().items()}
    share = sorted(tables)[turn % LOADER_EVERY :: LOADER_EVERY]
    with warehouse.tables("simple", [tables[name] for name in share]) as dataset:
        started, records = time.monotonic(), 0
        held: dict[str, list[Any]] = defaultdict(list)
        for path in (path for name in share for path in (folder / name).glob("*")):
            rows = held[path.parent.name]
            rows += json.loads(json.loads(path.read_text()))
            if len(rows) >= INSERT_ROWS:
                table = f"{dataset}.{tables[path.parent.name]}"
                records += _insert(warehouse.client, table, rows)
        for name, rows in held.items():
            records += _insert(warehouse.client, f"{dataset}.{tables[name]}", rows)
        return Timed(records, time.monotonic() - started)


def _insert(client: bigquery.Client, table: str, rows: list[Any]) -> int:
    count = len(rows)
    for start in range(0, count, INSERT_ROWS):
        part = rows[start : start + INSERT_ROWS]
        if errors := client.insert_rows_json(table, part):
            raise RuntimeError(f"{table}: {errors[0]}")
    rows.clear()
    return count
