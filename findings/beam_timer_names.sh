#!/bin/sh
# Two steps of a Beam pipeline whose timers have the same name, on FnApiRunner.
#
# One expects: a timer belongs to its DoFn, so that its name need only be unique there.
# What happens: FnApiRunner runs two stateful DoFns as one stage. If a timer of the first,
# in one-minute windows, has the name of a timer of the second, in the global window, the
# run ends with a ValueError while timers are decoded. With different names it works.
# Tried with apache-beam 2.77.0, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "apache-beam==2.77.0"
cat >"$work/try.py" <<'END'
import importlib.metadata
import logging
import sys

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import CombiningValueStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue

logging.disable(logging.CRITICAL)


def counting(name):
    """A DoFn that counts the values of a key until its window ends."""
    timer = TimerSpec(name, TimeDomain.WATERMARK)
    total = CombiningValueStateSpec("total", combine_fn=beam.CombineFn.from_callable(sum))

    class Count(beam.DoFn):
        def process(
            self,
            keyed,
            total=beam.DoFn.StateParam(total),
            end=beam.DoFn.TimerParam(timer),
            window=beam.DoFn.WindowParam,
        ):
            total.add(keyed[1])
            end.set(window.end)

        @on_timer(timer)
        def at_end(self, key=beam.DoFn.KeyParam, total=beam.DoFn.StateParam(total)):
            yield key, total.read()

    return beam.ParDo(Count()).with_output_types(tuple[str, int])


def run(first, second):
    print(f"timers named {first!r} and {second!r}")
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    _ = (
        pipeline
        | beam.Create([("a", 1)] * 5, reshuffle=False)
        | beam.Map(lambda keyed: TimestampedValue(keyed, 1_000)).with_output_types(
            tuple[str, int]
        )
        | "Minutes" >> beam.WindowInto(FixedWindows(60))
        | "First" >> counting(first)
        | "No minutes" >> beam.WindowInto(GlobalWindows())
        | "Second" >> counting(second)
        | beam.Map(lambda keyed: print("  result", keyed))
    )
    try:
        pipeline.run().wait_until_finish()
    except ValueError as error:
        print("  ValueError:", error)
        return False
    return True


print("apache-beam", importlib.metadata.version("apache-beam"))
sys.exit([run("one", "two"), run("end", "end")] != [True, False])
END
if "$work/venv/bin/python" "$work/try.py"; then
    echo "as described: timers of one name in two steps are mixed up"
else
    echo "changed: see above" >&2
    exit 1
fi
