"""The command: one run of the pipeline, from its options to its exit code."""

import contextlib
import logging
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)

from command import signals
from command.usage import FAILED, INTERRUPTED, USER_ERROR, UsageError
from pipeline import drain, metrics
from pipeline.away import NotStartedError, UnreachableError
from pipeline.bigquery.client import connect
from pipeline.core.reasons import Reasons, reasons_lines
from pipeline.files import workers
from pipeline.files.raw_archive import is_local
from pipeline.files.workers import Share
from pipeline.graph import Plan, build
from pipeline.options import (
    IrisOptions,
    drain_limits,
    help_text,
    most_workers,
    parse,
    runs_here,
)
from pipeline.plans import plan_of
from pipeline.registry import load_registry
from pipeline.steps.count_reasons import reasons_of
from pipeline.steps.ledger import COUNTS, SKIPPED, UNREADABLE, counted, counts_line
from pipeline.steps.sources import ReadFiles, find
from pipeline.subscription import cannot_be_read

FILES_ADVICE = "run the same command again: it loads only what is not loaded yet"
# Beam's source acknowledges before anything is written.
STREAM_ADVICE = "messages of the last seconds may be lost (--drain would keep them)"


def main(arguments: list[str] | None = None) -> int:
    """Runs the pipeline until it ends.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        The exit code; 2 for a mistake that the user can correct, 1 for a service that
        does not answer.
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
            ours = options.view_as(IrisOptions)
            if ours.drain:
                return _drain(options, folder)
            plan = plan_of(options, folder)
            if not runs_here(options):
                return run(options, plan)
            advice = FILES_ADVICE if ours.files else STREAM_ADVICE
            with _ending_on_signals(folder, advice):
                return _run_here(options, plan, advice)
    except UsageError as error:
        print(f"python -m pipeline: {error}", file=sys.stderr)
        is_away = isinstance(error, UnreachableError)
        may_pass = is_away and not isinstance(error, NotStartedError)
        return FAILED if may_pass else USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _drain(options: PipelineOptions, folder: str) -> int:
    ours = options.view_as(IrisOptions)
    limits = drain_limits(ours)
    if limits.metrics_port is not None:
        metrics.serve(limits.metrics_port)
    plan = drain.plan_when_reachable(options, folder, limits)
    if plan is None:  # nothing was read
        return 0
    return drain.run(options, plan, ours.subscription, limits)


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
        if options.view_as(IrisOptions).files:
            return run_files(options, plan)
        return run(options, plan)
    except Exception as error:  # noqa: BLE001 - any step of Beam's run raises it
        name = options.view_as(IrisOptions).subscription
        if name and isinstance(error, drain.MISTAKES):
            raise UsageError(cannot_be_read(name, error)) from None
        print(f"failed: {drain.cause(error)}\n{advice}", file=sys.stderr)
        return 1


class _Done(NamedTuple):
    """The counts of a run that has ended, and what did not become rows."""

    counts: Counter[str]
    reasons: Counter[tuple[str, str]]


def run(options: PipelineOptions, plan: Plan) -> int:
    """Builds the graph and runs it to its end; a run over files prints its counts.

    Returns:
        The exit code: 1 if a file could not be read to its end.
    """
    done = _run_to_end(options, plan)
    if done is None or not options.view_as(IrisOptions).files:
        return 0
    return _reported(options, [done])


def run_files(options: PipelineOptions, plan: Plan) -> int:
    """The same over files of this machine, with the workers that they are worth."""
    ours = options.view_as(IrisOptions)
    if (count := _workers(ours)) == 1:
        return run(options, plan)

    def work(share: Share) -> _Done | None:
        source = ReadFiles(ours.files, share=share)
        return _run_to_end(options, plan._replace(source=source))

    connect.cache_clear()  # a connection belongs to one process
    return _reported(options, workers.run(work, count))


def _run_to_end(options: PipelineOptions, plan: Plan) -> _Done | None:
    """Runs the graph; None for one that is left to a service."""
    pipeline = beam.Pipeline(options=options)
    build(pipeline, plan)
    result = pipeline.run()
    if _is_left_to_service(options):
        return None
    result.wait_until_finish()
    return _Done(Counter(counted(result)), Counter(reasons_of(result)))


def _reported(options: PipelineOptions, done: Sequence[_Done]) -> int:
    """Prints what became of all files; returns the exit code."""
    counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    reasons: Counter[tuple[str, str]] = Counter()
    for part in done:
        counts.update(part.counts)
        reasons.update(part.reasons)
    print(counts_line(counts))
    for line in _left_out(options, counts[SKIPPED], reasons):
        print(line)
    if not counts[UNREADABLE]:
        return 0
    print(
        f"{counts[UNREADABLE]:,} files could not be read to the end: the log names "
        "them, and so do the dead letters",
        file=sys.stderr,
    )
    return 1


def _workers(ours: IrisOptions) -> int:
    """The number of processes of a run over files.

    Clients of Cloud Storage may be connected already, and no process can share them.
    """
    if not all(is_local(path) for path in (ours.files, ours.archive_prefix or "")):
        return 1
    if ours.workers:
        return most_workers(ours)
    sizes = (found.size_bytes for found in find(ours.files))
    return workers.worth(sizes, most_workers(ours))


def _left_out(
    options: PipelineOptions, skipped: int, reasons: Reasons
) -> Iterator[str]:
    """What became no row, and the commands that show and correct it."""
    project = options.view_as(GoogleCloudOptions).project
    tables = f"--project {project} --dataset {options.view_as(IrisOptions).dataset}"
    yield from reasons_lines(reasons, f"python -m sql query {tables} ")
    if skipped:
        yield f"{skipped:,} files are not messages and were skipped: the log names them"


def _is_left_to_service(options: PipelineOptions) -> bool:
    """Whether the job runs without this process; Beam's log names it.

    A template only describes a job, and a stream has no end to wait for.
    """
    if options.view_as(GoogleCloudOptions).template_location:
        return True
    streaming = options.view_as(StandardOptions).streaming
    return bool(streaming) and not runs_here(options)
