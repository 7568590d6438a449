"""Brings the tables of a BigQuery dataset to what they are to be.

Tables are made, and columns added; nothing is ever dropped or changed in type.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from google.cloud import bigquery

from pipeline.registry import Column
from sql.tables import Table, create_statement

# Reading the schema of a table is one short request each.
PARALLEL_REQUESTS = 8
# BigQuery's names in a schema that it returns, by ours.
_SCHEMA_TYPES = {
    "INTEGER": "INT64",
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "STRUCT": "RECORD",
}


@dataclass(slots=True)
class Outcome:
    """What was done.

    Attributes:
        created: Tables made.
        extended: Tables with the columns added to them.
        unchanged: Tables that were as they are to be.
        conflicts: What stands in the way, one line each; it was left alone.
    """

    created: list[str] = field(default_factory=list)
    extended: dict[str, list[str]] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def apply_tables(
    client: bigquery.Client, dataset: str, tables: Sequence[Table], location: str
) -> Outcome:
    """Makes or extends the tables of a dataset, which is made, too, if need be.

    Args:
        client: The client; its project holds the dataset.
        dataset: The BigQuery dataset.
        tables: What the tables are to be.
        location: Where a new dataset is to live (`EU`, `europe-west2`, ...).

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    place = f"{client.project}.{dataset}"
    described = bigquery.Dataset(place)
    described.location = location
    client.create_dataset(described, exists_ok=True)
    existing = {item.table_id for item in client.list_tables(place)}
    outcome = Outcome()
    missing = [table for table in tables if table.name not in existing]
    if missing:
        script = "\n".join(create_statement(table, place) for table in missing)
        client.query(script).result()
        outcome.created = [table.name for table in missing]
    present = [table for table in tables if table.name in existing]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        for result in threads.map(lambda t: extend(client, place, t), present):
            _note(outcome, *result)
    return outcome


def _note(outcome: Outcome, name: str, added: list[str], conflicts: list[str]) -> None:
    outcome.conflicts += [f"{name}.{conflict}" for conflict in conflicts]
    if added:
        outcome.extended[name] = added
    elif not conflicts:
        outcome.unchanged.append(name)


def extend(
    client: bigquery.Client, place: str, table: Table
) -> tuple[str, list[str], list[str]]:
    """Adds missing columns to a table that exists.

    Returns:
        The table's name, the columns added, and what could not be brought about.
    """
    found = client.get_table(f"{place}.{table.name}")
    schema, added, conflicts = merged_schema(found.schema, table.columns)
    if added:
        found.schema = schema
        client.update_table(found, ["schema"])
    return table.name, added, conflicts


def merged_schema(
    found: Iterable[bigquery.SchemaField], wanted: Sequence[Column], path: str = ""
) -> tuple[list[bigquery.SchemaField], list[str], list[str]]:
    """The schema that has everything found and everything wanted.

    Returns:
        The schema, the paths of added columns, and the conflicts, which stay as found.
    """
    by_name = {column.name.lower(): column for column in wanted}
    merged, added, conflicts = [], [], []
    for known in found:
        column = by_name.pop(known.name.lower(), None)
        kind = _SCHEMA_TYPES.get(known.field_type, known.field_type)
        here = f"{path}{known.name}"
        if column and (kind, known.mode == "REPEATED") != (
            column.type,
            column.mode == "REPEATED",
        ):
            conflicts.append(
                f"{here} is {kind} {known.mode} and should be "
                f"{column.type} {column.mode}"
            )
        elif column and column.type == "RECORD":
            inner, more, worse = merged_schema(known.fields, column.fields, f"{here}.")
            added += more
            conflicts += worse
            if more:
                known = schema_field(column, inner)
        merged.append(known)
    for column in by_name.values():
        merged.append(schema_field(column))
        added.append(f"{path}{column.name}")
    return merged, added, conflicts


def schema_field(
    column: Column, fields: Sequence[bigquery.SchemaField] | None = None
) -> bigquery.SchemaField:
    """A column as the BigQuery client describes it."""
    inner = [schema_field(c) for c in column.fields] if fields is None else fields
    return bigquery.SchemaField(
        column.name,
        column.type,
        mode=column.mode,
        description=column.documentation,
        fields=inner,
    )
