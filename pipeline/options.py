"""The command line of the pipeline: its options, parsed and checked."""

import argparse
import os
import re
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import NamedTuple, NoReturn

from apache_beam.io.gcp.pubsub import parse_subscription
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    # Private, and the only way to know an unknown option from one of Beam's.
    _BeamArgumentParser,
)

from command.duration import seconds_in
from command.usage import UsageError
from pipeline.files.workers import cores
from pipeline.steps.sources import GLOB_MAGIC

# Options that only a drain has.
_LIMITS = ("every", "max_messages", "max_seconds", "metrics_port")
_SUBSCRIPTION = re.compile(r"projects/[^/]+/subscriptions/[^/]+\Z")
MAX_PORT = 65_535
WRITE_METHODS = ("STREAMING_INSERTS", "FILE_LOADS", "STORAGE_WRITE_API")
# Beam accepts their names in any case.
_RUNNERS_HERE = ("", "directrunner", "fnapirunner", "bundlebaseddirectrunner")

_EPILOG = """\
--subscription needs --drain or --streaming; --files takes one pattern, in quotes.
All other options of Apache Beam and its runners are accepted, too, such as
--temp_location, --job_endpoint, --environment_type and --environment_config.

exit codes: 0 done, 1 failed, or a file could not be read to its end (its messages up to
there are loaded), 2 an option must be corrected, 130 stopped with Ctrl-C
"""


class IrisOptions(PipelineOptions):
    """Our own options, beside those of Beam."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group("gb-iris")
        group.add_argument(
            "--subscription",
            help="Pub/Sub subscription to read: projects/P/subscriptions/S",
        )
        group.add_argument(
            "--drain",
            action="store_true",
            help="read the subscription until it is empty; messages are acknowledged "
            "when their rows are written",
        )
        group.add_argument(
            "--every",
            metavar="TIME",
            help="with --drain: repeat until stopped, every 60s or 5m",
        )
        group.add_argument(
            "--max_messages",
            metavar="N",
            help="with --drain: end after N messages",
        )
        group.add_argument(
            "--max_seconds",
            metavar="TIME",
            help="with --drain: begin no round after this time, such as 90 or 5m",
        )
        group.add_argument(
            "--metrics_port",
            metavar="PORT",
            help="with --drain: serve /metrics to this machine (default: none)",
        )
        group.add_argument(
            "--files",
            metavar="GLOB",
            help="files to read once, here or on gs://: folders of DATASET/MESSAGE_ID, "
            "*.json (also answers of the Insights API), *.jsonl, *.tar.gz of such "
            "folders, raw archives *.avro",
        )
        group.add_argument(
            "--workers",
            metavar="N",
            help="with --files: processes (default: one for each core)",
        )
        group.add_argument(
            "--dataset",
            default="uk_energy_prod",
            help="the BigQuery dataset of the tables (default: %(default)s)",
        )
        group.add_argument(
            "--write_method",
            help="how rows reach BigQuery: FILE_LOADS (the default with --files), "
            "STREAMING_INSERTS (the default otherwise) or STORAGE_WRITE_API",
        )
        group.add_argument(
            "--exactly_once",
            # A template passes every parameter with a value.
            nargs="?",
            const="true",
            default="false",
            metavar="true|false",
            help="with STORAGE_WRITE_API: a request that is repeated stores its rows "
            "only once (default: %(default)s)",
        )
        group.add_argument(
            "--write_window_seconds",
            default="2",
            help="on a service: how long rows of a table gather before they are "
            "inserted in one request (default: %(default)s)",
        )
        group.add_argument(
            "--dedup_horizon_hours",
            default="24",
            help="hours within which an identical record is dropped "
            "(default: %(default)s)",
        )
        group.add_argument(
            "--archive_prefix",
            metavar="PATH",
            help="also keep messages as received, below this folder",
        )


def help_text() -> str:
    """What `--help` prints: our options, and the few of Beam's that a run needs."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="IRIS messages to BigQuery rows: from Pub/Sub, or from files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    beam = parser.add_argument_group("Apache Beam")
    beam.add_argument(
        "--project", required=True, help="the project of the BigQuery tables"
    )
    beam.add_argument("--streaming", action="store_true", help="run until stopped")
    beam.add_argument("--runner", help="such as DataflowRunner (default: DirectRunner)")
    IrisOptions._add_argparse_args(parser)
    return parser.format_help()


def runs_here(options: PipelineOptions) -> bool:
    """Whether the graph runs in this process, and not on a service."""
    runner = options.view_as(StandardOptions).runner or ""
    return runner.rpartition(".")[2].lower() in _RUNNERS_HERE


