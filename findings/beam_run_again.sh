#!/bin/sh
# Beam's FnApiRunner and a pipeline that runs again and again.
#
# One expects: `pipeline.run()` a second time costs what its elements cost, because the
# graph is built already.
# What happens: each run translates the graph again. Ten steps are pickled again, and the
# signatures of their methods are read 2,256 times: a run of one element takes about
# 100 ms of processor time. A runner that keeps the translated graph
# (`run_via_runner_api` takes it) reads 780 signatures, in half of the time.
# Tried with apache-beam 2.77.0, Python 3.11.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "apache-beam==2.77.0"
cat >"$work/try.py" <<'END'
import importlib.metadata
import inspect
import logging
import sys
import time

import apache_beam as beam
from apache_beam.internal import pickler
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

logging.disable(logging.CRITICAL)
COUNTS = {}


def counted(module, name):
    function = getattr(module, name)

    def call(*arguments, **options):
        COUNTS[name] = COUNTS.get(name, 0) + 1
        return function(*arguments, **options)

    setattr(module, name, call)


counted(inspect, "signature")
counted(pickler, "dumps")


class Kept(FnApiRunner):
    def run_via_runner_api(self, graph, options):
        self.graph = graph.SerializeToString()
        return super().run_via_runner_api(graph, options)

    def again(self, options):
        graph = beam_runner_api_pb2.Pipeline.FromString(self.graph)
        return super().run_via_runner_api(graph, options)


def add(number):
    return number + 1


def cost(what, run):
    COUNTS.clear()
    began = time.process_time()
    run()
    milliseconds = (time.process_time() - began) * 1e3
    signatures, pickles = COUNTS.get("signature", 0), COUNTS.get("dumps", 0)
    print(
        f"{what}: {signatures} signatures, {pickles} pickles, {milliseconds:.0f} ms",
        flush=True,
    )
    return signatures, pickles


print("apache-beam", importlib.metadata.version("apache-beam"))
runner = Kept()
pipeline = beam.Pipeline(runner)
numbers = pipeline | beam.Create([1])
for step in range(10):
    numbers = numbers | f"Step {step}" >> beam.Map(add)
cost("first run", pipeline.run)
second = cost("second run", pipeline.run)
third = cost("third run", pipeline.run)
kept = cost("the graph kept", lambda: runner.again(pipeline.options))
sys.exit((second, third, kept) != ((2256, 26), (2256, 26), (780, 12)))
END
if "$work/venv/bin/python" "$work/try.py"; then
    echo "as described: each run translates the whole graph"
else
    echo "changed: see above" >&2
    exit 1
fi
