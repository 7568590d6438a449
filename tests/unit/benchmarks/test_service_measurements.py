"""What the measurement of a service sends, runs and counts."""

import random
from itertools import pairwise

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    CombiningValueStateSpec,
    TimerSpec,
    on_timer,
)

from benchmarks import service
from benchmarks.service_runner import LAG_SECONDS, Arrival, Arrivals, BundlesOfOne, now
from pipeline.core.decoding import decode
from pipeline.registry import load_registry

START = 1_778_000_000.0
# What came out, and when. Runner and tests share this process.
OUT: list[tuple[float, object]] = []


@pytest.fixture(autouse=True)
def _fresh():
    OUT.clear()


def keep(element):
    OUT.append((now() - START, element))


class Bundles(beam.DoFn):
    """Yields the size of each bundle."""

    def start_bundle(self):
        self.size = 0

    def process(self, element):
        self.size += 1

    def finish_bundle(self):
        keep(self.size)


class Count(beam.DoFn):
    """Counts the elements of a key until a timer."""

    N = CombiningValueStateSpec("n", combine_fn=beam.CombineFn.from_callable(sum))
    DUE = TimerSpec("due", TimeDomain.REAL_TIME)

    def process(
        self,
        keyed,
        n=beam.DoFn.StateParam(N),
        due=beam.DoFn.TimerParam(DUE),
    ):
        if not n.read():
            due.set(now() + 2)
        n.add(1)
        if keyed[1] == "clear":
            due.clear()

    @on_timer(DUE)
    def at_due(self, key=beam.DoFn.KeyParam, n=beam.DoFn.StateParam(N)):
        yield key, n.read()
        n.clear()


class AtWatermark(beam.DoFn):
    """Yields a key when the watermark is five seconds after its element."""

    AT = TimerSpec("at", TimeDomain.WATERMARK)

    def process(
        self,
        _keyed,
        when=beam.DoFn.TimestampParam,
        at=beam.DoFn.TimerParam(AT),
    ):
        at.set(when + 5)

    @on_timer(AT)
    def fire(self, key=beam.DoFn.KeyParam):
        yield key


def run(*arrivals, steps):
    sent = [Arrival(START + at, element) for at, element in arrivals]
    options = PipelineOptions(["--streaming"])
    with beam.Pipeline(BundlesOfOne(sent, START + 60), options=options) as pipeline:
        _ = pipeline | Arrivals(tuple[str, str]) | steps


def test_each_element_of_the_source_is_a_bundle():
    run((0, ("a", "1")), (0, ("a", "2")), (1, ("b", "3")), steps=beam.ParDo(Bundles()))
    assert OUT == [(0, 1), (0, 1), (1, 1)]


def test_what_a_bundle_hands_on_is_a_bundle_for_each_key_of_a_step_with_state():
    class SizeByKey(Bundles):
        N = Count.N

        def process(self, element, n=beam.DoFn.StateParam(N)):
            self.size += 1

    three = beam.FlatMap(
        lambda _: [("a", "1"), ("a", "2"), ("b", "3")]
    ).with_output_types(tuple[str, str])
    run((0, ("x", "")), steps=three | beam.ParDo(SizeByKey()))
    assert sorted(size for _, size in OUT) == [1, 2]


def test_state_is_kept_and_timers_of_real_time_fire_at_their_time():
    arrivals = [(0, ("a", "1")), (1.5, ("a", "2")), (1.5, ("b", "1")), (2.5, ("a", ""))]
    run(*arrivals, steps=beam.ParDo(Count()) | beam.Map(keep))
    assert OUT == [(2, ("a", 2)), (3.5, ("b", 1)), (4.5, ("a", 1))]


def test_a_timer_that_is_cleared_does_not_fire():
    steps = beam.ParDo(Count()) | beam.Map(keep)
    run((0, ("a", "1")), (1, ("a", "clear")), steps=steps)
    assert OUT == []


def test_timers_of_event_time_fire_when_the_watermark_has_followed():
    run((1, ("a", "")), steps=beam.ParDo(AtWatermark()) | beam.Map(keep))
    assert OUT == [(6 + LAG_SECONDS, "a")]


def test_timers_after_the_end_do_not_fire():
    run((59, ("a", "")), steps=beam.ParDo(Count()) | beam.Map(keep))
    assert OUT == []


def test_all_datasets_are_measured_and_a_share_is_from_the_whole_registry():
    names = list(load_registry())
    assert service.chosen(1) == names
    assert service.chosen(5) == names
    few = service.chosen(0.1)
    assert len(set(few)) == len(few) == round(len(names) / 10)
    assert names.index(few[-1]) > len(names) * 0.8
    assert len(service.chosen(0.0001)) == service.LEAST_DATASETS


@pytest.mark.parametrize("seed", range(20))
def test_a_burst_takes_one_to_two_seconds_of_the_minute(seed):
    seconds = service.in_a_burst(100, random.Random(seed))
    assert seconds[0] >= 0 and seconds[-1] <= 60
    assert 0.9 < seconds[-1] - seconds[0] < 2


def test_an_even_spread_takes_the_whole_minute():
    seconds = service.evenly(120, random.Random(1))
    assert 0 <= seconds[0] < 0.5 and 59 < seconds[-1] < 60
    assert [b - a for a, b in pairwise(seconds)] == pytest.approx([0.5] * 119)


def test_every_message_is_one_new_record_of_the_minute():
    sent = service.arrivals(list(load_registry()), service.in_a_burst)
    assert len(sent) == service.RECORDS
    assert sent == sorted(sent, key=lambda arrival: arrival.at)
    assert sent[-1].at - service.START.timestamp() < 60
    messages = [arrival.element for arrival in sent]
    assert {message.dataset for message in messages} == set(load_registry())
    records = [decode(message, "2026-05-06T00:00:00Z").records for message in messages]
    assert {len(each) for each in records} == {1}
    assert len({each[0].record_id for each in records}) == service.RECORDS


@pytest.fixture
def _few(monkeypatch):
    """Ten records of each dataset."""
    monkeypatch.setattr(service, "RECORDS", 10 * len(load_registry()))


@pytest.mark.usefixtures("_few")
def test_rows_of_a_burst_are_one_request():
    found = service.written(["FREQ", "BOALF"], service.in_a_burst)
    assert found.records == 20
    rows = {name: n for name, n in found.requests.items() if name != service.LEDGER}
    assert rows == {"bmrs_freq_iris": 1, "bmrs_boalf_iris": 1}
    assert found.requests_a_thousand == 1_000 * found.requests.total() / 20


@pytest.mark.usefixtures("_few")
def test_rows_that_are_further_apart_than_a_window_are_a_request_each():
    found = service.written(["FREQ"], service.evenly)
    assert found.requests["bmrs_freq_iris"] == 10


@pytest.mark.usefixtures("_few")
def test_the_plan_before_made_three_requests_and_two_ledger_rows_for_a_record():
    """Decode counts a record; the step behind dedup writes it, and counts again."""
    found = service.written_before(["FREQ", "BOALF"])
    assert found.requests["bmrs_freq_iris"] == found.requests["bmrs_boalf_iris"] == 10
    assert found.requests[service.LEDGER] == found.ledger_rows == 40
    assert found.requests_a_thousand == 3_000
    assert found.ledger_rows_a_thousand == 2_000
    assert found.counts["rows"] == 20
    assert found.counts["duplicates"] == 0
