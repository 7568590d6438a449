"""Rows gather by table in the state of a runner; one bad table costs only itself."""

import json
from collections import defaultdict

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.test_stream import TestStream
from apache_beam.transforms.window import TimestampedValue

from pipeline.bigquery import waiting_tables
from pipeline.bigquery.inserts import Rejected
from pipeline.bigquery.waiting_tables import WAITING
from pipeline.core.batches import TableRow, row_batch
from pipeline.core.decoding import Message, decode
from pipeline.steps import coders, write_windows
from pipeline.steps.ledger import COUNTS
from pipeline.steps.write_windows import WriteRowWindows, WriteTableWindows

START = 1_778_000_000  # seconds, in May 2026
FREQ, FUELINST = "bmrs_freq_iris", "bmrs_fuelinst_iris"
coders.register()


class Warehouse:
    """An inserter that keeps its requests, and refuses as it is told.

    Attributes:
        requests: Table and number of rows of each.
        stored: Ids of stored rows, by table.
        waiting: How many more requests of a table it accepts nothing in.
        wrong: Ids of rows that are refused for good.
    """

    def __init__(self):
        self.clear()

    def clear(self):
        self.requests, self.stored = [], defaultdict(list)
        self.waiting, self.wrong = {}, set()

    def insert(self, tables):
        answers = {}
        for table, rows in tables.items():
            self.requests.append((table, len(rows)))
            if self.waiting.get(table):
                self.waiting[table] -= 1
                answers[table] = [
                    Rejected(position, "403 no permission", waits=True)
                    for position in range(len(rows))
                ]
                continue
            answers[table] = [
                Rejected(position, "invalid at x")
                for position, row in enumerate(rows)
                if row.insert_id in self.wrong
            ]
            self.stored[table] += [
                row.insert_id for row in rows if row.insert_id not in self.wrong
            ]
        return answers


WAREHOUSE = Warehouse()
OUT = defaultdict(list)
NOW = [0.0]


def insert(tables):
    return WAREHOUSE.insert(tables)


def keep(name, row):
    OUT[name].append(row)


@pytest.fixture(autouse=True)
def _fresh():
    WAREHOUSE.clear()
    OUT.clear()
    NOW[0] = 0.0
    WAITING.clear()
    yield
    WAITING.clear()


