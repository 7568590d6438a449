"""Plans: which graph the options ask for, and whether what it needs is there."""

from __future__ import annotations

import os
from functools import partial

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud.bigquery import DEFAULT_RETRY
from requests.exceptions import RequestException

from command.usage import UsageError
from pipeline.bigquery.client import connect, local_grpc_host
from pipeline.bigquery.warehouse import Warehouse
from pipeline.files.raw_archive import archive_of, is_local
from pipeline.graph import Plan
from pipeline.options import (
    IrisOptions,
    exactly_once,
    horizon_hours,
    write_method,
)
from pipeline.steps.dedup import Memory
from pipeline.steps.load_rows import LoadRows
from pipeline.steps.sources import ReadFiles, ReadSubscription, find
from pipeline.steps.write_rows import WriteRows

# Beam takes their names in any case.
_RUNNERS_HERE = ("", "directrunner", "fnapirunner", "bundlebaseddirectrunner")
# The client's own ten minutes are long for a wrong address.
ANSWER_SECONDS = 10.0
_RETRY = DEFAULT_RETRY.with_timeout(ANSWER_SECONDS)
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
    return Plan(
        source,
        memory,
        horizon_hours(ours),
        _write_rows(ours, warehouse, spool, here=here),
        warehouse.insert,
        bounded=bool(ours.files or ours.drain),
        archive_prefix=_archive_prefix(ours, here=here),
        gather_archive=not here and not ours.files,
    )


def _write_rows(
    ours: IrisOptions, warehouse: Warehouse, spool: str, *, here: bool
) -> WriteRows | LoadRows:
    method = write_method(ours)
    if method == "FILE_LOADS":
        if not here and is_local(spool):
            raise UsageError("load jobs of a service need --temp_location gs://…")
        return LoadRows(warehouse.load, spool, spread=not here)
    if method == "STREAMING_INSERTS":
        return WriteRows(warehouse.insert)
    if here:
        local_grpc_host()  # says what is missing
    return WriteRows(partial(warehouse.append, exactly_once=exactly_once(ours)))


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
        raise UsageError(
            f"--files: no messages at {pattern}: it reads folders of "
            "DATASET/MESSAGE_ID, *.json, *.json.gz, *.tar.gz and *.avro"
        )


def _require_tables(warehouse: Warehouse) -> None:
    for table in OWN_TABLES:
        name = f"{warehouse.project}.{warehouse.dataset}.{table}"
        try:
            connect(warehouse.project).get_table(
                name, timeout=ANSWER_SECONDS, retry=_RETRY
            )
        except NotFound:
            raise UsageError(
                f"table {name} does not exist: make the tables with "
                f"`python -m sql apply --project {warehouse.project} "
                f"--dataset {warehouse.dataset}`"
            ) from None
        except (GoogleAPIError, GoogleAuthError, RequestException) as error:
            text = str(error).splitlines()[0]
            host = os.environ.get("BIGQUERY_EMULATOR_HOST")
            where = (
                f"BigQuery at {host} (BIGQUERY_EMULATOR_HOST)" if host else "BigQuery"
            )
            raise UsageError(f"{where} cannot be reached: {text:.200}") from None
