"""How long a message takes from IRIS's queue until a query finds its rows.

`make run-local` as users run it, in both of its modes, with a simulator that enqueues
messages of all datasets at the rate of the live feed. The clock starts when the
simulator enqueues a message (`enqueued_utc` of the rows). It stops when a query of the
ledger has returned these rows as counted: they are in their tables by then. A query of
ninety tables would take seconds, and delay the rows.
"""

import asyncio
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, get_args

import orjson

from benchmarks import corpus
from benchmarks.measurement import Measurement, Target
from benchmarks.watch import Watch, percentile
from local.data_folder import DataFolder
from local.process import Child
from local.stack.plan import Mode
from pipeline.registry import load_registry

# The highest rate seen on IRIS: 100 to 200 messages a minute.
RATE = 3.5
SECONDS, LEAST_SECONDS = 60.0, 10.0
# Messages enqueued during the start come all at once, and the first row of every table
# takes longer.
WARM_UP_SECONDS = 30.0
# After SETTLE_SECONDS nearly all rows are there, and the tables are queried. A message
# that is not counted LATE_SECONDS later is lost.
SETTLE_SECONDS, LATE_SECONDS = 20.0, 60.0
START_SECONDS, STOP_SECONDS, CHECK_SECONDS = 360.0, 90.0, 0.5
P50 = Target(2.0, of="value", at_most=True)
P99 = Target(5.0, of="value", at_most=True)
LEDGER_SQL = "SELECT dataset, SUM(`rows`) AS counted FROM iris_ledger GROUP BY dataset"


class Look(NamedTuple):
    """One answer of the ledger: its time, and the rows of each dataset."""

    shown: float
    counted: dict[str, int]


class Arrival(NamedTuple):
    """A message in its table: when it was enqueued, and its number of rows."""

    enqueued: float
    rows: int


def measure(scale: float) -> Iterator[Measurement]:
    """Median and 99th percentile of the latency, in each mode."""
    seconds = max(LEAST_SECONDS, SECONDS * scale)
    most = START_SECONDS + WARM_UP_SECONDS + seconds + SETTLE_SECONDS + LATE_SECONDS
    with TemporaryDirectory(prefix="gb-iris-bench-") as name:
        samples = Path(name) / "samples"
        write_samples(samples, int(most * RATE))
        for mode in sorted(get_args(Mode)):
            yield from _measured(mode, Path(name) / mode, samples, seconds)


def write_samples(folder: Path, messages: int) -> None:
    """Writes messages of mixed sizes; each has at least one row."""
    registry = load_registry()
    for file in corpus.backlog(messages):
        if file.dataset in registry:
            path = folder / file.dataset / file.message_id
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(orjson.loads(file.body))


def _measured(
    mode: Mode, data: Path, samples: Path, seconds: float
) -> Iterator[Measurement]:
    looks: list[Look] = []
    with _running(mode, data, samples) as (child, host):
        watch = Watch(host, LEDGER_SQL, lambda *answer: looks.append(_look(*answer)))
        watch.start()
        try:
            begin = time.time() + WARM_UP_SECONDS
            timed = _timed(child, watch, looks, (begin, begin + seconds))
        finally:
            watch.end()
    context: dict[str, float | str] = {
        "messages": len(timed),
        "messages/s": RATE,
        "max s": max(timed, default=0.0),
        "query s": percentile(watch.looks, 0.5),
    }
    for name, share, target in (("p50", 0.5, P50), ("p99", 0.99, P99)):
        yield Measurement(
            f"latency {name}, {mode}",
            percentile(timed, share),
            "s",
            target=target,
            meaning=f"from the queue of IRIS to a query, at {RATE} messages a second",
            context=context,
        )


def _timed(
    child: Child, watch: Watch, looks: Sequence[Look], span: tuple[float, float]
) -> list[float]:
    """The waits of an interval, as soon as all of its messages are counted.

    Raises:
        RuntimeError: A message is not counted in time.
    """
    _await(child, span[1] + SETTLE_SECONDS)
    arrivals, deadline = _arrivals(watch), time.time() + LATE_SECONDS
    while True:
        try:
            return waits(arrivals, list(looks), *span)
        except RuntimeError:
            if time.time() > deadline:
                raise
        _await(child, time.time() + CHECK_SECONDS)


def _look(shown: float, rows: Sequence[Any]) -> Look:
    return Look(shown, {row.dataset: row.counted for row in rows})


def _arrivals(watch: Watch) -> dict[str, list[Arrival]]:
    """The messages of each dataset in their tables, read after the measurement."""
    return {
        name: [
            Arrival(row.enqueued.timestamp(), row.counted)
            for row in watch.client.query_and_wait(
                "SELECT message_id, MIN(enqueued_utc) AS enqueued, COUNT(*) AS counted"
                f" FROM {dataset.table} GROUP BY message_id ORDER BY enqueued"
            )
        ]
        for name, dataset in load_registry().items()
    }


def waits(
    arrivals: Mapping[str, Sequence[Arrival]],
    looks: Sequence[Look],
    begin: float,
    end: float,
) -> list[float]:
    """How long each message enqueued in an interval took, in seconds.

    The messages of a dataset arrive in the order of the queue: a message has arrived
    when the ledger counts the rows of all messages up to it.

    Raises:
        RuntimeError: The ledger never counted one.
    """
    waited = []
    for dataset, messages in arrivals.items():
        counted = [look.counted.get(dataset, 0) for look in looks]
        rows = 0
        for message in messages:
            rows += message.rows
            if begin <= message.enqueued < end:
                first = bisect_left(counted, rows)
                if first == len(looks):
                    raise RuntimeError(f"the ledger lacks rows of {dataset}")
                waited.append(looks[first].shown - message.enqueued)
    return waited


@contextmanager
def _running(mode: Mode, data: Path, samples: Path) -> Iterator[tuple[Child, str]]:
    """A run of the whole system: its process, and the address of its BigQuery."""
    command = [sys.executable, "-m", "local", "stack", "run", "--mode", mode]
    command += ["--data", str(data), "--samples", str(samples)]
    command += ["--rate", str(RATE), "--until=", "--archive="]
    child = Child("make run-local", command, data / "logs" / "run.log")
    try:
        ready = child.wait_for(lambda: child.says("ready; stop"), START_SECONDS)
        asyncio.run(ready)
        state = DataFolder(data).state()
        if state is None:
            raise child.failed("ended")
        yield child, state["addresses"]["BIGQUERY_EMULATOR_HOST"]
    finally:
        asyncio.run(child.stop(STOP_SECONDS))


def _await(child: Child, moment: float) -> None:
    while time.time() < moment:
        child.check()
        time.sleep(CHECK_SECONDS)  # between two checks
