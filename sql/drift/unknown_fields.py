"""The fields that IRIS sends and the registry does not know, as `extra` holds them."""

import dataclasses
import datetime as dt
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.cloud import bigquery

from command.tables_path import TablesPath
from pipeline.core.inference import MAX_NAMES, Samples
from pipeline.core.paths import names
from pipeline.registry import (
    METADATA_COLUMNS,
    Column,
    Dataset,
    Registry,
    is_column_name,
)
from sql.connection import existing_tables
from sql.templates import fill

MAX_SAMPLE_LENGTH = 40
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnknownField:
    """A field that the registry does not know.

    Attributes:
        dataset: The dataset whose records carry it.
        field: Its path, with `[]` after an array: `outageProfile[].note`.
        rows: How many rows carry it.
        first_seen: When the first of them was ingested.
        last_seen: When the last of them was.
        sample: Its first value as JSON, shortened.
        column: The column that would hold every value seen; None if none does.
        problem: Why it cannot be added; empty if it can.
        names: The names along its path.
    """

    dataset: str
    field: str
    rows: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    sample: str
    column: Column | None
    problem: str
    names: tuple[str, ...]


def unknown_fields(
    client: bigquery.Client, path: TablesPath, registry: Registry
) -> list[UnknownField]:
    """The unknown fields of all rows in all `_iris` tables, by dataset and path.

    Args:
        path: Where the tables are.
        registry: The known datasets; a field that is known now is left out.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refused.
    """
    existing = existing_tables(client, path)
    datasets = [each for each in registry.values() if each.table in existing]
    seen = FieldsSeen(registry)
    if datasets:
        query = fill("drift/unknown_fields.sql", datasets=datasets, path=path)
        for row in client.query(query).result():
            seen.add(row.dataset, row.ingested_utc, row.extra)
    return seen.fields()


@dataclass(slots=True)
class _Seen:
    first_seen: dt.datetime
    last_seen: dt.datetime
    sample: str
    samples: Samples
    rows: int = 0


class FieldsSeen:
    """Folds rows into fields; its memory grows with names, not with rows."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._seen: dict[tuple[str, tuple[str, ...]], _Seen] = {}
        self._room = iter(range(MAX_NAMES))
        self._unread_rows = self._crowded_out = 0

    def add(self, dataset: str, ingested_utc: dt.datetime, extra: str) -> None:
        """Takes one row into account."""
        try:
            values = json.loads(extra)
        except (ValueError, RecursionError):
            values = None
        if type(values) is not dict:
            self._unread_rows += 1  # the pipeline did not write it
            return
        columns = self._registry[dataset].columns
        carried = set()
        for path, value in values.items():
            field = names(path)
            if value is None or not field or _found(columns, field):
                continue
            seen = self._noted((dataset, field), ingested_utc, value)
            if seen is None:
                self._crowded_out += 1
                continue
            seen.samples.add(value)
            seen.rows += field not in carried
            carried.add(field)

    def _noted(
        self, key: tuple[str, tuple[str, ...]], at: dt.datetime, value: Any
    ) -> _Seen | None:
        seen = self._seen.get(key)
        if seen is None:
            if next(self._room, None) is None:
                return None
            seen = _Seen(at, at, shown_json(value), Samples(self._room))
            self._seen[key] = seen
        if at < seen.first_seen:
            seen.first_seen, seen.sample = at, shown_json(value)
        seen.last_seen = max(seen.last_seen, at)
        return seen

    def fields(self) -> list[UnknownField]:
        """The fields seen; of names that differ only in case the most frequent wins."""
        if self._unread_rows:
            log.warning(
                "%d rows left out: `extra` is not a JSON object", self._unread_rows
            )
        if self._crowded_out:
            log.warning(
                "%d values left out: more than %d names", self._crowded_out, MAX_NAMES
            )
        taken: dict[tuple[str, ...], str] = {}
        fields = []
        by_rows = sorted(self._seen.items(), key=lambda item: (-item[1].rows, item[0]))
        for (name, path), seen in by_rows:
            field = _described(self._registry[name], path, seen)
            folded = (name, *path[:-1], path[-1].lower())
            if not field.problem and taken.setdefault(folded, path[-1]) != path[-1]:
                problem = f"differs only in case from {taken[folded]}"
                field = dataclasses.replace(field, problem=problem)
            fields.append(field)
        return sorted(fields, key=lambda field: (field.dataset, field.field))


def _described(dataset: Dataset, path: tuple[str, ...], seen: _Seen) -> UnknownField:
    column = None
    if not seen.samples.problem:
        column = dataclasses.replace(
            seen.samples.column(path[-1]), since=dt.datetime.now(dt.UTC).date()
        )
    return UnknownField(
        dataset=dataset.name,
        field="".join(_steps(dataset, path)),
        rows=seen.rows,
        first_seen=seen.first_seen,
        last_seen=seen.last_seen,
        sample=seen.sample,
        column=column,
        problem=name_problem(dataset, path) or seen.samples.problem,
        names=path,
    )


def name_problem(dataset: Dataset, path: tuple[str, ...]) -> str:
    """Why a field cannot be a column, by its name and path; empty if it can.

    Args:
        dataset: The dataset to which it would be added.
        path: The names along its path.
    """
    *parents, name = path
    siblings = dataset.columns + METADATA_COLUMNS
    if parents:
        record = _found(dataset.columns, tuple(parents))
        if record is None or not record.fields:
            return f"{'.'.join(parents)} is not a RECORD of the registry"
        siblings = record.fields
    if not is_column_name(name):
        return "BigQuery does not allow such a name"
    for sibling in siblings:
        if sibling.name == name:
            return "the pipeline's own column has that name"
        if sibling.name.lower() == name.lower():
            return f"differs only in case from {sibling.name}"
    return ""


def _found(columns: Iterable[Column], path: tuple[str, ...]) -> Column | None:
    """The column at a path; None if the registry has none."""
    found = None
    for name in path:
        found = next((column for column in columns if column.name == name), None)
        if found is None:
            return None
        columns = found.fields
    return found


def _steps(dataset: Dataset, path: tuple[str, ...]) -> Iterator[str]:
    """The parts of a path's text."""
    for length, name in enumerate(path, 1):
        shown = shown_name(name)
        yield f".{name}" if length > 1 and shown == name else shown
        known = _found(dataset.columns, path[:length])
        if known and known.mode == "REPEATED" and length < len(path):
            yield "[]"


def shown_name(name: str) -> str:
    """A field's name; one with unusual characters is quoted, as a terminal needs."""
    return name if is_column_name(name) else f"[{json.dumps(name)}]"


def shown_json(value: Any) -> str:
    """A value as JSON on one line, cut to a length that fits a table."""
    text = json.dumps(value, ensure_ascii=False)
    if not text.isprintable():
        text = json.dumps(value)
    short = text[:MAX_SAMPLE_LENGTH]
    return text if short == text else f"{short}..."
