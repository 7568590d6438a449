"""`python -m benchmarks.streaming_graph`: the streaming graph, with its progress.

The graph, runner and Pub/Sub source of `make run-local MODE=streaming`. Prints one JSON
line whenever the ledger is written. It ends when all messages are counted.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from typing import Any, NamedTuple

from google.cloud import pubsub

from benchmarks.usage import memory_mb
from local.bigquery import emulator
from local.pipeline import WideSubscriberClient
from local.pubsub.topics import SUBSCRIPTION
from pipeline import command as command_line
from pipeline.bigquery.inserts import Rejected, Tables
from pipeline.graph import Plan
from pipeline.options import IrisOptions, horizon_hours, parse
from pipeline.plans import plan_of
from pipeline.registry import load_registry
from pipeline.steps.ledger import COUNTS, OUTCOMES
from pipeline.steps.sources import ReadSubscription
from pipeline.steps.write_rows import Inserter, WriteRows


class Point(NamedTuple):
    """How far a run has come.

    Attributes:
        seconds: Since the first pull.
        settled: Records with an outcome in the ledger.
        rows: Those whose outcome is a row.
        memory_mb: Of the process.
        cpu_seconds: Of the process, since the first pull.
    """

    seconds: float
    settled: int
    rows: int
    memory_mb: float
    cpu_seconds: float


class Progress:
    """Counts what the ledger counts.

    Attributes:
        done: Set when all messages are settled.

    Args:
        messages: Their number.
        inserter: Where rows go.
    """

    def __init__(self, messages: int, inserter: Inserter) -> None:
        self.done = threading.Event()
        self._messages = messages
        self._inserter = inserter
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._began: tuple[float, float] | None = None

    def begin(self) -> None:
        """Starts the clock, the first time."""
        self._began = self._began or _clocks()

    def insert(self, tables: Tables) -> dict[str, list[Rejected]]:
        """Inserts rows, and adds up the counts of the ledger."""
        answers = self._inserter(tables)
        if ledger := tables.get("iris_ledger"):
            with self._lock:
                for row in ledger:
                    self._counts.update({name: row.values[name] for name in COUNTS})
                self._print_point()
        return answers

    def _print_point(self) -> None:
        settled = sum(self._counts[name] for name in OUTCOMES)
        now = _clocks()
        began = self._began or now
        point = Point(
            now[0] - began[0],
            settled,
            self._counts["rows"],
            memory_mb(os.getpid()),
            now[1] - began[1],
        )
        print(json.dumps(point._asdict()), flush=True)
        all_came = self._counts["messages"] >= self._messages
        if all_came and settled == self._counts["records"]:
            self.done.set()


def _clocks() -> tuple[float, float]:
    """The time, and the processor time of this process, in seconds."""
    return time.monotonic(), time.process_time()


# Beam copies the objects of a graph, but not what a function finds here.
_progress: list[Progress] = []


def insert_counted(tables: Tables) -> dict[str, list[Rejected]]:
    """Inserts rows with the one progress of this process."""
    return _progress[0].insert(tables)


def discard(tables: Tables) -> dict[str, list[Rejected]]:
    """Discards rows; rejects none."""
    return {table: [] for table in tables}


def main() -> int:
    """Runs until `--messages` messages are settled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument(
        "--dataset", help="the BigQuery dataset (default: rows are discarded)"
    )
    options = parser.parse_args()
    command_line.log_to_stderr()
    arguments = ["--streaming", "--subscription", SUBSCRIPTION]
    arguments += ["--project", emulator.PROJECT]
    arguments += ["--dataset", options.dataset or emulator.DATASET]
    parsed = parse(arguments)
    plan = plan_of(parsed, spool="") if options.dataset else discarding(parsed)
    progress = Progress(options.messages, plan.inserter)
    load_registry()  # imports and the registry are not part of the stream
    _progress[:] = [progress]
    _start(parsed, plan._replace(inserter=insert_counted), progress)
    progress.done.wait()
    sys.stdout.flush()
    os._exit(0)  # the runner cannot end a stream


def discarding(options: Any) -> Plan:
    """The plan of a stream that discards its rows."""
    return Plan(
        ReadSubscription(SUBSCRIPTION, id_label=None),
        "in_process",
        horizon_hours(options.view_as(IrisOptions)),
        WriteRows(discard),
        discard,
    )


def _start(options: Any, plan: Plan, progress: Progress) -> None:
    class TimedClient(WideSubscriberClient):
        def pull(self, **request: Any) -> Any:
            progress.begin()
            return super().pull(**request)

    pubsub.SubscriberClient = TimedClient

    def run() -> None:
        try:
            command_line.run(options, plan)
        finally:  # it should never end by itself
            os._exit(1)

    threading.Thread(target=run, daemon=True).start()


if __name__ == "__main__":
    # As an imported module: Beam would copy all of `__main__`.
    from benchmarks import streaming_graph

    sys.exit(streaming_graph.main())
