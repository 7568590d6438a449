"""The ledger of a stream on a service: one row a minute, dataset and pane.

Such a runner's bundles are about one record each, and each would be an entry. Here
entries gather in the minute in which Pub/Sub received their message. When the watermark
has passed the minute, they become one row: pane 0. What comes later becomes further
panes, 1, 2, and so on. Panes have nothing in common, so their sums are the truth.

This is state and a timer, and not a GroupByKey, which is the usual way: behind the
steps that gather rows in state, a GroupByKey in such windows loses entries when late
ones are flushed, and when the watermark goes straight to infinity (measured on Beam
2.77: 10 of 13 and 15 of 16 arrived; here 13 of 13 and 16 of 16). A Reshuffle in such
windows loses late ones, too.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.trigger import AccumulationMode, AfterCount, AfterWatermark
from apache_beam.transforms.userstate import (
    CombiningValueStateSpec,
    TimerSpec,
    on_timer,
)
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue
from apache_beam.utils.timestamp import Duration

from pipeline.core.batches import TableRow
from pipeline.steps.ledger import Values, added, counts_anything

WINDOW_SECONDS = 60
# As long as Pub/Sub keeps a message: an entry cannot be later than that.
LATENESS_SECONDS = 7 * 24 * 3600
# Entries that went into the windows, and came out of them: the difference is in windows
# that are still open; when a run has ended it is 0, or entries were lost.
METRICS = "ledger_windows"
ENTRIES_IN, ENTRIES_OUT = "entries_in", "entries_out"


class WindowLedger(beam.PTransform):
    """`TableRow` of the ledger to one a minute, dataset and pane.

    They leave in the global window, as they came.
    """

    def expand(self, entries: beam.PCollection[TableRow]) -> beam.PCollection[TableRow]:
        in_minutes = beam.WindowInto(
            FixedWindows(WINDOW_SECONDS),
            trigger=AfterWatermark(late=AfterCount(1)),
            accumulation_mode=AccumulationMode.DISCARDING,
            allowed_lateness=Duration(seconds=LATENESS_SECONDS),
        )
        return (
            entries
            | "To their minute"
            >> beam.Map(_in_its_minute).with_output_types(tuple[str, Any])
            | "One-minute windows" >> in_minutes
            | "Add up" >> beam.ParDo(_AddUp()).with_output_types(TableRow)
            | "Leave the windows" >> beam.WindowInto(GlobalWindows())
        )


def _in_its_minute(entry: TableRow) -> TimestampedValue:
    """An entry's values, by dataset, at the beginning of their minute.

    The element's own time says nothing: a step that gathers in state yields at the end
    of a bundle or window.
    """
    Metrics.counter(METRICS, ENTRIES_IN).inc()
    minute = entry.values.get("window_start") or entry.values["minute_utc"]
    seconds = dt.datetime.fromisoformat(minute).timestamp()
    return TimestampedValue((entry.dataset, entry.values), seconds)


class _Sums(beam.CombineFn):
    """Values of entries to their sums by `window_start`, with the number of entries.

    Plain values: a running job that is updated keeps them.
    """

    def create_accumulator(self) -> dict[str | None, tuple[int, Values]]:
        return {}

    def add_input(
        self, sums: dict[str | None, tuple[int, Values]], values: Values
    ) -> dict[str | None, tuple[int, Values]]:
        return self.merge_accumulators(
            [sums, {values.get("window_start"): (1, values)}]
        )

    def merge_accumulators(
        self, accumulators: Any
    ) -> dict[str | None, tuple[int, Values]]:
        sums: dict[str | None, tuple[int, Values]] = {}
        for accumulator in accumulators:
            for start, (count, values) in accumulator.items():
                if start in sums:
                    known, before = sums[start]
                    sums[start] = (known + count, added(before, values))
                else:
                    sums[start] = (count, values)
        return sums

    def extract_output(
        self, sums: dict[str | None, tuple[int, Values]]
    ) -> dict[str | None, tuple[int, Values]]:
        return sums


class _AddUp(beam.DoFn):
    """`(dataset, values)`, in the state of their minute, to rows when it is over."""

    SUMS = CombiningValueStateSpec("sums", combine_fn=_Sums())
    PANE = CombiningValueStateSpec("pane", combine_fn=beam.CombineFn.from_callable(sum))
    # A name of its own: FnApiRunner mixes up timers of one name in steps that it fuses,
    # as this one with the step that writes the rows (findings/beam_timer_names.sh).
    END = TimerSpec("minute_end", TimeDomain.WATERMARK)

    def process(
        self,
        keyed: tuple[str, Values],
        sums: Any = beam.DoFn.StateParam(SUMS),
        end: Any = beam.DoFn.TimerParam(END),
        window: Any = beam.DoFn.WindowParam,
    ) -> None:
        sums.add(keyed[1])
        end.set(window.end)  # for one that is late, at once

    @on_timer(END)
    def write(
        self,
        dataset: str = beam.DoFn.KeyParam,
        sums: Any = beam.DoFn.StateParam(SUMS),
        pane: Any = beam.DoFn.StateParam(PANE),
    ) -> Iterator[TableRow]:
        """Yields the pane, and forgets it."""
        number, is_empty = pane.read(), True
        for count, values in sums.read().values():
            Metrics.counter(METRICS, ENTRIES_OUT).inc(count)
            # A duplicate that was none: counted when it came, taken back when it left.
            if counts_anything(values):
                is_empty = False
                # The first entry's id: a bundle that is tried again has the same.
                row = {**values, "pane": number}
                yield TableRow(dataset, values["entry_id"], row)
        sums.clear()
        if not is_empty:
            pane.add(1)


def entries_in_and_out(result: Any) -> tuple[int, int]:
    """The entries that went into the windows of a run, and those that came out."""
    found = result.metrics().query(MetricsFilter().with_namespace(METRICS))
    sums = {ENTRIES_IN: 0, ENTRIES_OUT: 0}
    for counter in found["counters"]:
        sums[counter.key.metric.name] += counter.committed
    return sums[ENTRIES_IN], sums[ENTRIES_OUT]
