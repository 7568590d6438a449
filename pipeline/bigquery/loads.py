"""Load jobs: Parquet files of rows into tables, without rows that are there already.

Load jobs are free, and store all rows of their files or none. If the table has no row
of those days, the files are loaded into it directly. Otherwise they are loaded into a
staging table, and one statement inserts the rows whose id (`row_ids`) the table lacks:
a run that is repeated, or was killed, adds nothing twice.
"""

import datetime as dt
import logging
import math
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from google.api_core.exceptions import (
    Conflict,
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery.format_options import ParquetOptions

from command.tables_path import TablesPath
from pipeline.bigquery.inserts import (
    MAX_ROWS,
    REQUEST_TIMEOUT_SECONDS,
    Insert,
    insert,
    table_threads,
)
from pipeline.bigquery.kept_records import Kept, kept_in
from pipeline.bigquery.patience import (
    TableWaitsError,
    is_limited,
    limited,
    until_answered,
)
from pipeline.core.row_ids import row_id_of, row_key, row_key_sql
from pipeline.registry import Dataset

# A staging table that a killed run leaves behind expires.
STAGING_LIFE = dt.timedelta(days=1)
# BigQuery answers at once, but for an upload; the local one answers when the job is
# done. After this time the request is repeated. The client itself would wait forever,
# even on a connection that is dead.
JOB_TIMEOUT_SECONDS = 600
# How often it is said that a job still runs.
SAID_SECONDS = 60
# Without this, a list would be a RECORD that has a list
# (https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet#list_logical_type).
_LISTS = ParquetOptions.from_api_repr({"enableListInference": True})
log = logging.getLogger(__name__)


class Spooled(NamedTuple):
    """A file of rows of one dataset, ready to be loaded.

    Attributes:
        path: Its path, on Cloud Storage or on this machine.
        rows: The number of its rows.
        first_day: The first day that its rows are partitioned by; None without one.
        last_day: The last one.
        undated: Whether some rows have no such day.
        records: The path of its kept records (`kept_records`); None without any.
    """

    path: str
    rows: int
    first_day: str | None
    last_day: str | None
    undated: bool
    records: str | None = None

    @property
    def paths(self) -> list[str]:
        """The paths of all its files."""
        return [self.path, self.records] if self.records else [self.path]


Files = dict[Dataset, list[Spooled]]


class Refused(NamedTuple):
    """A row that BigQuery refused.

    Attributes:
        row: Its values, as `insertAll` accepts them.
        error: BigQuery's reason.
        record: The record's JSON, if it does not follow from the row.
        attributes: Those of the message, if it was a replay; otherwise they follow from
            the row.
    """

    row: dict[str, Any]
    error: str
    record: bytes | None = None
    attributes: dict[str, str] | None = None


class Loaded(NamedTuple):
    """What became of the rows of one dataset.

    Attributes:
        rows: The number of rows that were added to the table.
        present: The number of rows that the table had already.
        refused: The rows that BigQuery refused.
        waits: Why the table accepts no rows at the moment; None if it has answered.
    """

    rows: int
    present: int = 0
    refused: Sequence[Refused] = ()
    waits: str | None = None


def filled_datasets(
    client: bigquery.Client,
    path: TablesPath,
    spooled: Mapping[Dataset, Sequence[Spooled]],
    limit_seconds: float = math.inf,
) -> set[Dataset]:
    """The datasets whose tables may have rows of the days of the files already.

    Args:
        path: The project and BigQuery dataset of the tables.
        spooled: The files.
        limit_seconds: How long a request is repeated; a table that does not answer may
            have some.
    """
    tables = [f"{path}.{dataset.table}" for dataset in spooled]
    empty = table_threads().map(
        lambda table: _is_surely_empty(client, table, limit_seconds), tables
    )
    filled = {
        dataset.table: dataset
        for dataset, is_empty in zip(spooled, empty, strict=True)
        if not is_empty
    }
    if not filled:
        return set()
    statement = "\nUNION ALL\n".join(
        f"SELECT '{name}' AS name, COUNT(*) AS present "  # noqa: S608
        f"FROM `{path}.{name}` WHERE {_days_condition(dataset, spooled[dataset])}"
        for name, dataset in filled.items()
    )
    one = f"{path}.{next(iter(filled))}"
    waiting = f"{len(filled)} tables"
    try:
        with limited(limit_seconds):
            answers = _rows(_query(client, one, statement, waiting), waiting)
    except TableWaitsError:
        return set(filled.values())
    return {filled[answer.name] for answer in answers if answer.present}


def _is_surely_empty(client: bigquery.Client, name: str, limit_seconds: float) -> bool:
    try:
        with limited(limit_seconds):
            return _is_empty(client, name)
    except TableWaitsError:
        return False


def _is_empty(client: bigquery.Client, name: str) -> bool:
    """Whether a table has no row, or does not exist; then its load reports that."""
    try:
        table = _table(client, name)
    except NotFound:
        return True
    return not table.num_rows and table.streaming_buffer is None


def _table(client: bigquery.Client, name: str) -> bigquery.Table:
    return until_answered(
        lambda: client.get_table(name, timeout=REQUEST_TIMEOUT_SECONDS), f"{name}: rows"
    )


def load(
    client: bigquery.Client,
    path: TablesPath,
    dataset: Dataset,
    files: Sequence[Spooled],
    *,
    is_filled: bool,
    limit_seconds: float = math.inf,
) -> Loaded:
    """Loads the files of one dataset into its table.

    Args:
        path: The project and BigQuery dataset of the table.
        dataset: The dataset of the rows.
        files: Its files; no row is in them twice.
        is_filled: Whether the table may have some of their rows already.
        limit_seconds: How long a request is repeated before the table waits. Some rows
            may be stored then; the next load finds them.
    """
    try:
        with limited(limit_seconds):
            return _load(client, path, dataset, files, is_filled=is_filled)
    except TableWaitsError as error:
        return Loaded(0, waits=str(error))


def _load(
    client: bigquery.Client,
    path: TablesPath,
    dataset: Dataset,
    files: Sequence[Spooled],
    *,
    is_filled: bool,
) -> Loaded:
    target = f"{path}.{dataset.table}"
    if is_filled:
        days = _days_condition(dataset, files)
        try:
            return _add_missing(client, path, dataset, files)
        except GoogleAPICallError as error:
            _log_refused(target, error)
            known = partial(_known, client, dataset, days)
            return _insert_each(client, target, dataset, files, known)
    # Each job stores all rows of its files or none.
    parts = [_add_all(client, target, dataset, job) for job in _jobs(files)]
    return Loaded(
        sum(part.rows for part in parts),
        refused=[refused for part in parts for refused in part.refused],
    )


def _log_refused(table: str, error: GoogleAPICallError) -> None:
    # Inserts have an answer for each row.
    log.warning("%s: load job refused (%s); inserting row by row", table, error)


def _jobs(files: Sequence[Spooled]) -> list[list[Spooled]]:
    """The files of each load job: one of this machine, or all of Cloud Storage."""
    stored = [file for file in files if file.path.startswith("gs://")]
    here = [[file] for file in files if file not in stored]
    return [stored, *here] if stored else here


def _days_condition(dataset: Dataset, files: Sequence[Spooled]) -> str:
    """The condition for the partitions of the files' rows; BigQuery reads no others."""
    name = dataset.partition_column
    column = f"`{name}`"
    days = [day for file in files for day in (file.first_day, file.last_day) if day]
    if not days:
        return f"{column} IS NULL"
    # The coercion made these days: they are digits and dashes.
    first, last = min(days), max(days)
    if dataset.column(name).type == "TIMESTAMP":
        first, last = f"{first} 00:00:00+00", f"{last} 23:59:59.999999+00"
    kind = dataset.column(name).type
    bounds = f"{column} BETWEEN {kind} '{first}' AND {kind} '{last}'"
    if any(file.undated for file in files):
        return f"(({bounds}) OR {column} IS NULL)"
    return bounds


def _add_all(
    client: bigquery.Client, table: str, dataset: Dataset, files: Sequence[Spooled]
) -> Loaded:
    try:
        return Loaded(_append(client, table, files))
    except GoogleAPICallError as error:
        _log_refused(table, error)
        return _insert_each(client, table, dataset, files, _none_known)


def _add_missing(
    client: bigquery.Client,
    path: TablesPath,
    dataset: Dataset,
    files: Sequence[Spooled],
) -> Loaded:
    """Loads into a staging table, and inserts the rows that the target lacks."""
    target = f"{path}.{dataset.table}"
    staging = f"{path}.iris_staging_{dataset.table}_{uuid.uuid4().hex}"
    table = _table(client, target)
    empty = bigquery.Table(staging, table.schema)
    empty.expires = dt.datetime.now(dt.UTC) + STAGING_LIFE
    until_answered(
        lambda: client.create_table(
            empty, exists_ok=True, timeout=REQUEST_TIMEOUT_SECONDS
        ),
        f"{target}: rows",
    )
    try:
        rows = sum(_append(client, staging, job) for job in _jobs(files))
        columns = ", ".join(f"`{field.name}`" for field in table.schema)
        key = row_key_sql(dataset)
        statement = (
            f"INSERT INTO `{target}` ({columns}) "  # noqa: S608 - names of tables
            f"SELECT {columns} FROM `{staging}` WHERE {key} NOT IN ("
            f"SELECT {key} FROM `{target}` "
            f"WHERE record_id IS NOT NULL AND {_days_condition(dataset, files)})"
        )
        job = _query(client, target, statement, f"{target}: {rows} rows")
        added = int(job.num_dml_affected_rows or 0)
        return Loaded(added, rows - added)
    finally:
        delete_staging(client, staging)


def delete_staging(client: bigquery.Client, staging: str) -> None:
    """Deletes a staging table; if that fails, it stays until it expires."""
    try:
        client.delete_table(staging, not_found_ok=True, timeout=REQUEST_TIMEOUT_SECONDS)
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        log.warning("%s stays until it expires: %s", staging, error)


def _append(client: bigquery.Client, table: str, files: Sequence[Spooled]) -> int:
    """Runs one load job; returns the number of its rows."""
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        parquet_options=_LISTS,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
    )
    rows = sum(file.rows for file in files)

    def start(job_id: str) -> Any:
        if files[0].path.startswith("gs://"):
            uris = [file.path for file in files]
            return client.load_table_from_uri(
                uris,
                table,
                job_id=job_id,
                job_config=config,
                timeout=_start_seconds(),
            )
        with _opened(files[0].path) as upload:
            return client.load_table_from_file(
                upload,
                table,
                job_id=job_id,
                job_config=config,
                timeout=JOB_TIMEOUT_SECONDS,
            )

    run_job(client, start, table, f"{table}: {rows} rows")
    return rows


