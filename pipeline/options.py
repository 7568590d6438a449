"""The command line of the pipeline."""

from __future__ import annotations

import argparse
import os
import re
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import NamedTuple

from apache_beam.io.gcp.pubsub import parse_subscription
from apache_beam.options.pipeline_options import PipelineOptions

from command.duration import seconds_in
from command.usage import UsageError
from pipeline.steps.sources import GLOB_MAGIC

# What ends a drain.
_LIMITS = ("every", "max_messages", "max_seconds")
_SUBSCRIPTION = re.compile(r"projects/[^/]+/subscriptions/[^/]+\Z")
WRITE_METHODS = ("STREAMING_INSERTS", "FILE_LOADS", "STORAGE_WRITE_API")


_EPILOG = """\
--subscription needs --drain or --streaming; --files takes one pattern, in quotes.
All other options of Apache Beam and its runners are taken as well.

exit codes: 0 done, 1 failed, or a file could not be read to its end (its messages up to
there are loaded), 2 an option must be corrected, 130 stopped with Ctrl-C
"""


class IrisOptions(PipelineOptions):
    """The options that are ours; Beam's own stand beside them."""

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
            help="read the subscription until it is empty; acknowledge what is written",
        )
        group.add_argument(
            "--every",
            metavar="TIME",
            help="with --drain: for ever, at this beat, such as 60s or 5m",
        )
        group.add_argument(
            "--max_messages",
            metavar="N",
            help="with --drain: end after so many messages",
        )
        group.add_argument(
            "--max_seconds",
            metavar="S",
            help="with --drain: end after the round during which so much time passed",
        )
        group.add_argument(
            "--files",
            metavar="GLOB",
            help="files to read once, here or on gs://: folders of DATASET/MESSAGE_ID, "
            "*.json, *.json.gz, *.tar.gz of such folders, raw archives *.avro",
        )
        group.add_argument(
            "--dataset",
            default="uk_energy_prod",
            help="BigQuery dataset that holds the tables (default: %(default)s)",
        )
        group.add_argument(
            "--write_method",
            help="how rows reach BigQuery: FILE_LOADS (the default with --files), "
            "STREAMING_INSERTS (the default otherwise) or STORAGE_WRITE_API",
        )
        group.add_argument(
            "--exactly_once",
            # A template gives every parameter a value.
            nargs="?",
            const="true",
            default="false",
            metavar="true|false",
            help="with STORAGE_WRITE_API: store rows once where a request is repeated "
            "(default: %(default)s)",
        )
        group.add_argument(
            "--dedup_horizon_hours",
            default="24",
            help="an identical record passes once in this time (default: %(default)s)",
        )
        group.add_argument(
            "--archive_prefix",
            metavar="PATH",
            help="keep every message as received in files below this folder or gs://",
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


def validate(options: IrisOptions, project: str | None, *, streaming: bool) -> None:
    """Checks what argparse cannot.

    Raises:
        UsageError: Options are missing, contradict each other or have no form.
    """
    drain_limits(options)
    if bool(options.subscription) == bool(options.files):
        raise UsageError("give one of --subscription and --files")
    if options.subscription:
        _require_subscription(options.subscription, by_beam=not options.drain)
        if streaming and options.drain:
            raise UsageError("give one of --streaming and --drain")
        if not streaming and not options.drain:
            raise UsageError("--subscription needs --streaming or --drain")
    elif streaming:
        raise UsageError("--files is a bounded run: leave out --streaming")
    if not project:
        raise UsageError("--project is missing: the project of the BigQuery tables")
    if not re.fullmatch(r"\w{1,1024}", options.dataset, re.ASCII):
        raise UsageError(f"--dataset is no BigQuery dataset name: {options.dataset!r}")
    if options.write_method not in (None, *WRITE_METHODS):
        raise UsageError(
            f"--write_method must be one of {', '.join(WRITE_METHODS)}, "
            f"not {options.write_method!r}"
        )
    if streaming and write_method(options) == "FILE_LOADS":
        raise UsageError("--write_method FILE_LOADS is for bounded runs")
    if exactly_once(options) and write_method(options) != "STORAGE_WRITE_API":
        raise UsageError("--exactly_once needs --write_method STORAGE_WRITE_API")
    if options.archive_prefix == "":  # of a variable that is not set
        raise UsageError("--archive_prefix is empty: name a folder, or leave it out")
    if options.files and options.archive_prefix:
        _require_apart(options.files, options.archive_prefix)
    horizon_hours(options)


def _require_subscription(name: str, *, by_beam: bool) -> None:
    if not _SUBSCRIPTION.match(name):
        raise UsageError(
            f"--subscription must be projects/PROJECT/subscriptions/NAME, not {name!r}"
        )
    try:
        if by_beam:  # whose source is strict on what is a project
            parse_subscription(name)
    except ValueError as error:
        raise UsageError(f"--subscription: {error}") from None


def _require_apart(pattern: str, prefix: str) -> None:
    """Makes sure that a run does not read what it archives, over and over.

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
            "--files reads what --archive_prefix writes: leave that out, or give "
            "another folder"
        )


def _absolute(path: str) -> str:
    # With one slash after the scheme, as the parts of a path have it.
    return str(PurePosixPath(path)) if "://" in path else os.path.realpath(path)


class Limits(NamedTuple):
    """When a drain ends, besides when the subscription is empty.

    Attributes:
        max_messages: After so many messages.
        max_seconds: After the round during which so much time has passed.
        every_seconds: It does not end, and drains again so often; None for once.
    """

    max_messages: int | None = None
    max_seconds: float | None = None
    every_seconds: float | None = None


def drain_limits(options: IrisOptions) -> Limits:
    """When a drain ends.

    Raises:
        UsageError: A limit has no form, or there is no drain that it could limit.
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
    )


def _whole_number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or not int(text):
        raise UsageError(f"{name} must be a whole number above 0, not {text!r}")
    return int(text)


def _seconds(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    if not (seconds := seconds_in(text)):
        raise UsageError(f"{name} must be a time such as 90, 60s or 5m, not {text!r}")
    return float(seconds)


def write_method(options: IrisOptions) -> str:
    """The write method that was chosen, or suits the way in."""
    usual = "FILE_LOADS" if options.files else "STREAMING_INSERTS"
    return options.write_method or usual


def exactly_once(options: IrisOptions) -> bool:
    """Whether a repeated request is to store its rows once.

    Raises:
        UsageError: It is neither true nor false.
    """
    text = options.exactly_once.lower()
    if text not in ("true", "false"):
        raise UsageError(f"--exactly_once must be true or false, not {text!r}")
    return bool(text == "true")


def horizon_hours(options: IrisOptions) -> float:
    """The dedup horizon.

    Raises:
        UsageError: It is no number above 0.
    """
    # Beam's parser would answer a wrong number with the usage of all its options.
    text = options.dedup_horizon_hours
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text) > 0:
        raise UsageError(f"--dedup_horizon_hours must be a number above 0: {text!r}")
    return float(text)
