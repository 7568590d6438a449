"""The ledger in one-minute windows: whatever the order, nothing is lost."""

import datetime as dt
import uuid
from collections import Counter, defaultdict

import apache_beam as beam
import pytest
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline, test_stream
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.batches import TableRow
from pipeline.steps import window_ledger
from pipeline.steps.ledger import COUNTS, DELAY_SUMS, EMPTY, added
from pipeline.steps.window_ledger import WindowLedger, _Sums, entries_in_and_out

T0 = 1_780_000_020  # the beginning of a minute
DAY = 24 * 3600
ROWS = []
# What the step counts of its entries. Beam's own counters do not serve with TestStream:
# that runner (2.77) keeps those of the first bundle of each step alone.
ENTRIES = Counter()


class CountedMetrics:
    """Beam's counters, with their sums in `ENTRIES`, too."""

    @staticmethod
    def counter(namespace, name):
        return CountedMetric(name, Metrics.counter(namespace, name))


class CountedMetric:
    def __init__(self, name, counter):
        self.name, self.counter = name, counter

    def inc(self, number=1):
        ENTRIES[self.name] += number
        self.counter.inc(number)


@pytest.fixture(autouse=True, scope="module")
def _counted():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_ledger, "Metrics", CountedMetrics)
        yield


def keep(row):
    ROWS.append(row)


