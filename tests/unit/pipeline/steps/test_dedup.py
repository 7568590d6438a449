"""Dedup on the harness that Dataflow's workers run: types, coders, timers."""

import time

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import translations
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import userstate
from apache_beam.transforms.deduplicate import DeduplicatePerKey
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from pipeline.core.batches import RowBatch, TableRow
from pipeline.core.decoding import typed_record
from pipeline.steps.coders import RowBatchCoder, register
from pipeline.steps.dedup import DeduplicateRecords, forget
from pipeline.steps.ledger import counted

DAY = 24 * 3600
NOW = 1_780_000_000
# Of each number a record; those that repeat are duplicates.
NUMBERS = [1, 2, 1, 3, 1, 2]
register()


def now():
    return NOW


def batch_of(number):
    """A message of one record, published in the second of its number."""
    record = typed_record("FREQ", f"{number:032x}", {"frequency": number}, 0)
    metadata = {"enqueued_utc": None, "message_id": "m"}
    batch = RowBatch("FREQ", metadata, {"message_id": "m"}, [record])
    return TimestampedValue(batch, NOW + number)


def number_of(batch):
    [record] = batch.records
    return record.row["frequency"]


def pipeline():
    return beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))


def batches_of(numbers, begun):
    # No RowBatch is created as a constant: Create would encode it by itself.
    created = begun | beam.Create(numbers, reshuffle=False)
    return created | beam.Map(batch_of).with_output_types(RowBatch)


@pytest.fixture(autouse=True)
def _fresh():
    forget()


@pytest.fixture
def timers(monkeypatch):
    """Every timer that is written to the runner."""
    written = []
    plain = userstate.Timer

    def record(*args, **fields):
        timer = plain(*args, **fields)
        written.append(timer)
        return timer

    monkeypatch.setattr(userstate, "Timer", record)
    return written


def message_of(message_id):
    record = typed_record("PN", "0" * 32, {"levelFrom": 1}, 0)
    metadata = {"enqueued_utc": None, "message_id": message_id, "source": "IRIS"}
    attributes = {"message_id": message_id, "publish_id": message_id}
    return TimestampedValue(RowBatch("PN", metadata, attributes, [record]), NOW)


@pytest.mark.parametrize("memory", ["in_process", "in_run", "in_state", "by_grouping"])
def test_a_record_that_is_published_again_is_a_row_of_that_publication(memory):
    """The message that comes twice is the same publication."""
    with pipeline() as begun:
        batches = (
            begun
            | beam.Create(["a", "b", "a"], reshuffle=False)
            | beam.Map(message_of).with_output_types(RowBatch)
        )
        outputs = batches | DeduplicateRecords(memory, 24)
        names = outputs.rows | beam.Map(lambda batch: batch.metadata["message_id"])
        assert_that(names, equal_to(["a", "b"]))
    assert counted(begun.result)["duplicates"] == 1


@pytest.mark.parametrize("memory", ["in_process", "in_run", "in_state", "by_grouping"])
def test_every_memory_keeps_each_record_once_and_counts_the_rest(memory):
    with pipeline() as begun:
        outputs = batches_of(NUMBERS, begun) | DeduplicateRecords(memory, 24)
        assert_that(outputs.rows | beam.Map(number_of), equal_to([1, 2, 3]))
    assert counted(begun.result)["duplicates"] == 3


@pytest.mark.parametrize("memory", ["in_process", "in_run", "in_state", "by_grouping"])
def test_beam_knows_the_types_of_both_outputs(memory):
    outputs = batches_of(NUMBERS, pipeline()) | DeduplicateRecords(memory, 24)
    assert outputs.rows.element_type is RowBatch
    assert outputs.ledger.element_type is TableRow


@pytest.mark.parametrize("memory", ["in_state", "by_grouping"])
def test_batches_cross_the_shuffle_in_their_own_coder(monkeypatch, memory):
    # FnApiRunner has one worker, and puts a shuffle before GroupByKey alone.
    plain = translations.annotate_downstream_side_inputs
    monkeypatch.setattr(
        translations,
        "annotate_downstream_side_inputs",
        lambda stages, context: translations.annotate_stateful_dofns_as_roots(
            plain(stages, context), context
        ),
    )
    read = []
    decode = RowBatchCoder.decode
    monkeypatch.setattr(
        RowBatchCoder,
        "decode",
        lambda self, encoded: read.append(1) or decode(self, encoded),
    )
    with pipeline() as begun:
        _ = batches_of(NUMBERS, begun) | DeduplicateRecords(memory, 24)
    assert len(read) == len(NUMBERS)


def test_a_bounded_run_ends_at_once_although_records_are_remembered_for_a_day():
    began = time.monotonic()
    with pipeline() as begun:
        _ = batches_of(NUMBERS, begun) | DeduplicateRecords("in_state", 24)
    assert time.monotonic() - began < 60


def test_a_timer_holds_the_watermark_at_its_own_time_and_not_at_the_records(timers):
    with pipeline() as begun:
        _ = batches_of([1], begun) | DeduplicateRecords("in_state", 24, now)
    assert timers
    for timer in timers:
        assert timer.fire_timestamp == Timestamp(NOW + 1 + DAY)
        assert timer.hold_timestamp == timer.fire_timestamp


def test_beams_own_dedup_by_processing_time_holds_it_at_the_records_time(timers):
    """The reason for a DoFn of our own; if Beam changes this, read it again."""
    with pipeline() as begun:
        keyed = batches_of([1], begun) | beam.WithKeys("a")
        _ = keyed | DeduplicatePerKey(processing_time_duration=Duration(DAY))
    assert {timer.hold_timestamp for timer in timers} == {Timestamp(NOW + 1)}


def test_a_record_that_comes_late_is_remembered_from_now(timers):
    three_days = -3 * DAY
    with pipeline() as begun:
        _ = batches_of([three_days], begun) | DeduplicateRecords("in_state", 24, now)
    assert {timer.fire_timestamp for timer in timers} == {Timestamp(NOW + DAY)}


def test_a_horizon_without_end_ends_with_beams_time(timers):
    with pipeline() as begun:
        outputs = batches_of(NUMBERS, begun) | DeduplicateRecords("in_state", 1e15)
        assert_that(outputs.rows | beam.Map(number_of), equal_to([1, 2, 3]))
    end = GlobalWindow().max_timestamp().seconds()
    assert {timer.fire_timestamp.seconds() for timer in timers} == {end}
