"""What a statement did, in a line: `12 rows deleted`, `table x created`."""

from collections.abc import Iterator
from typing import Any

from google.cloud import bigquery

from command.text import printable
from sql.query.job import Tables

DONE = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}
DDL = {
    "CREATE": "created",
    "REPLACE": "replaced",
    "ALTER": "changed",
    "DROP": "dropped",
}
# BigQuery's API says SCHEMA, everybody else dataset.
KINDS = {"SCHEMA": "dataset"}


def counted(count: int, noun: str = "row") -> str:
    """`1 row`, `1,234 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def deeds(tables: Tables, job: bigquery.QueryJob, *, shown: bool) -> Iterator[str]:
    """What a job did; of a script, what each of its statements did.

    Args:
        tables: Where it ran.
        job: It has ended.
        shown: Whether it is a query, or a script that ends with one.
    """
    if not job.num_child_jobs:
        yield from _deed(tables, job)
        return
    queries = 0
    children = tables.client.list_jobs(parent_job=job, retry=tables.retry)
    for child in sorted(children, key=_place_in_script):
        if _is_statement(child):
            queries += child.statement_type == "SELECT"
            yield from _deed(tables, child)
    if queries > shown:
        yield "of a script, only the rows of the last statement are shown"


def _place_in_script(child: Any) -> int:
    """The number of a statement: `script_job_<id>_<number>`."""
    number = child.job_id.rpartition("_")[2]
    return int(number) if number.isdecimal() else 0


def _is_statement(child: Any) -> bool:
    """Whether a job of a script is a statement: conditions are jobs, too."""
    if not isinstance(child, bigquery.QueryJob):
        return False
    statistics = child.script_statistics
    return statistics is None or statistics.evaluation_kind != "EXPRESSION"


def _deed(tables: Tables, job: bigquery.QueryJob) -> Iterator[str]:
    """One line, or none for a query."""
    kind = job.statement_type or ""
    if kind in DONE:
        yield f"{counted(job.num_dml_affected_rows or 0)} {DONE[kind]}"
    elif kind == "TRUNCATE_TABLE":
        yield f"{counted(job.num_dml_affected_rows or 0)} deleted"
    elif kind == "MERGE":
        yield _merged(job)
    elif kind == "EXPORT_DATA":
        yield _exported(job)
    elif job.ddl_operation_performed:
        yield _defined(tables, job)


def _merged(job: bigquery.QueryJob) -> str:
    statistics = job.dml_stats
    if statistics is None:
        return f"{counted(job.num_dml_affected_rows or 0)} changed"
    counts = {
        "inserted": statistics.inserted_row_count,
        "updated": statistics.updated_row_count,
        "deleted": statistics.deleted_row_count,
    }
    parts = [f"{counted(count)} {what}" for what, count in counts.items() if count]
    return ", ".join(parts) or "0 rows changed"


def _exported(job: bigquery.QueryJob) -> str:
    export = _statistics(job).get("exportDataStatistics") or {}
    rows, files = int(export.get("rowCount", 0)), int(export.get("fileCount", 0))
    return f"{counted(rows)} exported to {counted(files, 'file')}"


def _defined(tables: Tables, job: bigquery.QueryJob) -> str:
    """`table x created`."""
    kind = (job.statement_type or "").removesuffix("_AS_SELECT").partition("_")[2]
    noun = KINDS.get(kind, kind.replace("_", " ").lower())
    name = _target(tables, job)
    what = f"{noun} {name}" if name else noun
    verb = (job.statement_type or "").partition("_")[0]
    if job.ddl_operation_performed == "SKIP":
        exists = "exists already" if verb == "CREATE" else "does not exist"
        return f"{what} {exists}: nothing to do"
    operation = job.ddl_operation_performed or verb
    return f"{what} {DDL.get(operation, 'changed')}"


def _target(tables: Tables, job: bigquery.QueryJob) -> str:
    """The name of what was created or dropped, as short as the user may write it."""
    if table := job.ddl_target_table:
        parts = [table.project, table.dataset_id, table.table_id]
    elif routine := job.ddl_target_routine:
        parts = [routine.project, routine.dataset_id, routine.routine_id]
    else:
        dataset = _statistics(job).get("ddlTargetDataset") or {}
        return printable(dataset.get("datasetId", ""))
    if parts[:2] == list(tables.path):
        parts = parts[2:]
    elif parts[0] == tables.path.project:
        parts = parts[1:]
    return printable(".".join(parts))


def _statistics(job: bigquery.QueryJob) -> dict[str, Any]:
    """What the client has no property for."""
    statistics: dict[str, Any] = job._properties.get("statistics", {})
    query: dict[str, Any] = statistics.get("query", {})
    return query
