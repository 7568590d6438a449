"""BigQuery schemas, beside the registry's columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from google.cloud.bigquery import SchemaField

from pipeline.registry import Column

# BigQuery's names in a schema that it returns, by ours.
_TYPES = {
    "INTEGER": "INT64",
    "FLOAT": "FLOAT64",
    "BOOLEAN": "BOOL",
    "STRUCT": "RECORD",
    "BIGNUMERIC": "NUMERIC",
}


@dataclass(slots=True)
class Merged:
    """A schema that has everything found and everything wanted.

    Attributes:
        schema: The schema.
        added: The paths of columns that were not there.
        conflicts: Columns of another type than wanted, which stay as they are.
        surplus: The paths of columns that nobody wants, which stay, too.
    """

    schema: list[SchemaField] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)


def column_of(found: SchemaField) -> Column:
    """What the BigQuery client describes, as a column."""
    return Column(
        found.name,
        _TYPES.get(found.field_type, found.field_type),
        "REPEATED" if found.mode == "REPEATED" else "NULLABLE",
        fields=tuple(column_of(inner) for inner in found.fields),
    )


def schema_field(
    column: Column, fields: Sequence[SchemaField] | None = None
) -> SchemaField:
    """A column as the BigQuery client describes it."""
    inner = [schema_field(c) for c in column.fields] if fields is None else fields
    return SchemaField(
        column.name,
        column.type,
        mode=column.mode,
        description=column.documentation,
        fields=inner,
    )


def merged_schema(
    found: Iterable[SchemaField], wanted: Sequence[Column], path: str = ""
) -> Merged:
    """Merges the columns that a table has with those that it is to have."""
    by_name = {column.name.lower(): column for column in wanted}
    merged = Merged()
    for known in found:
        column = by_name.pop(known.name.lower(), None)
        there, here = column_of(known), f"{path}{known.name}"
        if column is None:
            merged.surplus.append(here)
        elif (there.type, there.mode) != (column.type, column.mode):
            merged.conflicts.append(
                f"{here} is {there.type} {known.mode} and should be "
                f"{column.type} {column.mode}"
            )
        elif column.type == "RECORD":
            known = _merge_fields(merged, known, column, here)
        merged.schema.append(known)
    for column in by_name.values():
        merged.schema.append(schema_field(column))
        merged.added.append(f"{path}{column.name}")
    return merged


def _merge_fields(
    merged: Merged, known: SchemaField, column: Column, here: str
) -> SchemaField:
    inner = merged_schema(known.fields, column.fields, f"{here}.")
    merged.added += inner.added
    merged.conflicts += inner.conflicts
    merged.surplus += inner.surplus
    return schema_field(column, inner.schema) if inner.added else known
