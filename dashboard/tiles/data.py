"""Data: the columns of a dataset, its last rows, and the SQL behind them."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from command.usage import UsageError
from dashboard.browsing import chosen_dataset, question
from dashboard.download import ENDINGS
from dashboard.selection import Selection
from dashboard.sources import Sources
from dashboard.tile import Column, Drawing, Figure, Kind, Row, Tile
from dashboard.warehouse import Rows, plain
from gb_iris.failure import ReadError
from pipeline.registry import Column as RegistryColumn
from pipeline.registry import Dataset

SHOWN_ROWS = 100
MOST_DIGITS = 6
# Units of whole numbers that name something, and measure nothing.
COUNTERS = ("", "half-hour index")
TAKES = ("dataset", "day", "unit")
KINDS: dict[str, Kind] = {
    "INT64": "number",
    "FLOAT64": "number",
    "NUMERIC": "number",
    "TIMESTAMP": "time",
}


def _ask_rows(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    try:
        asked = question(sources.warehouse, selection, now)
    except UsageError as error:
        raise ReadError(str(error)) from None
    rows, billed, seconds = sources.warehouse.run(
        asked.limited(SHOWN_ROWS), asked.config()
    )
    found = [{name: _shown(row[name]) for name in row.keys()} for row in rows]  # noqa: SIM118 - a row iterates over its values
    return Rows(found, billed, seconds, asked.shown(SHOWN_ROWS))


def _shown(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value)


def _draw_rows(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    dataset = chosen_dataset(selection)
    # What tells rows apart comes first.
    first = {name: place for place, name in enumerate(dataset.latest_key)}
    known = [c for c in dataset.columns if c.name in rows[0] and c.name != "dataset"]
    known.sort(key=lambda column: first.get(column.name, len(first)))
    columns = [_column(each, rows) for each in known]
    names = {column.field for column in columns if column.kind == "figure"}
    shown = [
        {**row, **{name: _plain_number(row[name]) for name in names}} for row in rows
    ]
    note = ""
    if len(rows) == SHOWN_ROWS:
        note = f"The newest {SHOWN_ROWS}; a download has all of the selection."
    figures = (Figure("Dataset", dataset.name), Figure("Is", dataset.title))
    links = [*_links(dataset, selection)]
    return Drawing(columns, shown, figures=figures, note=note, links=links)


def _column(column: RegistryColumn, rows: Sequence[Row]) -> Column:
    digits = _digits(row[column.name] for row in rows)
    unit = column.unit or ""
    return Column(column.name, column.name, _kind(column), unit, digits)


def _kind(column: RegistryColumn) -> Kind:
    if column.mode == "REPEATED":
        return "text"
    if column.type == "INT64" and column.unit in (None, *COUNTERS):
        return "figure"
    return KINDS.get(column.type, "text")


def _plain_number(value: Any) -> str | None:
    """A number that names something, such as 242302: it has no groups of digits."""
    return None if value is None else str(value)


def _digits(values: Iterable[Any]) -> int:
    """How many digits after the point the values have."""
    digits = 0
    for value in values:
        if isinstance(value, float):
            text = f"{value:.{MOST_DIGITS}f}".rstrip("0")
            digits = max(digits, len(text.partition(".")[2]))
    return digits


def _links(dataset: Dataset, selection: Selection) -> Iterator[tuple[str, str]]:
    chosen = {
        name: str(selection[name])
        for name in ("day", "unit")
        if selection.get(name) is not None
    }
    query = urlencode({"dataset": dataset.name, **chosen})
    for ending, title in ENDINGS.items():
        yield f"Download {title}", f"/rows.{ending}?{query}"


ROWS = Tile(
    name="rows",
    title="Rows",
    datasets=(),
    draw=_draw_rows,
    ask=_ask_rows,
    empty="There is no such row: choose another day or unit. Without a day, rows of "
    "the last seven days and of tomorrow are looked for.",
    about="The latest version of each thing, the newest first.",
    takes=TAKES,
    wide=True,
    every_seconds=30,
    live=False,
)


def _ask_columns(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    dataset = chosen_dataset(selection)
    rows = [row for column in dataset.columns for row in _described(column, "")]
    return Rows(rows, 0, 0.0)


def _described(column: RegistryColumn, prefix: str) -> Iterator[dict[str, Any]]:
    repeated = " []" if column.mode == "REPEATED" else ""
    yield {
        "name": f"{prefix}{column.name}",
        "type": f"{column.type}{repeated}",
        "unit": column.unit,
        "meaning": column.description,
    }
    for inner in column.fields:
        yield from _described(inner, f"{prefix}{column.name}.")


def _draw_columns(
    rows: Sequence[Row], selection: Selection, now: dt.datetime
) -> Drawing:
    dataset = chosen_dataset(selection)
    figures = [
        Figure("Columns", f"{len(dataset.columns)}"),
    ]
    if dataset.cadence_seconds:
        figures.append(Figure("A value every", _every(dataset.cadence_seconds)))
    columns = (
        Column("name", "Column"),
        Column("type", "Type"),
        Column("unit", "Unit"),
        Column("meaning", "Meaning"),
    )
    return Drawing(columns, rows, figures=figures, note=_note(dataset))


def _every(seconds: int) -> str:
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "min")):
        if seconds >= length:
            count = seconds // length
            return unit if count == 1 and unit != "min" else f"{count} {unit}"
    return f"{seconds} s"


def _note(dataset: Dataset) -> str:
    key = ", ".join(dataset.latest_key)
    return f"What makes a row one thing: {key}."


COLUMNS = Tile(
    name="columns",
    title="Columns",
    datasets=(),
    draw=_draw_columns,
    ask=_ask_columns,
    empty="The registry has no column of it.",
    about="What the registry knows of the dataset.",
    takes=("dataset",),
    wide=True,
    every_seconds=3_600,
    live=False,
)
