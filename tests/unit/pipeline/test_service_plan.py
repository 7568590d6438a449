"""The graph as a service runs it: state, write windows, a ledger in minutes.

With TestStream on BundleBasedDirectRunner, where time can be set, and bounded on
FnApiRunner, the harness that Dataflow's workers run. Nothing of it runs in a cloud.
"""

import datetime as dt
import json
import os
import random
from collections import Counter, defaultdict

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline, test_stream
from apache_beam.transforms.window import TimestampedValue

from pipeline.bigquery.inserts import Rejected
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.core.decoding import Message
from pipeline.graph import Plan, build
from pipeline.steps.ledger import COUNTS, OUTCOMES
from pipeline.steps.window_ledger import entries_in_and_out
from pipeline.steps.write_windows import WriteRowWindows

START = dt.datetime(2026, 5, 6, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
FREQ = "bmrs_freq_iris"
# `SERVICE_MESSAGES=60000` for the whole trial: that runner takes many minutes for it.
MESSAGES = int(os.environ.get("SERVICE_MESSAGES", "3000"))
STORED = defaultdict(list)
REQUESTS = []
REFUSE = set()


@pytest.fixture(autouse=True)
def _fresh():
    for each in (STORED, REQUESTS, REFUSE, WAITING):
        each.clear()


def insert(tables):
    """An inserter that keeps rows; tables in `REFUSE` accept none."""
    answers = {}
    for table, rows in tables.items():
        REQUESTS.append(table)
        refused = table in REFUSE
        answers[table] = [
            Rejected(position, "403 no permission", waits=True)
            for position in range(len(rows) if refused else 0)
        ]
        STORED[table] += [] if refused else rows
    return answers


def run(source, runner="BundleBasedDirectRunner"):
    """Runs the plan; what went into the windows of the ledger has come out."""
    streaming = runner != "FnApiRunner"
    options = PipelineOptions([f"--runner={runner}"], streaming=streaming)
    pipeline = test_pipeline.TestPipeline(runner=runner, options=options)
    plan = Plan(
        source,
        "in_state",
        24.0,
        WriteRowWindows(insert),
        insert,
        write_window_seconds=2.0,
        windowed_ledger=True,
        refuse_large=True,
    )
    build(pipeline, plan)
    result = pipeline.run()
    result.wait_until_finish()
    if not streaming:  # the other runner keeps the counters of first bundles alone
        entered, left = entries_in_and_out(result)
        assert entered == left > 0


def message(number, published=START, dataset="FREQ", again=""):
    """One record; with `again` it is the same record in another message."""
    moment = dt.datetime(2026, 5, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=number)
    text = moment.isoformat().replace("+00:00", "Z")
    record = {"dataset": "FREQ", "measurementTime": text, "frequency": 50.0}
    if dataset == "FUELINST":
        record = {"dataset": "FUELINST", "fuelType": "CCGT", "generation": number}
    return Message(
        json.dumps(json.dumps([record])).encode(),
        {
            "dataset": dataset,
            "message_id": f"{dataset}_{number}{again}",
            "enqueued_time": (published - dt.timedelta(seconds=1)).isoformat(),
        },
        published.isoformat().replace("+00:00", "Z"),
    )


def stamped(messages):
    return [
        TimestampedValue(one, dt.datetime.fromisoformat(one.published_utc).timestamp())
        for one in messages
    ]


def ledger():
    counted = Counter()
    for row in STORED["iris_ledger"]:
        counted.update({name: row.values[name] for name in COUNTS})
    return {name: counted[name] for name in COUNTS}


def assert_complete(messages, records, duplicates=0):
    """Every record is there once, every count is right."""
    tables = [table for table in list(STORED) if table.startswith("bmrs")]
    ids = [row.insert_id for table in tables for row in STORED[table]]
    assert len(ids) == len(set(ids)) == records
    counts = ledger()
    assert counts["messages"] == messages
    assert counts["rows"] == records
    assert counts["duplicates"] == duplicates
    assert counts["records"] == sum(counts[name] for name in OUTCOMES)


def panes():
    """Window and pane of each ledger row; a pair comes once a dataset."""
    return Counter(
        (row.values["dataset"], row.values["window_start"], row.values["pane"])
        for row in STORED["iris_ledger"]
    )


def test_bundles_of_one_element_straight_to_infinity():
    stream = test_stream.TestStream()
    for one in stamped(message(number) for number in range(12)):
        stream = stream.add_elements([one])
    run(stream.advance_watermark_to_infinity())
    assert_complete(messages=12, records=12)
    assert REQUESTS.count(FREQ) == 1


def test_on_time_early_and_three_days_late_each_record_is_there_once():
    late = [message(number, START - 3 * DAY) for number in range(20, 30)]
    stream = (
        test_stream.TestStream()
        .advance_watermark_to(START.timestamp() - 60)
        .add_elements(stamped(message(n) for n in range(10)))  # on time
        .add_elements(stamped(message(n, START + DAY) for n in range(10, 20)))  # early
        .advance_watermark_to(START.timestamp() + 120)
        .add_elements(stamped(late))
        .advance_watermark_to(START.timestamp() + 240)
        .add_elements(stamped([message(5, again=" twin"), late[0]]))
    )
    run(stream.advance_watermark_to_infinity())
    assert_complete(messages=32, records=30, duplicates=2)
    assert set(panes().values()) == {1}
    minutes = {start for _, start, _ in panes()}
    assert minutes == {
        f"{day}T12:00:00Z" for day in ("2026-05-03", "2026-05-06", "2026-05-07")
    }


def test_a_table_that_accepts_nothing_costs_only_its_own_rows():
    REFUSE.add(FREQ)
    both = [message(n) for n in range(5)]
    both += [message(n, dataset="FUELINST") for n in range(5)]
    stream = test_stream.TestStream()
    for one in stamped(both):
        stream = stream.add_elements([one])
    run(stream.advance_watermark_to_infinity())
    assert len(STORED["bmrs_fuelinst_iris"]) == 5
    reasons = [row.values["reason"] for row in STORED["iris_dead_letters"]]
    assert reasons == ["TABLE_UNAVAILABLE"] * 5
    counts = ledger()
    assert (counts["rows"], counts["dead_letters"]) == (5, 5)


def test_the_harness_of_workers_runs_the_whole_plan_on_bounded_input():
    messages = [message(number) for number in range(200)]
    messages += [message(number, again=" twin") for number in range(20)]
    source = beam.Create(messages, reshuffle=False).with_output_types(Message)
    run(source, "FnApiRunner")
    assert_complete(messages=220, records=200, duplicates=20)


def test_in_random_order_with_twins_and_late_messages_every_row_is_there_once():
    """5 % come three days late, 2 % twice; the watermark follows the stream."""
    chance = random.Random(18)
    step = dt.timedelta(seconds=3600 / MESSAGES)
    on_time = [message(number, START + number * step) for number in range(MESSAGES)]
    late = chance.sample(range(MESSAGES), MESSAGES // 20)
    for number in late:
        on_time[number] = message(number, START + number * step - 3 * DAY)
    twins = [
        message(number, START + number * step, again=" twin")
        for number in chance.sample(range(MESSAGES), MESSAGES // 50)
    ]
    everything = [*on_time, *twins]
    chance.shuffle(everything)
    size = max(1, len(everything) // 12)
    stream = test_stream.TestStream().advance_watermark_to(START.timestamp())
    for number, start in enumerate(range(0, len(everything), size)):
        stream = stream.add_elements(stamped(everything[start : start + size]))
        stream = stream.advance_watermark_to(START.timestamp() + 120 * (number + 1))
    run(stream.advance_watermark_to_infinity())
    assert_complete(len(everything), records=MESSAGES, duplicates=len(twins))
    assert set(panes().values()) == {1}
