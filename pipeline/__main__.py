"""`python -m pipeline`: IRIS messages to BigQuery rows, streaming or from files."""

from __future__ import annotations

import glob
import logging
import sys
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    # Private, and the only way to tell an unknown option from one of Beam's.
    _BeamArgumentParser,
)
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from pipeline import drain
from pipeline.archive import archive_of, is_local
from pipeline.dedup import Memory
from pipeline.graph import Plan, build
from pipeline.inserts import connect
from pipeline.ledger import counted, counts_line
from pipeline.options import (
    IrisOptions,
    drain_limits,
    help_text,
    horizon_hours,
    validate,
)
from pipeline.sources import ReadFiles, ReadSubscription
from pipeline.usage import UsageError
from pipeline.write_rows import Warehouse

OWN_TABLES = ("iris_dead_letters", "iris_unmapped", "iris_ledger")


def main(arguments: list[str] | None = None) -> int:
    """Runs the pipeline until it ends; 2 for a user's mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(help_text())
        return 0
    log_to_stderr()
    try:
        options = parse(arguments)
        plan = plan_of(options)
        ours = options.view_as(IrisOptions)
        if ours.drain:
            return drain.run(options, plan, ours.subscription, drain_limits(ours))
    except UsageError as error:
        sys.stderr.write(f"python -m pipeline: {error}\n")
        return 2
    run(options, plan)
    return 0


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
    if unknown := _unknown(arguments):
        raise UsageError(f"unknown option {unknown[0]}")
    options = PipelineOptions(arguments)
    ours = options.view_as(IrisOptions)
    project = options.view_as(GoogleCloudOptions).project
    streaming = options.view_as(StandardOptions).streaming
    validate(ours, project, streaming=bool(streaming))
    standard = options.view_as(StandardOptions)
    if ours.drain:
        _require_this_process(options)
    if standard.runner in (None, "DirectRunner"):
        # By itself Beam would first try to download another runner, Prism.
        standard.runner = "BundleBasedDirectRunner" if streaming else "FnApiRunner"
    return options


def _require_this_process(options: PipelineOptions) -> None:
    """Makes sure that a round runs here: dedup remembers in this process.

    Raises:
        UsageError: It would run elsewhere.
    """
    runner = options.view_as(StandardOptions).runner
    if runner not in (None, "DirectRunner", "FnApiRunner"):
        raise UsageError(f"--drain runs in this process: leave out --runner={runner}")
    direct = options.view_as(DirectOptions)
    if direct.direct_running_mode != "in_memory":
        raise UsageError(
            "--drain runs in this process: leave out --direct_running_mode"
        )
    direct.direct_num_workers = 1  # each worker would open a bundle of its own


def _unknown(arguments: list[str]) -> list[str]:
    """The arguments that neither we nor Beam know; Beam itself only logs them."""
    parser = _BeamArgumentParser(allow_abbrev=False)
    for options in (PipelineOptions, *PipelineOptions.__subclasses__()):
        if "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)
    return list(parser.parse_known_args(arguments)[1])


def plan_of(options: PipelineOptions) -> Plan:
    """Chooses source, memory and sink.

    Raises:
        UsageError: Files or tables are not there.
    """
    ours = options.view_as(IrisOptions)
    runner = options.view_as(StandardOptions).runner or ""
    warehouse = Warehouse(options.view_as(GoogleCloudOptions).project, ours.dataset)
    on_dataflow = "dataflow" in runner.lower()
    memory: Memory
    if ours.files:
        source: beam.PTransform = ReadFiles(_pattern(ours.files))
        memory = "by_grouping"
    else:
        source = ReadSubscription(
            ours.subscription, id_label="publish_id" if on_dataflow else None
        )
        memory = "in_state" if on_dataflow else "in_process"
    if not on_dataflow:
        _require_tables(warehouse)
    return Plan(
        source,
        memory,
        horizon_hours(ours),
        warehouse.insert,
        bounded=bool(ours.files or ours.drain),
        archive_prefix=_archive_prefix(ours, on_dataflow=on_dataflow),
        gather_archive=on_dataflow and not ours.files,
    )


def _archive_prefix(ours: IrisOptions, *, on_dataflow: bool) -> str | None:
    prefix: str | None = ours.archive_prefix
    if prefix is None:
        return None
    if not on_dataflow:  # whose workers have rights of their own
        archive_of(prefix).check()
    elif is_local(prefix):
        raise UsageError(f"--archive_prefix on Dataflow must be gs://…, not {prefix!r}")
    return prefix


def _pattern(files: str) -> str:
    """The glob of a `--files` value, which may name a folder."""
    if "://" in files:
        return files
    folder = Path(files)
    pattern = f"{glob.escape(files)}/*/*" if folder.is_dir() else files
    # A user's glob may be absolute, which Path.glob does not take.
    if not any(Path(match).is_file() for match in glob.iglob(pattern)):  # noqa: PTH207
        raise UsageError(f"--files: no file matches {pattern}")
    return pattern


def _require_tables(warehouse: Warehouse) -> None:
    for table in OWN_TABLES:
        name = f"{warehouse.project}.{warehouse.dataset}.{table}"
        try:
            connect(warehouse.project).get_table(name, timeout=30)
        except NotFound:
            raise UsageError(
                f"table {name} does not exist: make the tables with "
                f"`python -m sql apply --project {warehouse.project} "
                f"--dataset {warehouse.dataset}`"
            ) from None
        except (GoogleAPICallError, GoogleAuthError, RequestException) as error:
            text = str(error).splitlines()[0]
            raise UsageError(f"BigQuery cannot be reached: {text}") from None


def run(options: PipelineOptions, plan: Plan) -> None:
    """Builds the graph and runs it to its end; a bounded run tells its counts."""
    pipeline = beam.Pipeline(options=options)
    build(pipeline, plan)
    result = pipeline.run()
    result.wait_until_finish()
    if options.view_as(IrisOptions).files:
        sys.stdout.write(f"{counts_line(counted(result))}\n")


if __name__ == "__main__":
    sys.exit(main())
