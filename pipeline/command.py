"""The command: one run of the pipeline, from its options to its exit code."""

import contextlib
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)

from command import signals
from command.usage import INTERRUPTED, USER_ERROR, UsageError
from pipeline import drain
from pipeline.files.raw_archive import is_local
from pipeline.graph import Plan, build
from pipeline.options import IrisOptions, drain_limits, help_text, parse, runs_here
from pipeline.plans import plan_of
from pipeline.registry import load_registry
from pipeline.steps.ledger import UNREADABLE, counted, counts_line
from pipeline.subscription import cannot_be_read

FILES_ADVICE = "run the same command again: it loads only what is not loaded yet"
# Beam's source acknowledges before anything is written.
STREAM_ADVICE = "messages of the last seconds may be lost (--drain would keep them)"


def main(arguments: list[str] | None = None) -> int:
    """Runs the pipeline until it ends.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        The exit code; 2 for a mistake that the user can correct.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        print(help_text(), end="")
        return 0
    log_to_stderr()
    try:
        options = parse(arguments)
        load_registry()  # a wrong file is reported here once, and not by every step
        with _spool_folder(options) as folder:
            plan = plan_of(options, folder)
            ours = options.view_as(IrisOptions)
            if ours.drain:
                return drain.run(options, plan, ours.subscription, drain_limits(ours))
            if not runs_here(options):
                return run(options, plan)
            advice = FILES_ADVICE if ours.files else STREAM_ADVICE
            with _ending_on_signals(folder, advice):
                return _run_here(options, plan, advice)
    except UsageError as error:
        print(f"python -m pipeline: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


@contextlib.contextmanager
def _spool_folder(options: PipelineOptions) -> Iterator[str]:
    """A folder in Beam's `--temp_location`, for files of rows until they are loaded."""
    location = options.view_as(GoogleCloudOptions).temp_location
    if location and not is_local(location):
        yield f"{location.rstrip('/')}/gb-iris-rows"
        return
    if location and not Path(location).is_dir():
        raise UsageError(f"--temp_location: {location} is not a folder: make it first")
    with tempfile.TemporaryDirectory(prefix="gb-iris-", dir=location) as folder:
        # Beam makes a folder for each run, and a signal would leave it behind.
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            yield folder
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def _ending_on_signals(folder: str, advice: str) -> Iterator[None]:
    """Makes a signal end the run at once, and delete the folder of its files."""

    def stop(number: signal.Signals) -> None:
        print(f"stopped; {advice}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        signals.end_at_once(number)

    with signals.stopping(stop):
        yield


def log_to_stderr() -> None:
    """Logs to standard error, without what Beam says of type hints and workers."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("apache_beam.typehints", "apache_beam.runners.worker"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _run_here(options: PipelineOptions, plan: Plan, advice: str) -> int:
    # Our one line names the error and its step; Beam would add tracebacks.
    logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)
    try:
        return run(options, plan)
    except Exception as error:  # noqa: BLE001 - any step of Beam's run raises it
        name = options.view_as(IrisOptions).subscription
        if name and isinstance(error, drain.MISTAKES):
            raise UsageError(cannot_be_read(name, error)) from None
        print(f"failed: {drain.cause(error)}\n{advice}", file=sys.stderr)
        return 1


def run(options: PipelineOptions, plan: Plan) -> int:
    """Builds the graph and runs it to its end; a run over files prints its counts.

    Returns:
        The exit code: 1 if a file could not be read to its end.
    """
    pipeline = beam.Pipeline(options=options)
    build(pipeline, plan)
    result = pipeline.run()
    if _is_left_to_service(options):
        return 0
    result.wait_until_finish()
    if not options.view_as(IrisOptions).files:
        return 0
    counts = counted(result)
    print(counts_line(counts))
    if not counts[UNREADABLE]:
        return 0
    print(
        f"{counts[UNREADABLE]:,} files could not be read to the end: the log names "
        "them, and so do the dead letters",
        file=sys.stderr,
    )
    return 1


def _is_left_to_service(options: PipelineOptions) -> bool:
    """Whether the job runs without this process; Beam's log names it.

    A template only describes a job, and a stream has no end to wait for.
    """
    if options.view_as(GoogleCloudOptions).template_location:
        return True
    streaming = options.view_as(StandardOptions).streaming
    return bool(streaming) and not runs_here(options)