def _query(
    client: bigquery.Client,
    table: str,
    statement: str,
    waiting: str,
    *parameters: bigquery.ArrayQueryParameter,
) -> Any:
    def start(job_id: str) -> Any:
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        return client.query(
            statement,
            job_config=config,
            job_id=job_id,
            job_retry=None,
            timeout=_start_seconds(),
        )

    return run_job(client, start, table, waiting)


def _start_seconds() -> float:
    """How long to wait for the answer to the start of a job."""
    is_local = bool(os.environ.get("BIGQUERY_EMULATOR_HOST"))
    return JOB_TIMEOUT_SECONDS if is_local else REQUEST_TIMEOUT_SECONDS


def _rows(job: Any, waiting: str) -> list[Any]:
    """The rows of a query that has ended."""
    return until_answered(
        lambda: list(job.result(timeout=JOB_TIMEOUT_SECONDS)), waiting
    )


def _opened(path: str) -> Any:
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def run_job(
    client: bigquery.Client, start: Callable[[str], Any], table: str, waiting: str
) -> Any:
    """Runs one job to its end; if the answer to its start is lost, it runs only once.

    Args:
        start: Starts the job under an id.
        table: A table that it reads or writes; the job runs in its location.
        waiting: For the log: the table and the rows that wait meanwhile.

    Raises:
        GoogleAPICallError: BigQuery refuses the job.
    """
    name = f"gb_iris_{uuid.uuid4().hex}"
    failures = 0

    def attempt() -> Any:
        nonlocal failures
        job_id = f"{name}_{failures}"
        try:
            job = start(job_id)
        except Conflict:
            # Outside of the US and EU multi-regions a job is found by its location only
            # (https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get).
            location = client.get_table(table, timeout=REQUEST_TIMEOUT_SECONDS).location
            job = client.get_job(job_id, location=location)
        try:
            _await(job, waiting)
        except GoogleAPICallError:
            # A job that has failed keeps its id; the next one needs another.
            failures += job.state == "DONE"
            raise
        return job

    return until_answered(attempt, waiting)


