"""`python -m pipeline`: IRIS messages to BigQuery rows, streaming or from files."""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    # Private, and the only way to tell an unknown option from one of Beam's.
    _BeamArgumentParser,
)

from command import signals
from command.usage import INTERRUPTED, USER_ERROR, UsageError
from pipeline import drain
from pipeline.files.raw_archive import is_local
from pipeline.graph import Plan, build
from pipeline.options import (
    IrisOptions,
    drain_limits,
    help_text,
    validate,
)
from pipeline.plans import plan_of, runs_here
from pipeline.registry import load_registry
from pipeline.steps.ledger import UNREADABLE, counted, counts_line
from pipeline.subscription import unreadable

FILES_ADVICE = "the same command loads what is not loaded yet"
# Beam's source acknowledges before anything is written.
STREAM_ADVICE = "a few seconds' messages may be lost, which --drain would have kept"


def main(arguments: list[str] | None = None) -> int:
    """Runs the pipeline until it ends; 2 for a user's mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(help_text())
        return 0
    log_to_stderr()
    try:
        options = parse(arguments)
        load_registry()  # a wrong file is to be told here, and not by every step
        with _spool(options) as folder:
            plan = plan_of(options, folder)
            ours = options.view_as(IrisOptions)
            if ours.drain:
                return drain.run(options, plan, ours.subscription, drain_limits(ours))
            if not runs_here(options):
                return run(options, plan)
            advice = FILES_ADVICE if ours.files else STREAM_ADVICE
            with _ending_at_once(folder, advice):
                return _run_here(options, plan, advice)
    except UsageError as error:
        sys.stderr.write(f"python -m pipeline: {error}\n")
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


@contextlib.contextmanager
def _spool(options: PipelineOptions) -> Iterator[str]:
    """A folder where files of rows wait to be loaded, in Beam's `--temp_location`."""
    location = options.view_as(GoogleCloudOptions).temp_location
    if location and not is_local(location):
        yield f"{location.rstrip('/')}/gb-iris-rows"
        return
    if location and not Path(location).is_dir():
        raise UsageError(f"--temp_location: no folder {location}")
    with tempfile.TemporaryDirectory(prefix="gb-iris-", dir=location) as folder:
        # Beam makes a folder for each run, which a signal would leave behind.
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            yield folder
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def _ending_at_once(spool: str, advice: str) -> Iterator[None]:
    """Has a signal end a run of files or a stream, and leave no folder behind."""

    def stop(number: signal.Signals) -> None:
        sys.stderr.write(f"stopped; {advice}\n")
        sys.stderr.flush()
        shutil.rmtree(spool, ignore_errors=True)
        signals.end_at_once(number)

    with signals.stopping(stop):
        yield


def log_to_stderr() -> None:
    """Logs plain lines, without Beam's remarks on type hints and workers."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("apache_beam.typehints", "apache_beam.runners.worker"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def parse(arguments: list[str]) -> PipelineOptions:
    """Parses and validates the command line.

    Raises:
        UsageError: It asks for something that cannot be run.
    """
    unknown = _unknown(arguments)
    options = PipelineOptions(arguments)
    ours = options.view_as(IrisOptions)
    google = options.view_as(GoogleCloudOptions)
    # The launcher of a template adds options of its own.
    if not google.template_location and unknown:
        raise UsageError(_complaint(unknown[0]))
    standard = options.view_as(StandardOptions)
    if ours.subscription and not ours.drain and not runs_here(options):
        standard.streaming = True  # a service has no other way to read it
    streaming = bool(standard.streaming)
    validate(ours, google.project, streaming=streaming)
    if ours.drain and not runs_here(options):
        raise UsageError(
            f"--drain runs in this process: leave out --runner={standard.runner}"
        )
    if not streaming and runs_here(options):
        _require_one_worker(options)
    if runs_here(options):
        # By itself Beam would first try to download another runner, Prism.
        standard.runner = "BundleBasedDirectRunner" if streaming else "FnApiRunner"
    return options


def _require_one_worker(options: PipelineOptions) -> None:
    """Makes sure that a bounded run is one bundle: dedup remembers in this process.

    Raises:
        UsageError: It would run in several processes.
    """
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "in_memory":
        raise UsageError("a bounded run needs --direct_running_mode=in_memory")
    direct.direct_num_workers = 1


def _complaint(unknown: str) -> str:
    if unknown.startswith("-"):
        return f"unknown option {unknown}"
    return (
        f"{unknown} belongs to no option: a pattern of --files stands in quotes, or "
        "the shell makes many of it"
    )


class _Parser(_BeamArgumentParser):
    """Beam's own answers a wrong value with the usage of all its options."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _unknown(arguments: list[str]) -> list[str]:
    """The arguments that neither we nor Beam know; Beam itself only logs them.

    Raises:
        UsageError: A known one lacks its value, or has a wrong one.
    """
    parser = _Parser(allow_abbrev=False)
    for options in (PipelineOptions, *PipelineOptions.__subclasses__()):
        if "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)
    return list(parser.parse_known_args(arguments)[1])


def _run_here(options: PipelineOptions, plan: Plan, advice: str) -> int:
    # One line names the error and its step; Beam would add tracebacks.
    logging.getLogger("apache_beam.runners").setLevel(logging.CRITICAL)
    try:
        return run(options, plan)
    except Exception as error:  # noqa: BLE001 - of any step, by way of Beam
        name = options.view_as(IrisOptions).subscription
        if name and isinstance(error, drain.MISTAKES):
            raise UsageError(unreadable(name, error)) from None
        sys.stderr.write(f"failed: {drain.cause(error)}\n{advice}\n")
        return 1


def run(options: PipelineOptions, plan: Plan) -> int:
    """Builds the graph and runs it to its end; a bounded run tells its counts.

    Returns:
        The exit code: 1 where a file could not be read to its end.
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
    sys.stdout.write(f"{counts_line(counts)}\n")
    if unreadable := counts[UNREADABLE]:
        sys.stderr.write(f"{unreadable:,} could not be read to the end, see above\n")
    return 1 if unreadable else 0


def _is_left_to_service(options: PipelineOptions) -> bool:
    """Whether the job goes on without this process, as Beam's log has told.

    A template only describes it; a stream has no end to wait for.
    """
    if options.view_as(GoogleCloudOptions).template_location:
        return True
    streaming = options.view_as(StandardOptions).streaming
    return bool(streaming) and not runs_here(options)


if __name__ == "__main__":
    # The collector would go through all of Beam once more, as it ends: half a second.
    atexit.register(gc.freeze)
    sys.exit(main())
