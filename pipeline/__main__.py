"""`python -m pipeline`: IRIS messages to BigQuery rows, streaming or from files."""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    # Private, and the only way to tell an unknown option from one of Beam's.
    _BeamArgumentParser,
)
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from pipeline.dedup import Memory
from pipeline.graph import Plan, build
from pipeline.inserts import connect
from pipeline.ledger import PRESENT, counted
from pipeline.load_rows import LoadRows
from pipeline.options import (
    IrisOptions,
    help_text,
    horizon_hours,
    validate,
    write_method,
)
from pipeline.sources import ReadFiles, ReadSubscription, find
from pipeline.usage import UsageError
from pipeline.warehouse import Warehouse

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
        with _spool(options) as folder:
            run(options, plan_of(options, folder))
    except UsageError as error:
        sys.stderr.write(f"python -m pipeline: {error}\n")
        return 2
    return 0


@contextlib.contextmanager
def _spool(options: PipelineOptions) -> Iterator[str]:
    """Where files of rows wait to be loaded: Beam's `--temp_location`, or here."""
    if location := options.view_as(GoogleCloudOptions).temp_location:
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="gb-iris-") as folder:
        yield folder


def log_to_stderr() -> None:
    """Logs plain lines, without Beam's remarks on every type hint."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("apache_beam.typehints").setLevel(logging.WARNING)


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
    if standard.runner in (None, "DirectRunner"):
        # By itself Beam would first try to download another runner, Prism.
        standard.runner = "BundleBasedDirectRunner" if streaming else "FnApiRunner"
    return options


def _unknown(arguments: list[str]) -> list[str]:
    """The arguments that neither we nor Beam know; Beam itself only logs them."""
    parser = _BeamArgumentParser(allow_abbrev=False)
    for options in (PipelineOptions, *PipelineOptions.__subclasses__()):
        if "_add_argparse_args" in vars(options):
            options._add_argparse_args(parser)
    return list(parser.parse_known_args(arguments)[1])


def plan_of(options: PipelineOptions, spool: str) -> Plan:
    """Chooses source, memory and sink.

    Args:
        options: The options.
        spool: Where files of rows wait to be loaded.

    Raises:
        UsageError: Files or tables are not there.
    """
    ours = options.view_as(IrisOptions)
    runner = options.view_as(StandardOptions).runner or ""
    warehouse = Warehouse(options.view_as(GoogleCloudOptions).project, ours.dataset)
    on_dataflow = "dataflow" in runner.lower()
    memory: Memory
    if ours.files:
        _require_files(ours.files)
        source: beam.PTransform = ReadFiles(ours.files, spread=on_dataflow)
        memory = "by_grouping" if on_dataflow else "in_run"
    else:
        source = ReadSubscription(
            ours.subscription, id_label="publish_id" if on_dataflow else None
        )
        memory = "in_state" if on_dataflow else "in_process"
    if not on_dataflow:
        _require_tables(warehouse)
    loads = write_method(ours) == "FILE_LOADS"
    return Plan(
        source,
        memory,
        horizon_hours(ours),
        warehouse.insert,
        LoadRows(warehouse.load, spool, spread=on_dataflow) if loads else None,
    )


def _require_files(pattern: str) -> None:
    if next(find(pattern), None) is None:
        raise UsageError(f"--files: no file matches {pattern}")


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
        sums = counted(result)
        sys.stdout.write(
            "{messages:,} messages: {records:,} records = {rows:,} rows + "
            "{duplicates:,} duplicates + {dead_letters:,} dead letters + "
            "{unmapped:,} unmapped\n".format(**sums)
        )
        if sums[PRESENT]:
            sys.stdout.write(
                f"{sums[PRESENT]:,} of the duplicates were in the tables already\n"
            )


if __name__ == "__main__":
    sys.exit(main())