def batch(number, dataset="FREQ"):
    """One record of a message, as dedup passes it on."""
    if dataset == "FREQ":
        when = (
            f"2026-05-06T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        )
        record = {"dataset": "FREQ", "measurementTime": when, "frequency": 50.0}
    else:
        record = {"dataset": "FUELINST", "fuelType": "CCGT", "generation": number}
    attributes = {"dataset": dataset, "message_id": f"{dataset}_{number}"}
    message = Message(json.dumps(json.dumps([record])).encode(), attributes)
    return row_batch(message, decode(message, "2026-05-06T00:00:00Z"))


def stamped(*batches, at=START):
    return [TimestampedValue(one, at) for one in batches]


def clock():
    """The stream's processing time, which the tests let pass in steps of 100 s."""
    NOW[0] += 20
    return NOW[0]


def run(source, runner="BundleBasedDirectRunner", **options):
    """Runs the step over its input; a stream is a TestStream."""
    streaming = runner != "FnApiRunner"
    arguments = PipelineOptions([f"--runner={runner}"], streaming=streaming)
    with TestPipeline(runner=runner, options=arguments) as pipeline:
        written = pipeline | source | WriteRowWindows(insert, **options)
        for name in ("ledger", "dead_letters"):
            _ = written[name] | f"Keep {name}" >> beam.Map(
                lambda row, name=name: keep(name, row)
            )


def sums():
    return {name: sum(row.values[name] for row in OUT["ledger"]) for name in COUNTS}


def bundles_of_one(stream, batches, at=START):
    for one in batches:
        stream = stream.add_elements(stamped(one, at=at))
    return stream


def test_rows_of_a_table_go_in_one_request_when_the_job_is_drained():
    stream = bundles_of_one(TestStream(), [batch(n) for n in range(20)])
    run(stream.advance_watermark_to_infinity())
    assert WAREHOUSE.requests == [(FREQ, 20)]
    assert len(set(WAREHOUSE.stored[FREQ])) == 20
    assert sums()["rows"] == 20


def test_every_500_rows_are_a_request():
    batches = [batch(n) for n in range(1_100)]
    stream = TestStream().add_elements(stamped(*batches[:600]))
    stream = stream.add_elements(stamped(*batches[600:]))
    run(stream.advance_watermark_to_infinity())
    assert WAREHOUSE.requests == [(FREQ, 500), (FREQ, 500), (FREQ, 100)]


def test_rows_are_many_by_their_bytes_too(monkeypatch):
    monkeypatch.setattr(write_windows, "MAX_BYTES", 2_000)
    stream = TestStream().add_elements(stamped(*(batch(n) for n in range(10))))
    run(stream.advance_watermark_to_infinity())
    assert len(WAREHOUSE.requests) > 1
    assert len(WAREHOUSE.stored[FREQ]) == 10


def test_tables_gather_apart():
    stream = TestStream().add_elements(
        stamped(batch(1), batch(1, "FUELINST"), batch(2), batch(2, "FUELINST"))
    )
    run(stream.advance_watermark_to_infinity())
    assert sorted(WAREHOUSE.requests) == [(FREQ, 2), (FUELINST, 2)]


@pytest.mark.parametrize("at", [START, START - 3 * 86_400])
def test_no_row_waits_for_a_watermark_or_is_too_late_for_its_table(at):
    """The window is over by the clock, before the watermark moves."""
    stream = TestStream().advance_watermark_to(START)
    stream = bundles_of_one(stream, [batch(1)], at=at).advance_processing_time(10)
    stream = bundles_of_one(stream, [batch(2)], at=at)
    run(stream.advance_watermark_to_infinity(), clock=lambda: 0.0)
    assert WAREHOUSE.requests == [(FREQ, 1), (FREQ, 1)]


def test_a_refused_row_is_a_dead_letter_and_costs_no_other():
    batches = [batch(n) for n in range(3)]
    WAREHOUSE.wrong = {batches[1].records[0].record_id}
    run(TestStream().add_elements(stamped(*batches)).advance_watermark_to_infinity())
    assert len(WAREHOUSE.stored[FREQ]) == 2
    [letter] = OUT["dead_letters"]
    assert letter.values["reason"] == "INSERT_REJECTED"
    assert letter.values["message_id"] == "FREQ_1"
    assert (sums()["rows"], sums()["dead_letters"]) == (2, 1)


def steps_of_time(stream, steps):
    """Lets the processing time pass."""
    for _ in range(steps):
        stream = stream.advance_processing_time(100)
    return stream


def test_rows_of_a_table_that_waits_are_tried_again_and_stored_once():
    WAREHOUSE.waiting = {FREQ: 3}
    stream = TestStream().add_elements(stamped(batch(1), batch(1, "FUELINST")))
    run(steps_of_time(stream, 8).advance_watermark_to_infinity(), clock=clock)
    assert len(WAREHOUSE.stored[FREQ]) == len(WAREHOUSE.stored[FUELINST]) == 1
    assert WAREHOUSE.requests.count((FUELINST, 1)) == 1
    assert WAREHOUSE.requests.count((FREQ, 1)) == 4
    assert sums()["rows"] == 2
    assert OUT["dead_letters"] == []


def test_after_the_patience_rows_become_dead_letters_with_the_reason(monkeypatch):
    monkeypatch.setattr(waiting_tables, "PATIENCE_SECONDS", 200)
    WAREHOUSE.waiting = {FREQ: 1_000}
    stream = TestStream().add_elements(
        stamped(batch(1), batch(2), batch(1, "FUELINST"))
    )
    stream = steps_of_time(stream, 20).add_elements(stamped(batch(2, "FUELINST")))
    run(stream.advance_watermark_to_infinity(), clock=clock)
    assert len(WAREHOUSE.stored[FUELINST]) == 2
    assert WAREHOUSE.stored[FREQ] == []
    assert [row.values["reason"] for row in OUT["dead_letters"]] == [
        "TABLE_UNAVAILABLE",
        "TABLE_UNAVAILABLE",
    ]
    assert all("403" in row.values["error"] for row in OUT["dead_letters"])
    assert (sums()["rows"], sums()["dead_letters"]) == (2, 2)


def test_a_drain_of_the_job_waits_for_no_table():
    WAREHOUSE.waiting = {FREQ: 1_000}
    stream = TestStream().add_elements(stamped(batch(1), batch(1, "FUELINST")))
    run(stream.advance_watermark_to_infinity())
    assert WAREHOUSE.requests.count((FREQ, 1)) == 1
    assert [row.values["reason"] for row in OUT["dead_letters"]] == [
        "TABLE_UNAVAILABLE"
    ]
    assert (sums()["rows"], sums()["dead_letters"]) == (1, 1)


def test_rows_that_wait_are_bounded(monkeypatch):
    monkeypatch.setattr(write_windows, "MAX_WAITING_ROWS", 10)
    WAREHOUSE.waiting = {FREQ: 1_000}
    stream = TestStream().add_elements(stamped(*(batch(n) for n in range(11))))
    run(steps_of_time(stream, 3).advance_watermark_to_infinity(), clock=clock)
    assert WAREHOUSE.requests == [(FREQ, 11)]
    assert len(OUT["dead_letters"]) == 11


def test_a_table_that_waits_is_named_once_with_what_to_do(caplog):
    WAREHOUSE.waiting = {FREQ: 4}
    stream = bundles_of_one(TestStream(), [batch(n) for n in range(3)])
    run(steps_of_time(stream, 10).advance_watermark_to_infinity(), clock=clock)
    waits, again = [one for one in caplog.messages if FREQ in one]
    assert "403" in waits
    assert "python -m sql apply" in waits
    assert "are written again" in again


def test_the_harness_of_workers_writes_every_row_once_and_counts_it():
    """FnApiRunner is what Dataflow's workers run; its input here is bounded."""
    batches = [batch(n) for n in range(30)]
    run(beam.Create(batches, reshuffle=False), "FnApiRunner")
    assert len(set(WAREHOUSE.stored[FREQ])) == len(WAREHOUSE.stored[FREQ]) == 30
    assert sums()["rows"] == 30


@pytest.mark.parametrize("runner", ["BundleBasedDirectRunner", "FnApiRunner"])
def test_rows_of_our_own_tables_gather_too(runner):
    rows = [TableRow("FREQ", f"id-{n}", {"n": n}) for n in range(20)]
    streaming = runner != "FnApiRunner"
    options = PipelineOptions([f"--runner={runner}"], streaming=streaming)
    source = (
        bundles_of_one(TestStream(), rows).advance_watermark_to_infinity()
        if streaming
        else beam.Create(rows, reshuffle=False)
    )
    with TestPipeline(runner=runner, options=options) as pipeline:
        typed = pipeline | source | beam.Map(lambda x: x).with_output_types(TableRow)
        _ = typed | WriteTableWindows("iris_unmapped", insert)
    assert sorted(WAREHOUSE.stored["iris_unmapped"]) == sorted(
        r.insert_id for r in rows
    )
    if streaming:
        assert WAREHOUSE.requests == [("iris_unmapped", 20)]


def test_a_drain_says_so_where_one_of_our_own_tables_cannot_be_written():
    WAREHOUSE.waiting = {"iris_dead_letters": 100}
    rows = [TableRow("FREQ", "id", {"n": 1})]
    options = PipelineOptions(["--runner=BundleBasedDirectRunner"], streaming=True)
    pipeline = TestPipeline(runner="BundleBasedDirectRunner", options=options)
    stream = TestStream().add_elements(rows).advance_watermark_to_infinity()
    _ = pipeline | stream | WriteTableWindows("iris_dead_letters", insert)
    with pytest.raises(Exception, match="rows of iris_dead_letters cannot be written"):
        pipeline.run().wait_until_finish()