def _await(job: Any, waiting: str) -> None:
    """Waits for the end of a job, and says so once a minute.

    Raises:
        TimeoutError: It takes longer than `JOB_TIMEOUT_SECONDS`.
        GoogleAPICallError: It has failed, or BigQuery does not know it.
    """
    began = time.monotonic()
    while True:
        try:
            job.result(timeout=SAID_SECONDS)
        except TimeoutError:
            # The client repeats a question for rows that BigQuery answers with a fault,
            # also that of a job which has ended with it.
            job.reload(timeout=REQUEST_TIMEOUT_SECONDS)
            if job.state == "DONE" and (error := job.exception()):
                raise error from None
            seconds = time.monotonic() - began
            if seconds > JOB_TIMEOUT_SECONDS:
                raise
            log.warning(
                "%s wait: job %s is %s after %.0f s",
                waiting, job.job_id, job.state, seconds,
            )  # fmt: skip
        else:
            return


# Returns the keys of the rows that a table has of some records.
Known = Callable[[str, list[str]], set[str]]


def _none_known(_table: str, _record_ids: list[str]) -> set[str]:
    return set()


def _known(
    client: bigquery.Client,
    dataset: Dataset,
    days: str,
    table: str,
    record_ids: list[str],
) -> set[str]:
    statement = (
        f"SELECT DISTINCT {row_key_sql(dataset)} AS row_key FROM `{table}` "  # noqa: S608
        f"WHERE record_id IN UNNEST(@record_ids) AND {days}"
    )
    parameter = bigquery.ArrayQueryParameter("record_ids", "STRING", record_ids)
    waiting = f"{table}: rows"
    job = _query(client, table, statement, waiting, parameter)
    return {answer.row_key for answer in _rows(job, waiting)}


