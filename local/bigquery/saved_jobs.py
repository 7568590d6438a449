"""The jobs of a local BigQuery, in an SQLite file that survives a kill.

Runs in the server, in `.venv-bigquery`. A job that the server has left unfinished at
its end is closed at the next start: a client would wait for it forever. What it did is
known of a load job, whose id is in the commit of its rows (`loading`).
"""

import datetime as dt
import functools
import json
import sqlite3
import threading
from typing import Any

from local_bigquery.catalog import (
    metadata,
)
from local_bigquery.engine import (
    database,
)
from local_bigquery.models import (
    Job,
    JobStatus,
)
from local_bigquery.settings import (
    settings,
)

from local.bigquery import machine

FILE = "jobs.sqlite"
LEFT_TEXT = "the server was stopped while the job ran"
# A power cut may lose the last moments; a kill loses nothing.
SCHEMA_SQL = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS jobs (
  project_id TEXT, job_id TEXT, parent_job_id TEXT, state TEXT,
  creation_time INTEGER, resource TEXT,
  PRIMARY KEY (project_id, job_id)
);
"""
LIST_SQL = """
SELECT state, resource FROM jobs
WHERE project_id = ? AND parent_job_id IS ?
  AND creation_time >= coalesce(?, creation_time)
  AND creation_time <= coalesce(?, creation_time)
ORDER BY creation_time DESC, job_id
"""
DELETE_SQL = """
DELETE FROM jobs WHERE project_id = ? AND (job_id = ? OR parent_job_id = ?)
"""
# Of jobs that took less than an hour: reading the end of all of them takes long.
ENDED_SINCE_SQL = """
SELECT project_id, job_id FROM jobs
WHERE creation_time >= ?1 - 3600000 AND (
  state <> 'DONE'
  OR CAST(json_extract(resource, '$.statistics.endTime') AS INTEGER) >= ?1
)
"""
UNFINISHED_SQL = "SELECT resource FROM jobs WHERE state <> 'DONE'"
COMMITTED_SQL = """
SELECT count(*) FROM {catalog}.ducklake_snapshot_changes WHERE commit_extra_info = $1
"""
DELETE_OLDER_SQL = "DELETE FROM jobs WHERE creation_time < ?"

_guard = threading.Lock()
# Jobs whose state could not be written, for example to a full disk.
_unsaved: dict[tuple[str, str], Any] = {}


@functools.cache
def _file() -> sqlite3.Connection:
    """The file of jobs, open; one thread at a time uses it."""
    # Without an isolation level each statement is a transaction.
    opened = sqlite3.connect(
        settings.data_dir / FILE, isolation_level=None, check_same_thread=False
    )
    opened.executescript(SCHEMA_SQL)
    return opened


def _ask(sql: str, *values: object) -> list[Any]:
    with _guard:
        return _file().execute(sql, values).fetchall()


def save(job: Any) -> Any:
    """Saves a job; the state of one that runs is kept in memory if that fails.

    Raises:
        sqlite3.Error: A new job cannot be saved. It is not started.
    """
    key = (job.jobReference.projectId, job.jobReference.jobId)
    try:
        _write(job)
    except sqlite3.Error:
        if job.status.state == "PENDING":
            raise
        _unsaved[key] = job
    else:
        _unsaved.pop(key, None)
    return job


def _write(job: Any) -> None:
    name, statistics = job.jobReference, job.statistics
    _ask(
        "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?)",
        name.projectId,
        name.jobId,
        statistics.parentJobId,
        job.status.state,
        int(statistics.creationTime),
        json.dumps(job.dump()),
    )


def load(project_id: str, job_id: str) -> Any:
    """A job as it was saved last; None for an unknown one."""
    if job := _unsaved.get((project_id, job_id)):
        return job
    sql = "SELECT resource FROM jobs WHERE project_id = ? AND job_id = ?"
    found = _ask(sql, project_id, job_id)
    return Job.model_validate_json(found[0][0]) if found else None


def list_(
    project_id: str,
    states: list[str] | None = None,
    parent_job_id: str | None = None,
    min_creation_time: int | None = None,
    max_creation_time: int | None = None,
) -> list[Any]:
    """Jobs of a project, the newest first."""
    times = (min_creation_time, max_creation_time)
    found = _ask(LIST_SQL, project_id, parent_job_id, *times)
    return [
        Job.model_validate_json(resource)
        for state, resource in found
        if states is None or state in states
    ]


def close_unfinished() -> None:
    """Ends the jobs that a server before this one has left unfinished."""
    for (resource,) in _ask(UNFINISHED_SQL):
        job = Job.model_validate_json(resource)
        name = job.jobReference
        status: dict[str, Any] = {"state": "DONE"}
        if not (job.configuration.load and _is_committed(name.projectId, name.jobId)):
            error = {"reason": machine.REASON, "message": LEFT_TEXT}
            status |= {"errorResult": error, "errors": [error]}
        times = job.statistics.replace(endTime=metadata.now())
        save(job.replace(status=JobStatus.model_validate(status), statistics=times))


def _is_committed(project_id: str, job_id: str) -> bool:
    if project_id not in database._attached:
        return False
    catalog = database.quote(f"__ducklake_metadata_{project_id}")
    [(count,)] = database.fetch(COMMITTED_SQL.format(catalog=catalog), [job_id])
    return bool(count)


def delete(project_id: str, job_id: str) -> None:
    """Deletes a job and those of its statements."""
    _ask(DELETE_SQL, project_id, job_id, job_id)


def ended_since(moment: dt.datetime) -> list[tuple[str, str]]:
    """The projects and names of jobs that have ended since a time, or still run."""
    return _ask(ENDED_SINCE_SQL, _milliseconds(moment))


def delete_older_than(moment: dt.datetime) -> None:
    """Deletes jobs that were created before a time."""
    _ask(DELETE_OLDER_SQL, _milliseconds(moment))


def _milliseconds(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)
