"""The payload: a drawing as the browser gets it, in JSON."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson

from dashboard.answers import Answer
from dashboard.tile import Chart, Drawing, Row, Tile
from dashboard.vega import milliseconds

# A reader looks at some; the page Data has all of them.
MOST_ROWS = 200


def tile_json(tile: Tile, answer: Answer) -> bytes:
    """The state and the picture of a tile."""
    drawing = answer.drawing
    return orjson.dumps(
        {
            "version": answer.version,
            "state": _state(answer),
            "error": answer.error,
            "empty": tile.empty,
            **(_drawing(drawing) if drawing else {}),
        },
        default=float,
    )


def _state(answer: Answer) -> str:
    if answer.drawing:
        return "drawn"
    if answer.asked:
        return "empty"
    return "failed" if answer.error else "waiting"


def _drawing(drawing: Drawing) -> dict[str, Any]:
    fields = [column.field for column in drawing.columns]
    return {
        "figures": [
            {"label": figure.label, "value": figure.value, "unit": figure.unit}
            for figure in drawing.figures
        ],
        "columns": [
            {
                "title": column.title,
                "kind": column.kind,
                "unit": column.unit,
                "digits": column.digits,
            }
            for column in drawing.columns
        ],
        "rows": [
            [_plain(row[field]) for field in fields] for row in drawing.rows[:MOST_ROWS]
        ],
        "all_rows": len(drawing.rows),
        "note": drawing.note,
        "sql": drawing.sql,
        "links": [*drawing.links],
        "unfolded": drawing.unfolded,
        "charts": [_chart(chart, drawing.rows) for chart in drawing.charts],
    }


def _chart(chart: Chart, rows: Sequence[Row]) -> dict[str, Any]:
    drawn = rows if chart.rows is None else chart.rows
    return {
        "spec": chart.spec,
        "params": chart.params,
        "height": chart.height,
        "choose": chart.choose,
        # By column: a third of the size.
        "rows": {field: [_plain(row[field]) for row in drawn] for field in drawn[0]},
    }


def plain_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as a chart takes them."""
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return milliseconds(value)
    return value.isoformat() if isinstance(value, dt.date) else value
