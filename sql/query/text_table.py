"""A table of rows for people: columns aligned, wide cells cut, NULL shown."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from google.cloud.bigquery import SchemaField
from wcwidth import wcswidth, wcwidth

from command.text import printable
from sql.query.values import NULL, is_number, text

# The widths come from the first rows; those that follow are cut to them.
MEASURED_ROWS = 1_000
CELL_WIDTH = 60
# Texts shrink to this to fit a terminal. If that is not enough, each column of a row
# has a line of its own.
SHRUNK_WIDTH = 12
GAP = "  "
CUT = "…"
# A number, a time or a flag that is cut would be read as another one.
SHRINKABLE = {"STRING", "JSON", "BYTES", "RECORD", "STRUCT", "GEOGRAPHY"}

Row = Sequence[object]


def table_lines(
    schema: Sequence[SchemaField],
    rows: Iterable[Row],
    width: int | None = None,
    cell_width: int = CELL_WIDTH,
) -> Iterator[str]:
    """The lines of a table.

    Args:
        schema: Its columns.
        rows: JSON values.
        width: Of the terminal; None for no limit.
        cell_width: Of a cell, at most.
    """
    every = iter(rows)
    first = [cells(row) for row in islice(every, MEASURED_ROWS)]
    following = chain(first, map(cells, every))
    names = [printable(field.name) for field in schema]
    natural = [
        min(cell_width, max(map(columns_of, texts)))
        for texts in zip(names, *first, strict=True)
    ]
    widths = fitted(schema, natural, width)
    if widths is None:
        yield from record_lines(names, following, width or cell_width)
        return
    right = [is_number(field) for field in schema]
    yield line(names, widths, right)
    yield GAP.join("-" * min(each, CELL_WIDTH) for each in widths)
    for row in following:
        yield line(row, widths, right)


def cells(row: Row) -> list[str]:
    """The values of a row as texts without control characters."""
    return [
        NULL if (shown := text(value)) is None else printable(shown) for value in row
    ]


def columns_of(shown: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(shown) if shown.isascii() else max(0, wcswidth(shown))


def cut(shown: str, width: int) -> str:
    """A text of at most this width; `…` at its end says that it was longer."""
    if columns_of(shown) <= width:
        return shown
    kept, used = [], 0
    for char in shown:
        used += max(0, wcwidth(char))
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + CUT


def line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    """One line of the table."""
    parts = []
    for shown, width, is_right in zip(row, widths, right, strict=True):
        part = cut(shown, width)
        space = " " * (width - columns_of(part))
        parts.append(space + part if is_right else part + space)
    return GAP.join(parts).rstrip()


def fitted(
    schema: Sequence[SchemaField], natural: Sequence[int], width: int | None
) -> list[int] | None:
    """The widths of the columns within a terminal; None if they do not fit."""
    if width is None:
        return list(natural)
    room = width - len(GAP) * (len(natural) - 1)
    shrinks = [field.field_type.upper() in SHRINKABLE for field in schema]
    for limit in range(max(natural, default=0), SHRUNK_WIDTH - 1, -1):
        widths = [
            min(each, limit) if shrinking else each
            for each, shrinking in zip(natural, shrinks, strict=True)
        ]
        if sum(widths) <= room:
            return widths
    return list(natural) if sum(natural) <= room else None


def record_lines(
    names: Sequence[str], rows: Iterable[Sequence[str]], width: int
) -> Iterator[str]:
    """Each column of a row on a line of its own, a blank line between rows."""
    left = max(map(columns_of, names), default=0)
    room = max(SHRUNK_WIDTH, width - left - len(GAP))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for name, shown in zip(names, row, strict=True):
            space = " " * (left - columns_of(name))
            yield f"{name}{space}{GAP}{cut(shown, room)}".rstrip()
