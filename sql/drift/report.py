"""The report of `drift`: what is unknown, and the lines that would add it."""

import json
from collections.abc import Sequence
from typing import Any

from command.tables_path import TablesPath
from sql.drift.registry_file import column_text
from sql.drift.unknown_datasets import UnknownDataset
from sql.drift.unknown_fields import UnknownField, shown_json
from sql.tables import add_column_statement, create_statement, dataset_table


def as_table(
    fields: Sequence[UnknownField], new: Sequence[UnknownDataset], path: TablesPath
) -> str:
    """A table of the fields, then for each the lines that would add it."""
    if not fields and not new:
        return "the registry knows every field and every dataset\n"
    text = _table(fields)
    for field in fields:
        text += f"\n{field.dataset}.{field.field}{_proposal(field, path)}"
    for each in new:
        text += f"\n{_described(each)}{_proposal_of_dataset(each, path)}"
    addable = [f"{each.dataset}.{each.field}" for each in fields if not each.problem]
    addable += [each.name for each in new if not each.problem]
    if addable:
        text += f"\nto add one, run the same command with --accept '{addable[0]}'\n"
    return text.removeprefix("\n")


def _table(fields: Sequence[UnknownField]) -> str:
    header = ("field", "rows", "first seen", "sample", "suggested type")
    lines = [header, *map(_table_line, fields)] if fields else []
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in lines
    )
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _table_line(field: UnknownField) -> tuple[str, ...]:
    return (
        f"{field.dataset}.{field.field}",
        str(field.rows),
        f"{field.first_seen:%Y-%m-%d %H:%M}",
        field.sample,
        field.column.kind if field.column and not field.problem else "-",
    )


def _proposal(field: UnknownField, path: TablesPath) -> str:
    if field.problem:
        return f": {field.problem}; it stays in `extra`\n"
    return f", for {field.dataset}.yaml:\n{_line(field)}{_statement(field, path)}"


def _line(field: UnknownField) -> str:
    """The line for the registry, with the indent that it needs there."""
    if field.problem or field.column is None:
        return ""
    return column_text(field.column, "  " + "    " * (len(field.names) - 1))


def _statement(field: UnknownField, path: TablesPath) -> str:
    if field.problem or field.column is None:
        return ""
    if len(field.names) > 1:
        # BigQuery's DDL adds no field to a RECORD; its API does.
        return "-- SQL cannot add a field to a RECORD: run `python -m sql apply`\n"
    table = f"bmrs_{field.dataset.lower()}_iris"
    return add_column_statement(table, field.column, path)


def _described(new: UnknownDataset) -> str:
    text = f"{_shown(new.name)}: a new dataset: messages {new.messages}"
    text += f", records {new.records}"
    text += f", messages that cannot be opened {new.unopened}" if new.unopened else ""
    text += f", records that cannot be rows {new.refused}" if new.refused else ""
    return text


def _shown(name: str) -> str:
    return name if name.isidentifier() else shown_json(name)


def _proposal_of_dataset(new: UnknownDataset, path: TablesPath) -> str:
    if new.problem or new.dataset is None:
        return f": {new.problem}\n"
    return f"; {new.name}.yaml:\n{new.text}{_create(new, path)}"


def _create(new: UnknownDataset, path: TablesPath) -> str:
    return create_statement(dataset_table(new.dataset), path) if new.dataset else ""


def as_json(
    fields: Sequence[UnknownField], new: Sequence[UnknownDataset], path: TablesPath
) -> str:
    """The same as a JSON object of `fields` and `datasets`."""
    found: dict[str, Any] = {
        "fields": [
            {
                "dataset": each.dataset,
                "field": each.field,
                "rows": each.rows,
                "first_seen": each.first_seen.isoformat(),
                "last_seen": each.last_seen.isoformat(),
                "sample": each.sample,
                "type": each.column.kind if each.column else None,
                "problem": each.problem,
                "registry": _line(each),
                "statement": _statement(each, path),
            }
            for each in fields
        ],
        "datasets": [
            {
                "dataset": each.name,
                "messages": each.messages,
                "unopened": each.unopened,
                "records": each.records,
                "refused": each.refused,
                "problem": each.problem,
                "registry": each.text,
                "statement": _create(each, path),
            }
            for each in new
        ],
    }
    return json.dumps(found, indent=2) + "\n"