def minute(seconds):
    moment = dt.datetime.fromtimestamp(T0 + seconds, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:00Z")


def entry(seconds, dataset="FREQ", **counts):
    """An entry of messages that Pub/Sub received some seconds after `T0`."""
    name = uuid.uuid4().hex
    values = {**EMPTY, **(counts or {"messages": 1, "records": 2, "rows": 2})}
    start = None if seconds is None else minute(seconds)
    values |= {"entry_id": name, "minute_utc": minute(3600), "dataset": dataset}
    return TableRow(dataset, name, {**values, "window_start": start, "pane": None})


def run(source, runner="BundleBasedDirectRunner"):
    """Runs the step; returns the rows by dataset and minute, in the order of panes."""
    ROWS.clear()
    ENTRIES.clear()
    options = PipelineOptions([], streaming=runner == "BundleBasedDirectRunner")
    pipeline = test_pipeline.TestPipeline(runner=runner, options=options)
    _ = pipeline | source | WindowLedger() | "Keep" >> beam.Map(keep)
    result = pipeline.run()
    result.wait_until_finish()
    assert ENTRIES["entries_in"] == ENTRIES["entries_out"]
    if runner == "FnApiRunner":
        came, left = entries_in_and_out(result)
        assert came == left == ENTRIES["entries_in"] > 0
    panes = defaultdict(list)
    for row in sorted(ROWS, key=lambda row: row.values["pane"]):
        assert row.insert_id == row.values["entry_id"]
        panes[row.dataset, row.values["window_start"]].append(row.values)
    for rows in panes.values():
        assert [row["pane"] for row in rows] == list(range(len(rows)))
    return panes


def messages(panes):
    return {key: [row["messages"] for row in rows] for key, rows in panes.items()}


def ticking(*steps):
    """A stream that gathers elements of one bundle, and moves on where a step says."""
    stream = test_stream.TestStream()
    for step in steps:
        if isinstance(step, list):
            stream = stream.add_elements(step)
        else:
            stream = stream.advance_watermark_to(T0 + step)
    return stream.advance_watermark_to_infinity()


def test_a_minute_is_one_row_a_dataset():
    on_time = [entry(n, name) for n in range(0, 120, 20) for name in ("FREQ", "BOD")]
    panes = run(ticking(0, on_time, 180))
    assert messages(panes) == {
        (name, minute(n)): [3] for n in (0, 60) for name in ("FREQ", "BOD")
    }
    (row,) = panes["FREQ", minute(0)]
    assert (row["records"], row["rows"], row["minute_utc"]) == (6, 6, minute(3600))


def test_what_is_late_makes_further_panes_and_what_is_early_waits():
    panes = run(
        ticking(
            0, [entry(5), entry(130)], 61, [entry(10), entry(20)], 62,
            [entry(30)], 125, [entry(40), entry(131)], 181,
        )
    )  # fmt: skip
    assert messages(panes) == {
        ("FREQ", minute(0)): [1, 2, 1, 1],
        ("FREQ", minute(120)): [2],
    }


def test_three_days_late_is_counted_and_out_of_order():
    late = [entry(n - 3 * DAY) for n in (70, 10, 75)]
    panes = run(ticking(0, [entry(1)], 600, late, 700, [entry(3 - 3 * DAY)]))
    assert messages(panes) == {
        ("FREQ", minute(0)): [1],
        ("FREQ", minute(60 - 3 * DAY)): [2],
        ("FREQ", minute(-3 * DAY)): [1, 1],
    }


@pytest.mark.parametrize("start", [[], [0]])
def test_bundles_of_one_entry_and_the_end_at_once(start):
    panes = run(ticking(*start, *([entry(n * 7)] for n in range(13))))
    assert messages(panes) == {
        ("FREQ", minute(0)): [9],
        ("FREQ", minute(60)): [4],
    }


def test_an_entry_without_a_minute_of_pubsub_is_counted_in_that_of_its_own():
    panes = run(ticking(0, [entry(None), entry(3600), entry(None)], 4000))
    assert messages(panes) == {("FREQ", None): [2], ("FREQ", minute(3600)): [1]}


def test_duplicates_that_were_none_leave_no_row():
    """Dedup counts a record when it comes, and takes it back when it passes."""
    plus, minus = entry(1, duplicates=2), entry(2, duplicates=-2)
    assert run(ticking(0, [plus], [minus], 90)) == {}


def test_a_bounded_run_of_workers_has_the_same_sums():
    entries = [entry(n * 7, ("FREQ", "BOD")[n % 2]) for n in range(26)]
    panes = run(beam.Create(entries), "FnApiRunner")
    assert sum(n for counts in messages(panes).values() for n in counts) == 26
    assert {key for key, counts in messages(panes).items() if len(counts) == 1} == {
        (name, minute(n)) for name in ("FREQ", "BOD") for n in (0, 60, 120)
    }


SECONDS = st.integers(0, 10**7).map(lambda thousandth: thousandth / 1000)
VALUES = st.fixed_dictionaries(
    {
        **dict.fromkeys(
            (*COUNTS, "to_pubsub_count", "to_row_count"), st.integers(0, 9)
        ),
        "to_pubsub_seconds_sum": SECONDS,
        "to_row_seconds_sum": SECONDS,
        "to_row_seconds_max": st.none() | SECONDS,
        "newest_event_utc": st.none() | st.just(minute(0)) | st.just(minute(60)),
    }
)


def realistic(values):
    """Delays are those of messages and rows that are counted, too."""
    for count, of in (("to_pubsub", "messages"), ("to_row", "rows")):
        values[f"{count}_count"] = min(values[f"{count}_count"], values[of])
        if not values[f"{count}_count"]:
            values[f"{count}_seconds_sum"] = 0.0
    return values


ONE_ENTRY = st.tuples(
    st.sampled_from(["FREQ", "BOD"]),
    st.sampled_from([0, 61, 130, -3 * DAY]),
    VALUES.map(realistic),
)
STEPS = st.lists(
    st.lists(ONE_ENTRY, min_size=1, max_size=3) | st.integers(1, 200), max_size=6
)


def sums(values):
    counted = Counter()
    for each in values:
        counted.update({name: each[name] for name in (*COUNTS, *DELAY_SUMS)})
    return {name: round(counted[name], 3) for name in (*COUNTS, *DELAY_SUMS)}


@settings(max_examples=12, deadline=None)
@given(STEPS)
def test_the_sums_of_panes_are_those_of_the_entries(steps):
    stream, entries, now = [], [], 0
    for step in steps:
        if isinstance(step, int):
            now += step
            stream.append(now)
        else:
            bundle = [entry(at, name, **values) for name, at, values in step]
            entries += bundle
            stream.append(bundle)
    panes = run(ticking(*stream))
    rows = [values for rows in panes.values() for values in rows]
    assert sums(rows) == sums(each.values for each in entries)
    for name in ("to_row_seconds_max", "newest_event_utc"):
        found, given_ = (
            max((each[name] for each in some if each[name]), default=None)
            for some in (rows, [each.values for each in entries if any_of(each)])
        )
        assert found == given_


def any_of(each):
    return any(each.values[name] for name in COUNTS)


@given(st.lists(VALUES, min_size=1, max_size=6), st.data())
def test_values_add_up_in_any_order_and_grouping(values, data):
    values = [{**EMPTY, **each} for each in values]
    shuffled = data.draw(st.permutations(values))
    split = data.draw(st.integers(0, len(values)))
    combine = _Sums()
    parts = []
    for part in (shuffled[:split], shuffled[split:]):
        accumulator = combine.create_accumulator()
        for each in part:
            accumulator = combine.add_input(accumulator, each)
        parts.append(accumulator)
    (count, together) = combine.merge_accumulators(parts)[None]
    one = values[0]
    for each in values[1:]:
        one = added(one, each)
    assert (count, together) == (len(values), one)


def test_values_of_an_earlier_release_lack_what_is_new():
    old = {"messages": 1, "records": 2, "dataset": "FREQ"}
    assert added(old, old) == {**EMPTY, "messages": 2, "records": 4, "dataset": "FREQ"}
