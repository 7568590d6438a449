"""The file of a dataset in the registry, as text: created, or extended in its style."""

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.registry import Column, Dataset, RegistryError, parse_dataset

_COLUMN_INDENT = "  "


def column_text(column: Column, indent: str = _COLUMN_INDENT) -> str:
    """A column as the files have it: on one line, or a RECORD as a block."""
    described: dict[str, Any] = {"name": column.name, "type": column.type}
    if column.mode != "NULLABLE":
        described["mode"] = column.mode
    described |= {"unit": column.unit} if column.unit else {}
    described |= {"since": column.since} if column.since else {}
    described |= {"description": column.description} if column.description else {}
    if not column.fields:
        return f"{indent}- {_yaml(described, flow=True)}\n"
    lines = [*_yaml(described).splitlines(), "fields:"]
    block = f"{indent}- {lines[0]}\n"
    block += "".join(f"{indent}  {line}\n" for line in lines[1:])
    return block + "".join(
        column_text(field, f"{indent}    ") for field in column.fields
    )


def dataset_text(dataset: Dataset) -> str:
    """A whole file."""
    text = _yaml(
        {"dataset": dataset.name, "title": dataset.title, "group": dataset.group}
        | {"event_time": dataset.event_time}
    )
    for key in ("natural_key", "latest_key", "version_order"):
        text += f"{key}: {_yaml(list(getattr(dataset, key)), flow=True)}\n"
    text += "columns:\n" + "".join(column_text(column) for column in dataset.columns)
    text += "notes:\n"
    text += "".join(f"  {line}\n" for line in _yaml(list(dataset.notes)).splitlines())
    return text + _yaml(
        {"schema_source": dataset.schema_source}
        | {"schema_confidence": dataset.schema_confidence}
    )


def _yaml(value: Any, *, flow: bool = False) -> str:
    text = yaml.safe_dump(
        value,
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    return text.strip() if flow else text


def with_column(
    file_name: str, text: str, parents: Sequence[str], column: Column
) -> str:
    """The text of a dataset's file with one more column, and nothing else changed.

    Args:
        file_name: The name of the file, `REMIT.yaml`.
        text: What it holds.
        parents: The RECORDs that the column is inside of, outermost first.

    Raises:
        RegistryError: The text is not a dataset, or cannot be extended line by line.
    """
    before = parse_dataset(file_name, text)
    wanted = dataclasses.replace(
        before, columns=_extended(before.columns, parents, column)
    )
    try:
        extended = _with_lines(text, parents, column)
        is_as_wanted = parse_dataset(file_name, extended) == wanted
    except ValueError:
        is_as_wanted = False
    if not is_as_wanted:
        raise RegistryError(
            f"pipeline/datasets/{file_name}: its columns are not one per line: "
            f"add {column.name} by hand"
        )
    return extended


def _with_lines(text: str, parents: Sequence[str], column: Column) -> str:
    columns = _value(yaml.compose(text, Loader=yaml.SafeLoader), "columns")
    for parent in parents:
        (record,) = (c for c in columns.value if _value(c, "name").value == parent)
        columns = _value(record, "fields")
    number = _last_line(columns) + 1
    lines = text.splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].rstrip("\n") + "\n"
    lines.insert(number, column_text(column, " " * columns.start_mark.column))
    return "".join(lines)


def _value(mapping: Any, key: str) -> Any:
    """The value of a key of a mapping node."""
    (value,) = (inner for name, inner in mapping.value if name.value == key)
    return value


def _last_line(node: Any) -> int:
    """The line (from 0) on which a node ends; a block's own mark is beyond comments."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    return int(mark.line if mark.column else mark.line - 1)


def _extended(
    columns: tuple[Column, ...], parents: Sequence[str], column: Column
) -> tuple[Column, ...]:
    if not parents:
        return (*columns, column)
    return tuple(
        dataclasses.replace(known, fields=_extended(known.fields, parents[1:], column))
        if known.name == parents[0]
        else known
        for known in columns
    )


def replace_file(path: Path, text: str) -> None:
    """Replaces a file: completely, or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        # Only its owner may read a temporary file; everyone may read a checkout.
        Path(temporary).chmod(path.stat().st_mode if path.exists() else 0o644)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