def parse(arguments: list[str]) -> PipelineOptions:
    """Parses and validates the command line.

    Raises:
        UsageError: It cannot be run as it is.
    """
    unknown = _unknown(arguments)
    options = PipelineOptions(arguments)
    ours = options.view_as(IrisOptions)
    google = options.view_as(GoogleCloudOptions)
    # The launcher of a template adds options of its own.
    if not google.template_location and unknown:
        raise UsageError(_unknown_text(unknown[0]))
    standard = options.view_as(StandardOptions)
    if ours.subscription and not ours.drain and not runs_here(options):
        standard.streaming = True  # the only mode in which a service can read it
    streaming = bool(standard.streaming)
    validate(ours, google.project, streaming=streaming)
    if ours.drain and not runs_here(options):
        raise UsageError(
            f"--drain runs in this process only: leave out --runner={standard.runner}"
        )
    if ours.workers and not runs_here(options):
        raise UsageError("--workers is for this machine: a service has --num_workers")
    if not streaming and runs_here(options):
        _require_one_worker(options)
    if runs_here(options):
        # Beam's default would first try to download another runner, Prism.
        standard.runner = "BundleBasedDirectRunner" if streaming else "FnApiRunner"
    return options


def _require_one_worker(options: PipelineOptions) -> None:
    """Makes sure that a bounded run is one bundle: dedup remembers in this process.

    Raises:
        UsageError: It would run in several processes.
    """
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "in_memory":
        raise UsageError(
            "--drain and --files run in one process: leave out --direct_running_mode, "
            "or set it to in_memory"
        )
    direct.direct_num_workers = 1


def _unknown_text(unknown: str) -> str:
    if unknown.startswith("-"):
        return f"unknown option {unknown}: --help lists the options"
    return (
        f"{unknown} does not belong to an option: put the pattern of --files in "
        "quotes, or the shell makes several arguments of it"
    )


