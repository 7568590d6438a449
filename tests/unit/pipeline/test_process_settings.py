"""What the pipeline sets in its process, and that an import alone sets nothing."""

import gc
import json
import os
import subprocess
import sys
import textwrap

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.testing import test_pipeline

from pipeline.bigquery.loads import Loaded
from pipeline.core.decoding import Message
from pipeline.steps.decode import DecodeMessages
from pipeline.steps.load_rows import LoadRows

POOL = "ARROW_DEFAULT_MEMORY_POOL"


@pytest.fixture(autouse=True)
def _as_before():
    threshold, pool = gc.get_threshold(), pa.default_memory_pool()
    yield
    gc.set_threshold(*threshold)
    pa.set_memory_pool(pool)


def run_command(code):
    environment = {k: v for k, v in os.environ.items() if k != POOL}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=True
    )


def run_python(code):
    return run_command(code).stdout


def test_an_import_changes_nothing():
    code = """
    import gc, json, os
    before = gc.get_threshold()
    import pipeline.command, pipeline.core.decoding
    print(json.dumps([before == gc.get_threshold(), os.environ.get("%s")]))
    """
    assert json.loads(run_python(code % POOL)) == [True, None]


def test_the_command_sets_the_pool_before_arrow_is_imported():
    code = """
    import runpy, sys
    sys.argv = ["pipeline", "--help"]
    try:
        runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
    except SystemExit:
        import pyarrow
        print("pool:", pyarrow.default_memory_pool().backend_name)
    """
    assert run_python(code).splitlines()[-1] == "pool: system"


PARTS = ("pyarrow", "pymongo", "azure.identity", "google.cloud.dataflow_v1beta3")
STORAGE = "apache_beam.io.gcp.gcsfilesystem"
SERVICE = (STORAGE, "google.cloud.dataflow_v1beta3")


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (["--drain"], set()),
        (["--files", "data/*.avro"], set()),
        (["--files", "gs://bucket/*.avro"], set(SERVICE)),
        (["--drain", "--archive_prefix=gs://bucket/raw"], set(SERVICE)),
        (["--runner=DataflowRunner"], set(SERVICE)),
        (["--runner", "DataflowRunner"], set(SERVICE)),
    ],
)
def test_the_command_loads_what_its_arguments_need(arguments, loaded):
    code = f"""
    import contextlib, io, json, runpy, sys
    sys.argv = ["pipeline", *{arguments!r}, "--help"]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
    print(json.dumps([name for name in {(*PARTS, STORAGE)!r} if name in sys.modules]))
    """
    done = run_command(code)
    assert set(json.loads(done.stdout)) == loaded
    assert done.stderr == ""


@pytest.mark.parametrize("runner", ["FnApiRunner", "BundleBasedDirectRunner"])
def test_every_process_that_decodes_collects_rarely(runner):
    gc.set_threshold(700)
    message = Message(b"[]", {"dataset": "FREQ"})
    with test_pipeline.TestPipeline(runner=runner) as pipeline:
        _ = pipeline | beam.Create([message]) | DecodeMessages()
    assert gc.get_threshold()[0] == 10_000


@pytest.mark.parametrize("spread", [False, True])
def test_every_process_that_writes_files_of_rows_uses_system_memory(tmp_path, spread):
    pa.set_memory_pool(pa.mimalloc_memory_pool())
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        _ = pipeline | beam.Create([]) | LoadRows(load, str(tmp_path), spread=spread)
    assert pa.default_memory_pool().backend_name == "system"


def load(files):
    for dataset, spooled in files.items():
        yield dataset, Loaded(sum(file.rows for file in spooled))
