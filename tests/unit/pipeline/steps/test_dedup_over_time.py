"""Dedup by state while a stream's time passes: late records, twins, the horizon.

A record is a number; those with the same number are twins.
"""

import time

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_stream
from apache_beam.transforms.window import TimestampedValue

from pipeline.core.batches import RowBatch
from pipeline.core.decoding import typed_record
from pipeline.steps.dedup import DeduplicateRecords

HOUR = 3600
DAY = 24 * HOUR
NOW = 1_780_000_000
# What came out. Runner and tests share this process.
KEPT: list[int] = []
DROPPED: list[int] = []


@pytest.fixture(autouse=True)
def _fresh():
    KEPT.clear()
    DROPPED.clear()


def now():
    return NOW


def in_a_month():
    return NOW + 30 * DAY


def sent(number, at=0.0, **attributes):
    """A record that was published so many seconds after `NOW`."""
    record = typed_record("FREQ", f"{number:032x}", {"frequency": number}, 0)
    metadata = {"enqueued_utc": None, "message_id": "m"}
    attributes = {"message_id": "m", **attributes}
    batch = RowBatch("FREQ", metadata, attributes, [record])
    return TimestampedValue(batch, NOW + at)


def bundles(*elements):
    """Adds the elements to a stream, one a bundle, as Dataflow has them."""

    def add(stream):
        for element in elements:
            stream = stream.add_elements([element])
        return stream

    return add


def bundle(*elements):
    """Adds the elements to a stream, in one bundle."""
    return lambda stream: stream.add_elements(list(elements))


def watermark(at):
    """Advances the watermark to so many seconds after `NOW`."""
    return lambda stream: stream.advance_watermark_to(NOW + at)


def twin_after(hours):
    """Advances the watermark, and adds another record 1 in time."""
    return watermark(hours * HOUR), bundles(sent(1, hours * HOUR))


def keep(batch):
    KEPT.extend(record.row["frequency"] for record in batch.records)


def count(row):
    DROPPED.append(row.values["duplicates"])


def run(*events, clock=now):
    """Runs a stream straight to its end; what comes out is in `KEPT` and `DROPPED`."""
    stream = test_stream.TestStream()
    for event in events:
        stream = event(stream)
    stream = stream.advance_watermark_to_infinity()
    arguments = ["--runner=BundleBasedDirectRunner", "--streaming"]
    with beam.Pipeline(options=PipelineOptions(arguments)) as pipeline:
        outputs = pipeline | stream | DeduplicateRecords("in_state", 24, clock)
        _ = outputs.rows | "Keep" >> beam.Map(keep)
        _ = outputs.ledger | "Count" >> beam.Map(count)
    return sorted(KEPT), sum(DROPPED)


@pytest.mark.parametrize("add", [bundle, bundles])
def test_twins_pass_once_in_one_bundle_and_in_bundles_of_one(add):
    assert run(add(sent(1), sent(2, 1), sent(1, 2), sent(1))) == ([1, 2], 2)


def test_bundles_of_one_count_every_duplicate_by_itself():
    run(bundles(sent(1), sent(1), sent(1)))
    assert DROPPED == [1, 1]


@pytest.mark.parametrize("add", [bundle, bundles])
def test_a_twin_three_days_late_is_dropped(add):
    late = add(sent(1, -3 * DAY), sent(2, -3 * DAY))
    assert run(watermark(0), add(sent(1)), watermark(60), late) == ([1, 2], 1)


@pytest.mark.parametrize("add", [bundle, bundles])
def test_of_twins_that_are_both_three_days_late_one_passes(add):
    late = [sent(1, -3 * DAY), sent(1, -3 * DAY), sent(1, -2 * DAY)]
    assert run(watermark(0), add(*late)) == ([1], 2)


def test_a_late_record_is_remembered_for_the_whole_horizon():
    late, twin = bundles(sent(1, -3 * DAY)), bundles(sent(1, DAY))
    assert run(watermark(0), late, watermark(DAY - 1), twin) == ([1], 1)


@pytest.mark.parametrize("add", [bundle, bundles])
def test_twins_may_come_out_of_order(add):
    backwards = add(sent(1, 20), sent(2, 10), sent(1, 0), sent(2, -10))
    again = add(sent(2, 30), sent(1, -DAY))
    assert run(watermark(-60), backwards, watermark(60), again) == ([1, 2], 4)


def test_a_twin_passes_again_when_the_horizon_is_over():
    first, twin = bundles(sent(1)), bundles(sent(1, DAY))
    assert run(watermark(0), first, watermark(DAY + 1), twin) == ([1, 1], 0)


def test_the_horizon_counts_from_when_the_record_was_new():
    seen = [event for hours in (8, 16) for event in twin_after(hours)]
    assert run(watermark(0), bundles(sent(1)), *seen, *twin_after(25)) == ([1, 1], 2)


def test_a_record_ahead_of_the_clock_is_remembered_from_its_own_time():
    ahead, twin = bundles(sent(1, 2 * HOUR)), bundles(sent(1, DAY))
    assert run(watermark(0), ahead, watermark(DAY + HOUR), twin) == ([1], 1)


def test_behind_a_backlog_records_are_remembered_for_longer():
    first = bundles(sent(1))
    events = watermark(0), first, *twin_after(25), *twin_after(29 * 24)
    assert run(*events, clock=in_a_month) == ([1], 2)


def test_a_record_that_was_forgotten_is_remembered_again():
    events = watermark(0), bundles(sent(1)), *twin_after(25), *twin_after(26)
    assert run(*events) == ([1, 1], 1)


@pytest.mark.parametrize("add", [bundle, bundles])
def test_a_drain_does_not_wait_for_the_horizon(add):
    began = time.monotonic()
    # By the clock the records are remembered until a month from now.
    outcome = run(add(sent(1), sent(2), sent(1)), clock=in_a_month)
    assert outcome == ([1, 2], 1)
    assert time.monotonic() - began < 60


def test_a_replay_passes_and_its_own_redelivery_does_not():
    first, replay = sent(1, publish_id="m"), sent(1, publish_id="m-replay-1")
    another = sent(1, publish_id="m-replay-2")
    assert run(bundles(first, first, replay, replay, another)) == ([1, 1, 1], 2)
