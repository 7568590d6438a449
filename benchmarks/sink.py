"""Our sink beside Beam's `WriteToBigQuery`: the same rows through both.

It measures what becomes of rows rather than speed: of one that BigQuery refuses, of
records that come again, of an answer that is lost, of a permission that is missing for
a moment. And it counts the requests that rows for all tables take.
"""

import asyncio
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.measurement import Measurement, Target
from benchmarks.sink_proxy import Fault, Proxy, counting
from benchmarks.sink_rows import TABLE_ROWS, spread, two_batches
from benchmarks.sink_writes import (
    Outcome,
    Sink,
    SinkTarget,
    beams,
    ours,
    reached_at,
    refusal_of_storage_api,
)
from benchmarks.warehouse import Warehouse
from command.tables_path import TablesPath
from local.bigquery import emulator
from local.data_folder import DataFolder
from pipeline.core.batches import RowBatch
from pipeline.registry import load_registry
from sql.tables import all_tables, create_statement

# The request by which each method hands rows over. The Storage Write API is gRPC, which
# the proxy does not carry.
REQUESTS = {"FILE_LOADS": "jobs.insert (load)", "STREAMING_INSERTS": "insertAll"}
STORAGE_API = "STORAGE_WRITE_API"
# All tables get rows, and more than the 2,000 that Beam holds in memory.
MESSAGES, LEAST_MESSAGES = 600, 200
ONCE = Target(1, "value", at_most=True)
NO_MORE = Target(1, at_most=True)


class Stage(NamedTuple):
    """A local BigQuery behind a proxy.

    Attributes:
        warehouse: The server, past the proxy.
        proxy: What both sinks write through.
        files: The folder for their files, a bucket of the server.
    """

    warehouse: Warehouse
    proxy: Proxy
    files: Path

    def write(
        self, sink: Sink, method: str, dataset: str, batches: Sequence[RowBatch]
    ) -> Outcome:
        """Writes rows; `proxy.calls` then has the requests of it."""
        self.proxy.calls.clear()
        return sink(
            method, SinkTarget(dataset, self.proxy.host, str(self.files)), batches
        )

    def rows(self, dataset: str) -> int:
        """How many rows the tables of IRIS datasets have."""
        client = self.warehouse.client
        names = [table.table_id for table in client.list_tables(dataset)]
        counts = " UNION ALL ".join(
            f"SELECT COUNT(*) AS found FROM `{dataset}.{name}`"
            for name in names
            if name.startswith("bmrs_")
        )
        return sum(answer.found for answer in client.query(counts).result())

    @contextmanager
    def two_tables(self) -> Iterator[str]:
        """FUELINST's table, and FREQ's, which refuses a row without a frequency."""
        # Under the name of a table before, BigQuery could know the rows by their ids.
        client, dataset = self.warehouse.client, f"two_{uuid.uuid4().hex}"
        client.create_dataset(dataset)
        for table in all_tables(load_registry()):
            if table.name in ("bmrs_freq_iris", "bmrs_fuelinst_iris"):
                made = create_statement(table, TablesPath(client.project, dataset))
                column = "`frequency` FLOAT64"
                client.query(made.replace(column, f"{column} NOT NULL")).result()
        try:
            yield dataset
        finally:
            client.delete_dataset(dataset, delete_contents=True)


class Run(NamedTuple):
    """The result of one sink.

    Attributes:
        rows: How many rows the two tables have afterwards.
        outcome: What the sink says.
        calls: The requests of its last write, by kind.
    """

    rows: int
    outcome: Outcome
    calls: dict[str, int]


def measure(scale: float) -> Iterator[Measurement]:
    """Requests for all tables, then what becomes of rows, method by method."""
    messages = max(LEAST_MESSAGES, int(MESSAGES * scale))
    with TemporaryDirectory(prefix="gb-iris-bench-") as name, _stage(Path(name)) as on:
        yield from _requests(on, list(spread(messages)))
        for method in (*REQUESTS, STORAGE_API):
            yield from _rows(on, method)
        for method, call in REQUESTS.items():
            yield from _faults(on, method, call)
        yield _schemas(Path(name))


@contextmanager
def _stage(work: Path) -> Iterator[Stage]:
    server = emulator.start(DataFolder(work))
    logging.disable()  # requests fail on purpose, and the report says what followed
    try:
        asyncio.run(server.ready())
        client = emulator.connect(server.host, dataset=None)
        files = work / "bigquery" / "gcs" / "bench"
        files.mkdir(parents=True)
        with counting(server.host) as proxy, reached_at(proxy.host, server.grpc_port):
            yield Stage(Warehouse(client, server.host, server.grpc_port), proxy, files)
    finally:
        logging.disable(logging.NOTSET)
        asyncio.run(server.child.stop(emulator.STOP_SECONDS))


