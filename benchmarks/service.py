"""Requests and ledger rows of a service's stream, beside the plan before it.

A service's bundles are about one message each. 10,000 messages of one record, of all
datasets, go through the whole graph in one simulated minute, in such bundles. What is
counted is what the client of BigQuery would send. `service_runner` runs it.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import apache_beam as beam
import orjson
from apache_beam.options.pipeline_options import PipelineOptions
from google.cloud import bigquery

from benchmarks.measurement import Measurement, Target
from benchmarks.service_before import build_before
from benchmarks.service_runner import LAG_SECONDS, Arrival, Arrivals, BundlesOfOne, now
from local.simulator.generator import generate_message
from pipeline.bigquery import inserts
from pipeline.bigquery.inserts import Rejected, Tables
from pipeline.core.decoding import Message
from pipeline.graph import Plan, build
from pipeline.options import parse
from pipeline.plans import plan_of
from pipeline.registry import load_registry
from pipeline.steps.ledger import COUNTS
from pipeline.steps.write_windows import (
    WINDOW_SECONDS,
    WriteRowWindows,
    WriteTableWindows,
)

RECORDS = 10_000
MINUTE_SECONDS = 60.0
# How long a dataset's records of one publication take to arrive.
BURST_SECONDS = (1.0, 2.0)
START = datetime(2026, 5, 6, tzinfo=UTC)
LEDGER = "iris_ledger"
SERVICE = (
    *("--runner=DataflowRunner", "--streaming", "--project=gb-iris"),
    *("--subscription=projects/gb-iris/subscriptions/iris", "--region=europe-west2"),
)
REQUESTS = Target(1 / 40, at_most=True)
LEDGER_ROWS = Target(1 / 100, at_most=True)
# Shares of the datasets. Their counts do not depend on one another, except for the
# ledger's requests; the plan before has the same for every record.
EVEN_SHARE, BEFORE_SHARE = 1 / 3, 1 / 10
LEAST_DATASETS = 3

# When each of so many records of a dataset arrives, in seconds of the minute.
Spread = Callable[[int, random.Random], list[float]]


class Written(NamedTuple):
    """What a run has written.

    Attributes:
        records: How many it was given.
        requests: Requests, by table.
        ledger_rows: Rows of the ledger.
        counts: Their sums, by column.
    """

    records: int
    requests: Counter[str]
    ledger_rows: int
    counts: Counter[str]

    @property
    def requests_a_thousand(self) -> float:
        """Requests to all tables for 1,000 records."""
        return 1_000 * self.requests.total() / self.records

    @property
    def ledger_rows_a_thousand(self) -> float:
        """Rows of the ledger for 1,000 records."""
        return 1_000 * self.ledger_rows / self.records

    def context(self, datasets: int) -> dict[str, float | str]:
        """The figures behind the ratio."""
        return {
            "records": float(self.records),
            "datasets": float(datasets),
            "requests for rows": float(self.requests.total() - self.requests[LEDGER]),
            "requests for the ledger": float(self.requests[LEDGER]),
            "rows of the ledger": float(self.ledger_rows),
        }


def measure(scale: float) -> Iterator[Measurement]:
    """Bursts beside the plan before, then records spread evenly."""
    names = chosen(scale)
    before = written_before(chosen(scale * BEFORE_SHARE))
    reference = f"the plan before, {before.records:,} records"
    burst = written(names, in_a_burst)
    yield Measurement(
        "service, requests, datasets in bursts",
        burst.requests_a_thousand,
        "requests/1,000 records",
        reference,
        before.requests_a_thousand,
        REQUESTS,
        "the part of the requests that is left where each dataset's records come "
        "within two seconds",
        burst.context(len(names)),
    )
    yield Measurement(
        "service, ledger rows",
        burst.ledger_rows_a_thousand,
        "rows/1,000 records",
        reference,
        before.ledger_rows_a_thousand,
        LEDGER_ROWS,
        "the part of the ledger's rows that is left",
        burst.context(len(names)),
    )
    names = chosen(scale * EVEN_SHARE)
    even = written(names, evenly)
    yield Measurement(
        "service, requests, records spread evenly",
        even.requests_a_thousand,
        "requests/1,000 records",
        reference,
        before.requests_a_thousand,
        meaning="the same where the records of every dataset are spread over the "
        "minute, which real publications are not",
        context=even.context(len(names)),
    )


def chosen(share: float) -> list[str]:
    """That share of the datasets, from the whole registry."""
    names = list(load_registry())
    count = min(len(names), max(LEAST_DATASETS, round(share * len(names))))
    return [names[number * len(names) // count] for number in range(count)]


def in_a_burst(count: int, rng: random.Random) -> list[float]:
    """Records of one publication."""
    seconds = rng.uniform(*BURST_SECONDS)
    begin = rng.uniform(0, MINUTE_SECONDS - seconds)
    return [begin + seconds * number / count for number in range(count)]


def evenly(count: int, rng: random.Random) -> list[float]:
    """Records at the same distance from each other, all through the minute."""
    step = MINUTE_SECONDS / count
    begin = rng.uniform(0, step)
    return [begin + step * number for number in range(count)]


def arrivals(names: Sequence[str], spread: Spread) -> list[Arrival]:
    """Messages of one record each, as many of each dataset; no record comes twice."""
    registry, rng = load_registry(), random.Random(7)
    each, more = divmod(round(RECORDS * len(names) / len(registry)), len(names))
    found: list[Arrival] = []
    for place, name in enumerate(names):
        count = each + (place < more)
        for number, second in enumerate(spread(count, rng)):
            # A day apart: many datasets have no time but the day.
            about = START + timedelta(days=number)
            serial = len(found)
            message_id, body = generate_message(registry[name], about, serial, rng)
            at = START + timedelta(seconds=second)
            attributes = {
                "dataset": name,
                "message_id": message_id,
                "publish_id": message_id,
                "source": "IRIS",
            }
            message = Message(body, attributes, at.isoformat().replace("+00:00", "Z"))
            found.append(Arrival(at.timestamp(), message))
    return sorted(found, key=lambda arrival: arrival.at)


class _TimedPlan(Plan):
    """A plan whose tables have the clock of the runner."""

    def write_table(self, table: str) -> beam.PTransform:
        seconds = self.write_window_seconds or WINDOW_SECONDS
        return WriteTableWindows(table, self.inserter, seconds, now)


def service_plan() -> _TimedPlan:
    """The plan of `--runner DataflowRunner --streaming`, to the sink of this module."""
    plan = plan_of(parse([*SERVICE]), spool="")
    seconds = plan.write_window_seconds
    if seconds is None:
        raise RuntimeError("the plan of a service gathers no rows")
    return _TimedPlan(**plan._asdict())._replace(
        source=Arrivals(Message),
        write_rows=WriteRowWindows(insert, seconds, now),
        inserter=insert,
    )


def written(names: Sequence[str], spread: Spread) -> Written:
    """Runs the plan of a service."""
    plan = service_plan()
    return _run(arrivals(names, spread), lambda pipeline: build(pipeline, plan))


def written_before(names: Sequence[str]) -> Written:
    """Runs the plan before it. When records come makes no difference to it."""
    sent = [
        # It counted by the time of counting, and messages had no other.
        arrival._replace(
            element=Message(arrival.element.data, arrival.element.attributes)
        )
        for arrival in arrivals(names, in_a_burst)
    ]
    return _run(
        sent, lambda pipeline: build_before(pipeline, Arrivals(Message), insert)
    )


def _run(sent: list[Arrival], add: Callable[[beam.Pipeline], None]) -> Written:
    _sink.clear()
    # The minute is over for the watermark, and rows that it releases are written.
    until = START.timestamp() + MINUTE_SECONDS + LAG_SECONDS + 3 * WINDOW_SECONDS
    options = PipelineOptions(["--streaming"])
    with beam.Pipeline(BundlesOfOne(sent, until), options=options) as pipeline:
        add(pipeline)
    counts = Counter[str]()
    for row in _sink.ledger:
        counts.update({name: row[name] for name in COUNTS})
    result = Written(
        len(sent), Counter(_sink.requests), len(_sink.ledger), Counter(counts)
    )
    for name in ("messages", "records", "rows"):
        if counts[name] != len(sent):
            raise RuntimeError(
                f"the ledger has {counts[name]:,} {name} of {len(sent):,}"
            )
    return result


class _Sink:
    """Counts what a client of BigQuery is to send.

    Attributes:
        requests: Requests, by table.
        ledger: Rows of the ledger.
    """

    def __init__(self) -> None:
        self.requests = Counter[str]()
        self.ledger: list[dict[str, Any]] = []

    def clear(self) -> None:
        self.requests.clear()
        self.ledger.clear()

    def insert_all(
        self, _client: Any, table: str, body: bytes, _timeout_seconds: float
    ) -> list[Any]:
        self.requests[table] += 1
        if table == LEDGER:
            self.ledger += [row["json"] for row in orjson.loads(body)["rows"]]
        return []


_sink = _Sink()


def insert(tables: Tables) -> dict[str, list[Rejected]]:
    """Splits rows into requests as the pipeline does, and counts them."""
    client = cast(bigquery.Client, None)
    with patch.object(inserts, "insert_all", _sink.insert_all):
        return {
            table: inserts.insert(client, table, rows) for table, rows in tables.items()
        }
