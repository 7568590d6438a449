"""Plans: which graph the options ask for, and whether what it needs is there."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth.exceptions import GoogleAuthError
from requests.exceptions import RequestException

from pipeline.archive import archive_of, is_local
from pipeline.dedup import Memory
from pipeline.graph import Plan
from pipeline.inserts import connect
from pipeline.load_rows import LoadRows
from pipeline.options import IrisOptions, horizon_hours, write_method
from pipeline.sources import ReadFiles, ReadSubscription, find
from pipeline.usage import UsageError
from pipeline.warehouse import Warehouse

# Beam takes their names in any case.
_RUNNERS_HERE = ("", "directrunner", "fnapirunner", "bundlebaseddirectrunner")
OWN_TABLES = ("iris_dead_letters", "iris_unmapped", "iris_ledger")


def runs_here(options: PipelineOptions) -> bool:
    """Whether the graph runs in this process, and not on a service."""
    runner = options.view_as(StandardOptions).runner or ""
    return runner.rpartition(".")[2].lower() in _RUNNERS_HERE


def plan_of(options: PipelineOptions, spool: str) -> Plan:
    """Chooses source, memory and sink.

    Args:
        options: The options.
        spool: Where files of rows wait to be loaded.

    Raises:
        UsageError: Files or tables are not there.
    """
    ours = options.view_as(IrisOptions)
    warehouse = Warehouse(options.view_as(GoogleCloudOptions).project, ours.dataset)
    here = runs_here(options)
    memory: Memory
    if ours.files:
        _require_files(ours.files)
        source: beam.PTransform = ReadFiles(ours.files, spread=not here)
        memory = "in_run" if here else "by_grouping"
    else:
        source = ReadSubscription(
            ours.subscription, id_label=None if here else "publish_id"
        )
        memory = "in_process" if here else "in_state"
    if here:
        _require_tables(warehouse)
    loads = write_method(ours) == "FILE_LOADS"
    if loads and not here and is_local(spool):
        raise UsageError("load jobs of a service need --temp_location gs://…")
    return Plan(
        source,
        memory,
        horizon_hours(ours),
        warehouse.insert,
        load_rows=LoadRows(warehouse.load, spool, spread=not here) if loads else None,
        bounded=bool(ours.files or ours.drain),
        archive_prefix=_archive_prefix(ours, here=here),
        gather_archive=not here and not ours.files,
    )


def _archive_prefix(ours: IrisOptions, *, here: bool) -> str | None:
    prefix: str | None = ours.archive_prefix
    if prefix is None:
        return None
    if here:  # the workers of a service have rights of their own
        archive_of(prefix).check()
    elif is_local(prefix):
        raise UsageError(
            f"--archive_prefix of a service must be gs://…, not {prefix!r}"
        )
    return prefix


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