class _Parser(_BeamArgumentParser):
    """Beam's parser would answer a wrong value with the usage of all its options."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def _unknown(arguments: list[str]) -> list[str]:
    """The arguments that neither we nor Beam know; Beam itself only logs them.

    Raises:
        UsageError: The value of a known option is missing or wrong.
    """
    parser = _Parser(allow_abbrev=False)
    for options in (PipelineOptions, *PipelineOptions.__subclasses__()):
        if "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)
    return list(parser.parse_known_args(arguments)[1])


def validate(options: IrisOptions, project: str | None, *, streaming: bool) -> None:
    """Checks what argparse cannot.

    Raises:
        UsageError: An option is missing or wrong, or contradicts another one.
    """
    drain_limits(options)
    if bool(options.subscription) == bool(options.files):
        raise UsageError("give either --subscription or --files")
    if options.subscription:
        _require_subscription(options.subscription, by_beam=not options.drain)
        if streaming and options.drain:
            raise UsageError("give either --streaming or --drain, not both")
        if not streaming and not options.drain:
            raise UsageError("--subscription needs --streaming or --drain")
    elif streaming:
        raise UsageError("--files ends when all files are read: leave out --streaming")
    if not project:
        raise UsageError("--project is missing: give the project of the tables")
    if not re.fullmatch(r"\w{1,1024}", options.dataset, re.ASCII):
        raise UsageError(
            f"--dataset {options.dataset!r} is not a BigQuery dataset name: use "
            "letters, digits and underscores"
        )
    if options.write_method not in (None, *WRITE_METHODS):
        raise UsageError(
            f"--write_method must be one of {', '.join(WRITE_METHODS)}, "
            f"not {options.write_method!r}"
        )
    if streaming and write_method(options) == "FILE_LOADS":
        raise UsageError(
            "--write_method FILE_LOADS needs a run that ends: use --files or --drain, "
            "or another write method"
        )
    if exactly_once(options) and write_method(options) != "STORAGE_WRITE_API":
        raise UsageError("--exactly_once needs --write_method STORAGE_WRITE_API")
    if options.archive_prefix == "":  # as from a shell variable that is not set
        raise UsageError("--archive_prefix is empty: give a folder, or leave it out")
    _require_place("--files", options.files)
    _require_place("--archive_prefix", options.archive_prefix)
    if options.files and options.archive_prefix:
        _require_apart(options.files, options.archive_prefix)
    most_workers(options)
    horizon_hours(options)
    write_window_seconds(options)


def _require_subscription(name: str, *, by_beam: bool) -> None:
    if not _SUBSCRIPTION.match(name):
        raise UsageError(
            f"--subscription must be projects/PROJECT/subscriptions/NAME, not {name!r}"
        )
    try:
        if by_beam:  # its source has stricter rules for the project
            parse_subscription(name)
    except ValueError as error:
        raise UsageError(f"--subscription: {error}") from None


def _require_place(name: str, path: str | None) -> None:
    """Beam has other places too, each with packages and credentials of its own."""
    if path and "://" in path and not path.startswith("gs://"):
        raise UsageError(
            f"{name} must be a path of this machine or begin with gs://, not {path!r}"
        )


def _require_apart(pattern: str, prefix: str) -> None:
    """Makes sure that a run does not read, again and again, what it archives.

    Raises:
        UsageError: The pattern finds files of the archive.
    """
    pattern, prefix = _absolute(pattern), _absolute(prefix)
    fixed, *magic = GLOB_MAGIC.split(pattern, maxsplit=1)
    head = PurePosixPath(f"{fixed}*").parent if magic else PurePosixPath(fixed)
    stored = PurePosixPath(prefix) / "FREQ" / "2026-05-08" / "00-0.avro"
    paths = (stored, *stored.parents)
    if "**" in pattern:
        found = any(fnmatch(str(path), pattern) for path in paths)
    else:
        found = any(path.match(pattern) for path in paths)
    if found or head.is_relative_to(prefix):
        raise UsageError(
            "--files reads what --archive_prefix writes: leave out --archive_prefix, "
            "or give it another folder"
        )


def _absolute(path: str) -> str:
    # PurePosixPath leaves one slash after the scheme; both paths have it then.
    return str(PurePosixPath(path)) if "://" in path else os.path.realpath(path)


class Limits(NamedTuple):
    """When a drain ends, besides when the subscription is empty.

    Attributes:
        max_messages: After this number of messages.
        max_seconds: After the round that is running at this time.
        every_seconds: The interval at which it repeats until it is stopped; None for
            one drain.
        metrics_port: Where /metrics is served; None for nowhere.
    """

    max_messages: int | None = None
    max_seconds: float | None = None
    every_seconds: float | None = None
    metrics_port: int | None = None


def drain_limits(options: IrisOptions) -> Limits:
    """When a drain ends.

    Raises:
        UsageError: A limit is wrong, or is given without --drain.
    """
    given = {name: getattr(options, name) for name in _LIMITS}
    if not options.drain:
        for name in (name for name, text in given.items() if text is not None):
            raise UsageError(f"--{name} needs --drain")
        return Limits()
    if options.files:
        raise UsageError("--drain reads a subscription: leave out --files")
    return Limits(
        max_messages=_whole_number("--max_messages", options.max_messages),
        max_seconds=_seconds("--max_seconds", options.max_seconds),
        every_seconds=_seconds("--every", options.every),
        metrics_port=_port("--metrics_port", options.metrics_port),
    )


def _whole_number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or not int(text):
        raise UsageError(f"{name} must be a whole number above 0, not {text!r}")
    return int(text)


def _port(name: str, text: str | None) -> int | None:
    port = _whole_number(name, text)
    if port is not None and port > MAX_PORT:
        raise UsageError(f"{name} must be a port up to {MAX_PORT}, not {text!r}")
    return port


def _seconds(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    if not (seconds := seconds_in(text)):
        raise UsageError(f"{name} must be a time such as 90, 60s or 5m, not {text!r}")
    return float(seconds)


def most_workers(options: IrisOptions) -> int:
    """How many processes may share the files of a run.

    Raises:
        UsageError: The option is wrong, or there are no files.
    """
    given = _whole_number("--workers", options.workers)
    if given and not options.files:
        raise UsageError("--workers needs --files")
    return given or cores()


def write_method(options: IrisOptions) -> str:
    """The write method: the option, or the default of the source."""
    default = "FILE_LOADS" if options.files else "STREAMING_INSERTS"
    return options.write_method or default


def exactly_once(options: IrisOptions) -> bool:
    """Whether a request that is repeated must store its rows only once.

    Raises:
        UsageError: The option is neither true nor false.
    """
    text = options.exactly_once.lower()
    if text not in ("true", "false"):
        raise UsageError(f"--exactly_once must be true or false, not {text!r}")
    return bool(text == "true")


def horizon_hours(options: IrisOptions) -> float:
    """How long dedup remembers a record.

    Raises:
        UsageError: The option is not a number above 0.
    """
    return _above_0("--dedup_horizon_hours", options.dedup_horizon_hours)


def write_window_seconds(options: IrisOptions) -> float:
    """How long rows of a table gather on a service.

    Raises:
        UsageError: The option is not a number above 0.
    """
    return _above_0("--write_window_seconds", options.write_window_seconds)


def _above_0(name: str, text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) or not float(text) > 0:
        raise UsageError(f"{name} must be a number above 0, not {text!r}")
    return float(text)
