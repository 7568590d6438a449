"""BigQuery schemas, beside the registry's columns."""

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
# What BigQuery changes in place and the registry can need. ALTER COLUMN SET DATA
# TYPE also takes INT64 to NUMERIC and BIGNUMERIC, which the registry does not have, and
# NUMERIC to FLOAT64, which rounds
# (https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
# #alter_column_set_data_type_statement).
WIDENINGS = frozenset({("INT64", "FLOAT64")})
_COPY = (
    "with the pipeline stopped, run CREATE OR REPLACE TABLE with a SELECT that casts it"
)


@dataclass(slots=True)
class Merged:
    """A schema that has everything found and everything wanted.

    Attributes:
        schema: The schema.
        added: The paths of columns that were not there.
        widened: The paths of columns that need a wider type; the schema still has the
            old one.
        conflicts: Why columns of another type cannot be changed, one line each.
        surplus: The paths of columns that are not wanted; they stay.
        unkeyed: Whether the table had a primary key, which was removed.
    """

    schema: list[SchemaField] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    widened: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)
    unkeyed: bool = False


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
    found: Iterable[SchemaField],
    wanted: Sequence[Column],
    path: str = "",
    *,
    in_array: bool = False,
) -> Merged:
    """Merges the columns that a table has with those that it should have.

    Args:
        found: The columns that it has.
        wanted: Those that it should have.
        path: The beginning of their paths.
        in_array: Whether they are the fields of a repeated RECORD.
    """
    by_name = {column.name.lower(): column for column in wanted}
    merged = Merged()
    for known in found:
        column = by_name.pop(known.name.lower(), None)
        there, here = column_of(known), f"{path}{known.name}"
        if column is None:
            merged.surplus.append(here)
        elif (there.type, there.mode) != (column.type, column.mode):
            if reason := _obstacle(there, column, in_array=in_array):
                merged.conflicts.append(
                    f"{here} is {there.type} {known.mode} and should be "
                    f"{column.type} {column.mode}{reason}"
                )
            else:
                merged.widened.append(here)
        elif column.type == "RECORD":
            known = _merge_fields(merged, known, column, here)
        merged.schema.append(known)
    for column in by_name.values():
        merged.schema.append(schema_field(column))
        merged.added.append(f"{path}{column.name}")
    return merged


def _obstacle(there: Column, wanted: Column, *, in_array: bool) -> str:
    """Why BigQuery cannot widen a column in place; empty if it can."""
    if (there.type, wanted.type) not in WIDENINGS or there.mode != wanted.mode:
        return f", which BigQuery cannot change in place: {_COPY}"
    if in_array or there.mode == "REPEATED":
        # https://cloud.google.com/bigquery/docs/managing-table-schemas
        # #modify_nested_column_types
        return f", which BigQuery cannot change in place inside an array: {_COPY}"
    return ""


def type_text(field: SchemaField, widened: Sequence[str], path: str = "") -> str:
    """A column's type as ALTER COLUMN takes it.

    Args:
        field: The column as it is.
        widened: The paths that become FLOAT64.
        path: The beginning of its path.
    """
    here = f"{path}{field.name}"
    kind = "FLOAT64" if here in widened else _TYPES.get(field.field_type)
    kind = kind or field.field_type
    if kind == "RECORD":
        fields = ", ".join(
            f"`{inner.name}` {type_text(inner, widened, f'{here}.')}"
            for inner in field.fields
        )
        kind = f"STRUCT<{fields}>"
    return f"ARRAY<{kind}>" if field.mode == "REPEATED" else kind


def _merge_fields(
    merged: Merged, known: SchemaField, column: Column, here: str
) -> SchemaField:
    inner = merged_schema(
        known.fields, column.fields, f"{here}.", in_array=column.mode == "REPEATED"
    )
    merged.added += inner.added
    merged.widened += inner.widened
    merged.conflicts += inner.conflicts
    merged.surplus += inner.surplus
    return schema_field(column, inner.schema) if inner.added else known
