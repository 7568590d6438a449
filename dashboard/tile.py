"""A tile: one query, and what a person sees of its rows.

To add one: write `sql/NAME.sql`, describe the tile in a module of `tiles/`, and name it
in `pages.py`.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from dashboard.selection import Selection
from dashboard.sources import Sources
from dashboard.warehouse import Rows

Row = Mapping[str, Any]
"""A row of the answer; times are aware datetimes, decimals are floats."""
Kind = Literal["text", "number", "time", "unit", "figure", "code"]
"""A unit is a name and a link that selects it; a figure is a number as text,
and code is a command."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of a tile.

    Attributes:
        field: Its name in the rows.
        title: What the reader sees, without the unit.
        unit: Of a number.
        digits: Of a number, after the decimal point.
    """

    field: str
    title: str
    kind: Kind = "text"
    unit: str = ""
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in the headline of a tile: `Wind 9,120 MW`."""

    label: str
    value: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite chart; `vega.py` has what specs are made of.

    Attributes:
        spec: Without data and sizes. It must not depend on the rows: the browser then
            puts new rows into the chart that it shows.
        params: Values of the spec's `params`, by name; they may change with the rows.
        rows: What is drawn; None for the rows of the table.
        height: In pixels.
        choose: What a click on a mark puts into the selection: fields by the columns
            of the rows that have their values.
    """

    spec: Mapping[str, Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Row] | None = None
    height: int = 260
    choose: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a tile shows of its rows.

    Attributes:
        columns: Of the table.
        rows: Of the table.
        charts: One below the other; none if the table is all there is.
        figures: The headline.
        note: A remark about these rows.
        unfolded: Whether the table is open under the charts; else a reader unfolds it.
        sql: The statement behind them, for a reader to use elsewhere.
        links: Texts and addresses under them.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    charts: Sequence[Chart] = ()
    figures: Sequence[Figure] = ()
    note: str = ""
    unfolded: bool = False
    sql: str = ""
    links: Sequence[tuple[str, str]] = ()


def number(value: float, digits: int = 0, *, signed: bool = False) -> str:
    """A number as a reader sees it: `1,234.5`, or with its sign `+12`."""
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    # What rounds to zero has no sign.
    return text if text.strip("+-0.,") else text.lstrip("+-")


Parameters = Mapping[str, Any]
"""Query parameters by name; their types are those of the values."""


def _nothing(selection: Selection, now: dt.datetime) -> Parameters:
    return {}


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile.

    Attributes:
        name: In addresses; letters, digits and hyphens.
        title: What it shows.
        sql: The file in `sql/`. `{{ of("gb_price_between") }}` is the quoted name of a
            table, view or function; values are query parameters.
        datasets: The IRIS datasets that its rows are from: when one is late by its own
            cadence, the tile turns amber.
        takes: The fields of the selection that it depends on (`selection.py`).
        parameters: The query parameters; takes the selection and the instant of now.
            None if there is nothing to ask before the viewer has chosen something.
        draw: What is shown; takes rows, selection and the instant of now. Without rows
            it is not called.
        empty: What the reader sees instead, if there are no rows: why this may be so.
        about: A sentence about what is shown, for all readers.
        wide: Whether it takes the width of the page.
        every_seconds: How old an answer may become though no new message is known.
        project_seconds: The same in a project, if its statements read so many tables
            that it must ask seldom: a table is billed 10 MB at least.
        live: Whether it shows now: a late dataset turns it amber.
        ask: In place of `sql` and `parameters`, where one statement is not enough.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    draw: Callable[[Sequence[Row], Selection, dt.datetime], Drawing]
    empty: str
    about: str
    sql: str = ""
    parameters: Callable[[Selection, dt.datetime], Parameters | None] = _nothing
    takes: tuple[str, ...] = ("at",)
    wide: bool = False
    every_seconds: float = 60.0
    project_seconds: float = 0.0
    live: bool = True
    ask: Callable[[Sources, Selection, dt.datetime], Rows] | None = None

    def paced(self, *, is_local: bool) -> "Tile":
        """The tile as often as it asks there."""
        if is_local or not self.project_seconds:
            return self
        return replace(self, every_seconds=self.project_seconds)
