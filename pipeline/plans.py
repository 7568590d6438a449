"""Plans: the graph that the options ask for; what it needs is looked for first."""

import logging
import math
import os
from functools import partial
from typing import NamedTuple

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from google.api_core.exceptions import (
    GoogleAPIError,
    NotFound,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud.bigquery import DEFAULT_RETRY
from requests.exceptions import RequestException

from command.tables_path import TablesPath, require_server
from command.text import first_line, listed
from command.usage import UsageError
from pipeline.away import AWAY, NotStartedError, UnreachableError
from pipeline.bigquery.client import connect, local_grpc_host
from pipeline.bigquery.lacking import lacking
from pipeline.bigquery.patience import BRIEF_SECONDS
from pipeline.bigquery.warehouse import Warehouse
from pipeline.files.raw_archive import archive_of, is_local
from pipeline.graph import Plan
from pipeline.options import (
    IrisOptions,
    exactly_once,
    horizon_hours,
    runs_here,
    write_method,
    write_window_seconds,
)
from pipeline.registry import load_registry
from pipeline.steps.dedup import Memory
from pipeline.steps.load_rows import LoadRows
from pipeline.steps.sources import ReadFiles, ReadSubscription, find
from pipeline.steps.write_rows import Inserter, WriteRows
from pipeline.steps.write_windows import WriteRowWindows

# The client's own ten minutes are long for a wrong address.
ANSWER_SECONDS = 10.0
_RETRY = DEFAULT_RETRY.with_timeout(ANSWER_SECONDS)
OWN_TABLES = ("iris_dead_letters", "iris_unmapped", "iris_ledger")

log = logging.getLogger(__name__)


class Mode(NamedTuple):
    """How a run differs from runs of another source or runner.

    Attributes:
        here: Whether it runs in this process; otherwise the workers of a service share
            its files, and have their own rights.
        bounded: Whether it ends by itself.
        memory: How dedup remembers what it has seen.
        keeps_state: Whether the runner keeps state, in which rows, and messages for the
            archive, gather: a bundle of a service's stream is about one message.
        id_label: The attribute by which the source itself drops a redelivery, which
            only Dataflow's can.
    """

    here: bool
    bounded: bool
    memory: Memory
    keeps_state: bool
    id_label: str | None


# fmt: off
#                        here   bounded memory         keeps_state, id_label
DRAIN =             Mode(True,  True,  "in_process",  False, None)
STREAM_HERE =       Mode(True,  False, "in_process",  False, None)
FILES_HERE =        Mode(True,  True,  "in_run",      False, None)
STREAM_ON_SERVICE = Mode(False, False, "in_state",    True,  "publish_id")
FILES_ON_SERVICE =  Mode(False, True,  "by_grouping", False, None)
# fmt: on


def mode_of(options: PipelineOptions) -> Mode:
    """The mode that source and runner ask for."""
    ours = options.view_as(IrisOptions)
    if ours.drain:
        return DRAIN
    if ours.files:
        return FILES_HERE if runs_here(options) else FILES_ON_SERVICE
    return STREAM_HERE if runs_here(options) else STREAM_ON_SERVICE


def plan_of(options: PipelineOptions, spool: str) -> Plan:
    """The plan of a run.

    Args:
        options: The options.
        spool: The folder for files of rows until they are loaded.

    Raises:
        UsageError: Files or tables do not exist, or cannot be used.
        UnreachableError: BigQuery or Cloud Storage does not answer.
    """
    ours, mode = options.view_as(IrisOptions), mode_of(options)
    project = options.view_as(GoogleCloudOptions).project
    # Where rows can be left for later, no table waits for another.
    leaves = mode.keeps_state or mode in (DRAIN, STREAM_HERE)
    limit_seconds = BRIEF_SECONDS if leaves else math.inf
    warehouse = Warehouse(project, ours.dataset, limit_seconds)
    if ours.files:
        _require_files(ours.files)
    if mode.here:
        _require_tables(warehouse, all_of_them=mode is DRAIN)
    return Plan(
        ReadFiles(ours.files, spread=not mode.here)
        if ours.files
        else ReadSubscription(ours.subscription, mode.id_label),
        mode.memory,
        horizon_hours(ours),
        _write_rows(ours, warehouse, spool, mode),
        warehouse.insert,
        bounded=mode.bounded,
        archive_prefix=_archive_prefix(ours, here=mode.here),
        gather_archive=mode.keeps_state,
        write_window_seconds=write_window_seconds(ours) if mode.keeps_state else None,
        sets_aside=mode is DRAIN,
        holds_waiting=mode is STREAM_HERE,
        refuse_large=mode is STREAM_ON_SERVICE,
        windowed_ledger=mode.keeps_state,
    )


def _write_rows(
    ours: IrisOptions, warehouse: Warehouse, spool: str, mode: Mode
) -> WriteRows | WriteRowWindows | LoadRows:
    method = write_method(ours)
    if method == "FILE_LOADS":
        if not mode.here and is_local(spool):
            raise UsageError(
                "load jobs of a service need --temp_location gs://…, a folder that "
                "its workers share"
            )
        return LoadRows(
            warehouse.load, spool, spread=not mode.here, sets_aside=mode is DRAIN
        )
    inserter: Inserter = warehouse.insert
    if method == "STORAGE_WRITE_API":
        if mode.here:
            local_grpc_host()  # raises if a variable is missing
        inserter = partial(warehouse.append, exactly_once=exactly_once(ours))
    if mode.keeps_state:
        return WriteRowWindows(inserter, write_window_seconds(ours))
    return WriteRows(
        inserter,
        sets_aside=mode is DRAIN,
        waiting=WriteRowWindows(inserter) if mode is STREAM_HERE else None,
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
    if all(found.is_other for found in find(pattern)):
        raise UsageError(
            f"--files: no messages at {pattern}: it reads folders of "
            "DATASET/MESSAGE_ID, *.json, *.json.gz, *.tar.gz and *.avro"
        )


def _require_local_answer() -> None:
    """Makes sure that a local BigQuery runs; whether it answers is seen soon after.

    Raises:
        NotStartedError: Nothing listens at `BIGQUERY_EMULATOR_HOST`.
    """
    if host := os.environ.get("BIGQUERY_EMULATOR_HOST"):
        try:
            require_server(host)
        except UsageError as error:
            raise NotStartedError(str(error)) from None


def _require_tables(warehouse: Warehouse, *, all_of_them: bool) -> None:
    """Makes sure that the pipeline finds its tables, and their columns.

    Raises:
        UsageError: One of its own tables or a column is missing, or BigQuery refuses.
        UnreachableError: BigQuery does not answer.
    """
    path = TablesPath(warehouse.project, warehouse.dataset)
    advice = (
        f"make them with `python -m sql apply --project {path.project} "
        f"--dataset {path.dataset}`"
    )
    client = connect(warehouse.project)
    try:
        _require_local_answer()
        for table in OWN_TABLES:
            client.get_table(f"{path}.{table}", timeout=ANSWER_SECONDS, retry=_RETRY)
        if not all_of_them:
            return
        datasets = load_registry().values()
        missing = lacking(client, path, datasets, _RETRY, ANSWER_SECONDS)
    except NotFound as error:
        raise UsageError(
            f"tables of {path} do not exist ({first_line(error):.200}): {advice}"
        ) from None
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        kind = UnreachableError if isinstance(error, AWAY) else UsageError
        raise kind(f"BigQuery cannot be reached: {first_line(error):.200}") from None
    if missing.columns:
        raise UsageError(
            f"columns are missing, so rows would be refused: "
            f"{listed(missing.columns)}; {advice}"
        )
    if missing.unread:
        log.warning(
            "tables that this account may not read were not checked: %s",
            listed(missing.unread),
        )
    if missing.tables:
        log.warning(
            "tables are missing, their messages stay in Pub/Sub: %s; %s",
            listed(missing.tables), advice,
        )  # fmt: skip
