"""Tables: made where they are missing, extended and widened where they exist."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from command.tables_path import TablesPath
from command.text import first_line
from pipeline.core.values import EXACT_FLOAT
from sql import tables
from sql.apply import conflicts
from sql.apply.outcome import Outcome
from sql.connection import PARALLEL_REQUESTS, existing_tables
from sql.schemas import Merged, merged_schema, type_text
from sql.tables import Table
from sql.templates import quoted


def apply_tables(
    client: bigquery.Client, dataset: str, wanted: Sequence[Table], location: str
) -> Outcome:
    """Creates or extends the tables; creates the dataset if there is none.

    Args:
        client: The client; its project holds the dataset.
        dataset: The BigQuery dataset.
        wanted: The tables as they should be.
        location: The location of a new dataset (`EU`, `europe-west2`, ...).

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    path = TablesPath(client.project, dataset)
    described = bigquery.Dataset(str(path))
    described.location = location
    conflicts.outlasting(lambda: client.create_dataset(described, exists_ok=True))
    existing = existing_tables(client, path)
    outcome = Outcome()
    missing = [table for table in wanted if table.name not in existing]
    if missing:
        statements = "\n".join(
            tables.create_statement(table, path) for table in missing
        )
        conflicts.run(client, statements)
        outcome.created = [table.name for table in missing]
    present = [table for table in wanted if table.name in existing]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        merged = threads.map(lambda t: extend(client, path, t), present)
        for table, schema in zip(present, merged, strict=True):
            _note_table(outcome, table.name, schema)
    return outcome


def _note_table(outcome: Outcome, name: str, merged: Merged) -> None:
    outcome.conflicts += [f"{name}.{conflict}" for conflict in merged.conflicts]
    outcome.notes += [
        f"{name}.{path} is not in the registry: it stays, and no view shows it"
        for path in merged.surplus
    ]
    if merged.added:
        outcome.extended[name] = merged.added
    if merged.widened:
        outcome.widened[name] = merged.widened
    if merged.unkeyed:
        outcome.unkeyed.append(name)
    changed = merged.added or merged.widened or merged.unkeyed
    if not (changed or merged.conflicts):
        outcome.unchanged.append(name)


def extend(client: bigquery.Client, path: TablesPath, table: Table) -> Merged:
    """Brings a table up to date.

    Adds missing columns, widens those that are too narrow, and removes a primary key.
    """
    found = client.get_table(f"{path}.{table.name}")
    merged = merged_schema(found.schema, table.columns)
    if merged.added:
        found.schema = merged.schema
        conflicts.outlasting(lambda: client.update_table(found, ["schema"]))
    for column in merged.schema:
        paths = [p for p in merged.widened if p.partition(".")[0] == column.name]
        if paths and (conflict := _widen(client, found, column, paths)):
            merged.conflicts.append(conflict)
            merged.widened = [path for path in merged.widened if path not in paths]
    if found.table_constraints and found.table_constraints.primary_key:
        if conflict := _drop_key(client, path, table):
            merged.conflicts.append(conflict)
        else:
            merged.unkeyed = True
    return merged


def _drop_key(client: bigquery.Client, path: TablesPath, table: Table) -> str:
    """Removes the primary key of a table; returns why it cannot, or an empty text."""
    try:
        client.query(tables.drop_key_statement(table.name, path)).result()
    except GoogleAPICallError as error:
        return (
            "PRIMARY KEY lets BigQuery answer as if there were one row for a key, and "
            f"cannot be removed: {first_line(error)}"
        )
    return ""


def _widen(
    client: bigquery.Client,
    table: bigquery.Table,
    column: bigquery.SchemaField,
    paths: Sequence[str],
) -> str:
    """Widens a column or fields of it; returns why it cannot, or an empty text."""
    shown = ", ".join(paths)
    if column.name in (table.clustering_fields or ()):
        return (
            f"{shown} should be FLOAT64, but the table is clustered by it, and "
            "BigQuery cannot cluster by FLOAT64: remove it from the clustering first"
        )
    name = quoted(str(table.reference))
    kind = type_text(column, paths)
    statement = (
        f"ALTER TABLE {name} ALTER COLUMN {quoted(column.name)} SET DATA TYPE {kind}"
    )
    try:
        if _has_inexact(client, name, paths):
            return (
                f"{shown} should be FLOAT64, but has integers beyond 2^53, which "
                "FLOAT64 would round"
            )
        client.query(statement).result()
    except GoogleAPICallError as error:
        return f"{shown} should be FLOAT64: {first_line(error)}"
    return ""


def _has_inexact(client: bigquery.Client, name: str, paths: Sequence[str]) -> bool:
    """Whether a column holds an integer that FLOAT64 cannot."""
    beyond = " OR ".join(
        f"{'.'.join(map(quoted, path.split('.')))} "
        f"NOT BETWEEN {-EXACT_FLOAT} AND {EXACT_FLOAT}"
        for path in paths
    )
    # Names come from the table's own schema.
    sql = f"SELECT COUNTIF({beyond}) AS found FROM {name}"  # noqa: S608
    (row,) = client.query(sql).result()
    return bool(row.found)
