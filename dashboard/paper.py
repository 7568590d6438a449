"""Paper: what a tile is without a browser: SVG charts, and the texts of cells."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import vl_convert

from dashboard import vega
from dashboard.payload import plain_rows
from dashboard.selection import LONDON
from dashboard.tile import Chart, Column, Drawing, Row, Tile

# Of the table of a tile without a chart.
MOST_ROWS = 15
# A chart on paper has as many of these as its place is wide.
LEGEND_PIXELS = 115
_SIZE = re.compile(r'width="([\d.]+)" height="([\d.]+)"')


class Picture(NamedTuple):
    """A chart as SVG, with its size in pixels."""

    svg: str
    width: float
    height: float


class Sheet(NamedTuple):
    """A tile with its answer.

    Attributes:
        tile: The tile.
        drawing: None without rows, or if the query failed.
        error: Why it failed; empty if it did not.
    """

    tile: Tile
    drawing: Drawing | None
    error: str

    @property
    def message(self) -> str:
        """What stands in the place of a drawing."""
        return "" if self.drawing else self.error or self.tile.empty


def picture(chart: Chart, rows: Sequence[Row], width: int, name: str) -> Picture:
    """Draws a chart.

    Args:
        chart: The chart.
        rows: Those of the table, which it draws if it has none of its own.
        width: In pixels, of all.
        name: Of letters: the ids in the SVG begin with it, so that charts of one page
            do not mean each other's.
    """
    drawn = rows if chart.rows is None else chart.rows
    columns = max(2, width // LEGEND_PIXELS)
    params = {**chart.params, "legendColumns": columns}
    spec = {
        **chart.spec,
        "width": width,
        "height": chart.height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"name": "rows", "values": plain_rows(drawn)},
        "params": [_given(each, params) for each in chart.spec["params"]],
    }
    svg = vl_convert.vegalite_to_svg(spec, config=vega.LIGHT, allowed_base_urls=[])
    found = _SIZE.search(svg)
    size = found.groups() if found else (width, chart.height)
    return Picture(_own_ids(svg, name), float(size[0]), float(size[1]))


def _given(param: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    if param["name"] not in values:
        return param
    return {**param, "value": values[param["name"]]}


def _own_ids(svg: str, name: str) -> str:
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    return svg.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')


def cells(drawing: Drawing) -> Iterator[list[str]]:
    """The first rows of the table, as texts."""
    for row in drawing.rows[:MOST_ROWS]:
        yield [cell(row[column.field], column) for column in drawing.columns]


def cell(value: Any, column: Column) -> str:
    """A value as text, as the page shows it."""
    if value is None:
        return "-"
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(LONDON):%-d %b %H:%M %Z}"
    if column.kind == "number":
        return f"{value:,.{column.digits}f}"
    return str(value)