def _requests(on: Stage, batches: Sequence[RowBatch]) -> Iterator[Measurement]:
    expected = sum(len(batch.records) for batch in batches)
    names = {load_registry()[batch.dataset].table for batch in batches}
    with on.warehouse.tables("spread", sorted(names)):
        # Our loads ask more of a table that has rows, so the loads come first.
        rows = 0
        for method in REQUESTS:
            calls = []
            for sink in (ours, beams):
                outcome = on.write(sink, method, "spread", batches)
                calls.append(dict(on.proxy.calls))
                rows += expected
                if outcome.error or on.rows("spread") != rows:
                    raise RuntimeError(f"{method}: rows are missing: {outcome.error}")
            name = f"{method}, {expected:,} rows for {len(names)} tables"
            yield _counted(name, calls, NO_MORE)


def _rows(on: Stage, method: str) -> Iterator[Measurement]:
    with_refused = two_batches(refused=TABLE_ROWS // 2)
    missing = _missing(runs := _both(on, method, with_refused))
    yield _compared(f"{method}, good rows missing beside a refused one", missing, runs)
    copies = _copies(runs := _both(on, method, two_batches(), times=2))
    # Only an insertId, or a look into the table, tells a record that comes again.
    target = None if method == STORAGE_API else ONCE
    yield _compared(f"{method}, rows of a record sent twice", copies, runs, target)
    if method != STORAGE_API:
        again = [run.calls for run in runs]
        yield _counted(f"{method}, the second time, for two tables", again)


def _faults(on: Stage, method: str, call: str) -> Iterator[Measurement]:
    copies = _copies(runs := _both(on, method, two_batches(), Fault(call, "lost")))
    yield _compared(f"{method}, rows of a record, answer lost", copies, runs, ONCE)
    forbidden = Fault(call, "forbidden")
    missing = _missing(runs := _both(on, method, two_batches(), forbidden))
    yield _compared(f"{method}, rows missing after one 403", missing, runs)


def _both(
    on: Stage,
    method: str,
    batches: Sequence[RowBatch],
    fault: Fault | None = None,
    times: int = 1,
) -> list[Run]:
    """Our run and Beam's. Beam's Storage Write API needs Java: then only ours."""
    runs = []
    for sink in (ours,) if method == STORAGE_API else (ours, beams):
        with on.two_tables() as dataset:
            on.proxy.fault = fault
            for _ in range(times):
                outcome = on.write(sink, method, dataset, batches)
            if on.proxy.fault:
                raise RuntimeError(f"{method}: no request met the fault")
            runs.append(Run(on.rows(dataset), outcome, dict(on.proxy.calls)))
    return runs


def _missing(runs: Sequence[Run]) -> list[float]:
    """Good rows that the tables lack after each run."""
    return [2 * TABLE_ROWS - run.rows for run in runs]


def _copies(runs: Sequence[Run]) -> list[float]:
    """Rows of each record after each run."""
    return [run.rows / (2 * TABLE_ROWS) for run in runs]


def _compared(
    name: str,
    figures: Sequence[float],
    runs: Sequence[Run],
    target: Target | None = None,
) -> Measurement:
    mine, *theirs = figures
    said = [
        f"{figure:g}: {returned(run.outcome)}"
        for figure, run in zip(figures, runs, strict=True)
    ]
    meaning = "; Beam's ".join(["ours " + said[0], *said[1:]])
    reference = theirs[0] if theirs else None
    return Measurement(name, mine, "rows", "Beam's", reference, target, meaning)


def _counted(
    name: str, calls: Sequence[Mapping[str, int]], target: Target | None = None
) -> Measurement:
    mine, theirs = (sum(each.values()) for each in calls)
    meaning = f"ours: {words(calls[0])}; Beam's: {words(calls[1])}"
    return Measurement(name, mine, "requests", "Beam's", theirs, target, meaning)


def _schemas(work: Path) -> Measurement:
    (jar := work / "beam.jar").touch()
    many = refusal_of_storage_api(str(jar), schema=lambda _table: "a:STRING")
    one = refusal_of_storage_api(str(jar), schema="a:STRING")
    schemas = len(load_registry())
    meaning = f"Beam's with a schema for each table: {many} With one, no Java: {one}"
    name = f"{STORAGE_API}, schemas in one write"
    return Measurement(name, schemas, "schemas", "Beam's", 1, None, meaning)


def words(calls: Mapping[str, int]) -> str:
    """Requests in words: `89 insertAll, 1 jobs.get`."""
    ordered = sorted(calls.items(), key=lambda call: (-call[1], call[0]))
    return ", ".join(f"{count} {call}" for call, count in ordered)


def returned(outcome: Outcome) -> str:
    """What a sink says about rows that it did not store."""
    if outcome.error:
        return f"fails: {outcome.error:.60}"
    if not outcome.refused:
        return "returns no row"
    error, kind, content, index = outcome.refused[0]
    position = "" if index is None else f" {index} of its message"
    count = len(outcome.refused)
    return f"returns {count}: {error:.70} The {kind}{position}: {content:.90}"