def _insert_each(
    client: bigquery.Client,
    table: str,
    dataset: Dataset,
    files: Sequence[Spooled],
    known: Known,
) -> Loaded:
    rows, present, refused = 0, 0, []
    for part in _parts(files):
        there = known(table, [row["record_id"] for row in part])
        new = [row for row in part if row_key(dataset, row) not in there]
        answers = insert(
            client, table, [Insert(row_id_of(dataset, row), row) for row in new]
        )
        if is_limited() and (waits := [one for one in answers if one.waits]):
            raise TableWaitsError(waits[0].error)
        rows += len(new) - len(answers)
        present += len(part) - len(new)
        refused += [Refused(new[index], error) for index, error, _ in answers]
    return Loaded(rows, present, _with_records(dataset, refused, files))


def all_refused(
    dataset: Dataset, files: Sequence[Spooled], error: str
) -> list[Refused]:
    """All rows of files, each with the same reason."""
    rows = (row for part in _parts(files) for row in part)
    return _with_records(dataset, [Refused(row, error) for row in rows], files)


def _with_records(
    dataset: Dataset, refused: list[Refused], files: Sequence[Spooled]
) -> list[Refused]:
    """The refused rows, with their records where the files keep them."""
    wanted = {row_id_of(dataset, each.row) for each in refused}
    kept: dict[str, Kept] = {}
    for file in files if wanted else ():
        if file.records:
            with _opened(file.records) as lines:
                kept.update(kept_in(lines, wanted))
    return [
        each._replace(**kept[name]._asdict())
        if (name := row_id_of(dataset, each.row)) in kept
        else each
        for each in refused
    ]


def _parts(files: Sequence[Spooled]) -> Iterator[list[dict[str, Any]]]:
    """The rows of files, in parts of one request each."""
    from pyarrow.parquet import ParquetFile  # 28 MB, which most drains never load

    from pipeline.bigquery.parquet_rows import from_parquet

    for file in files:
        with _opened(file.path) as opened:
            for batch in ParquetFile(opened).iter_batches(MAX_ROWS):
                yield [from_parquet(row) for row in batch.to_pylist()]
