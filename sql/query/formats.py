"""Formats of rows: JSON lines, CSV, Parquet and a table, written batch by batch."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from google.cloud.bigquery import SchemaField

from command.usage import UsageError
from sql.query.values import rows, text

# What makes CSV quote a text. A text that is empty is quoted, too: NULL is not.
_QUOTED = frozenset(',"\r\n')
# Rows of a Parquet file's group: readers skip groups, and want them large.
GROUP_ROWS = 100_000


class Answer(NamedTuple):
    """What a query returns: batches of Arrow, and their columns."""

    schema: Sequence[SchemaField]
    batches: Iterable[Any]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        for batch in self.batches:
            yield from rows(batch, self.schema)


Write = Callable[[Answer, BinaryIO, int | None], int]


def write_json(answer: Answer, stream: BinaryIO, _: int | None = None) -> int:
    """Writes each row as a line of JSON; returns how many there were."""
    names = [field.name for field in answer.schema]
    count = 0
    for batch in answer.batches:
        lines = [
            json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n"
            for row in rows(batch, answer.schema)
        ]
        _send("".join(lines), stream)
        count += len(lines)
    return count


def write_csv(answer: Answer, stream: BinaryIO, _: int | None = None) -> int:
    """Writes a line of names, and each row as a line; returns how many rows."""
    _send(csv_line([field.name for field in answer.schema]), stream)
    count = 0
    for batch in answer.batches:
        lines = [csv_line(map(text, row)) for row in rows(batch, answer.schema)]
        _send("".join(lines), stream)
        count += len(lines)
    return count


def csv_line(values: Iterable[str | None]) -> str:
    """One line of CSV: NULL is nothing, an empty text is `""`."""
    line = ",".join("" if value is None else _quoted(value) for value in values)
    # Readers skip an empty line, and with it the row.
    return (line or '""') + "\n"


def _quoted(value: str) -> str:
    if value and not _QUOTED.intersection(value) and value == value.strip():
        return value
    return '"' + value.replace('"', '""') + '"'


def write_parquet(answer: Answer, stream: BinaryIO, _: int | None = None) -> int:
    """Writes a Parquet file, with the types that the columns have in Arrow.

    Raises:
        UsageError: A column has a type that Parquet lacks.
    """
    import pyarrow
    from pyarrow import parquet

    for field in answer.schema:
        if _has_interval(field):
            raise UsageError(
                f"Parquet has no INTERVAL: cast the column {field.name} to STRING"
            )
    sink = _Sink(stream)
    writer, count = None, 0
    try:
        for batch in _gathered(answer.batches):
            # Google's notes on a column differ from page to page.
            schema = pyarrow.schema([(each.name, each.type) for each in batch.schema])
            file = pyarrow.PythonFile(sink, mode="w")
            writer = writer or parquet.ParquetWriter(file, schema)
            writer.write_table(batch.cast(writer.schema))
            count += batch.num_rows
        if writer:
            writer.close()
    finally:
        # After an error Arrow would still write the end that makes a file complete.
        sink.is_open = False
    return count


class _Sink:
    """A stream for Arrow, which drops what comes after its end."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.is_open = True

    def write(self, data: bytes) -> int:
        return self._stream.write(data) if self.is_open else len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def _gathered(batches: Iterable[Any]) -> Iterator[Any]:
    """Batches as tables of at least `GROUP_ROWS` rows, the last one aside."""
    import pyarrow

    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        if sum(each.num_rows for each in held) >= GROUP_ROWS:
            yield pyarrow.Table.from_batches(held)
            held = []
    if held:
        yield pyarrow.Table.from_batches(held)


def _has_interval(field: SchemaField) -> bool:
    return field.field_type == "INTERVAL" or any(map(_has_interval, field.fields))


def write_table(answer: Answer, stream: BinaryIO, width: int | None = None) -> int:
    """Writes an aligned table; returns how many rows it has."""
    from sql.query.text_table import table_lines  # 0.1 s, which no other format needs

    count = 0

    def counted() -> Iterator[tuple[Any, ...]]:
        nonlocal count
        for row in answer.rows():
            count += 1
            yield row

    for line in table_lines(answer.schema, counted(), width):
        _send(line + "\n", stream)
    return count


def _send(lines: str, stream: BinaryIO) -> None:
    """Writes text; half a surrogate pair, which BigQuery never returns, is `?`."""
    stream.write(lines.encode("utf-8", "replace"))
    stream.flush()


FORMATS: dict[str, Write] = {
    "table": write_table,
    "json": write_json,
    "csv": write_csv,
    "parquet": write_parquet,
}
# What the end of a file's name says.
ENDINGS = {
    ".txt": "table",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}
