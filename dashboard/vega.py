"""Vega-Lite: what the specs of all charts are made of.

The data of a spec is named `rows`, with times as milliseconds. Vega knows UTC and the
time zone of the browser; a time axis here shows the clock of Great Britain, wherever
the viewer is: the instants are true, and the labels are shifted. So a day of 46 or 50
half-hours has its true length.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashboard.selection import LONDON

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Okabe and Ito's colours, which people with any kind of colour vision tell apart; all
# of these have contrast on white and on the dark background.
BLUE, ORANGE, GREEN, PURPLE = "#2f7fc1", "#e08e0b", "#0a9a72", "#c067a0"
SKY, RED, YELLOW, GREY = "#56b4e9", "#d55e00", "#c9b500", "#8a919c"
SOLID, DASHED, DOTTED = [1, 0], [6, 4], [2, 3]
# Steps between labels, in hours, and the longest span for each.
_STEPS = ((0.25, 2), (1, 8), (3, 30), (6, 54), (12, 100), (24, 10_000))

# On paper; the browser chooses by its width.
LEGEND_COLUMNS = 5
CLOCK_PARAMS = ("ticks", "start", "end", "change", "before", "after")
_OFFSET = "({0} < change ? before : after)"
# What is on an axis is a Date by then, to which nothing can be added.
_SHIFTED = "toNumber({0}) + " + _OFFSET


def spec(description: str, *layers: Spec, **others: Any) -> Spec:
    """A chart of layers over the same rows, as wide as its place.

    Args:
        description: What a screen reader says.
        layers: Marks and encodings.
        others: Further properties of the spec.
    """
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": "container",
        "data": {"name": "rows"},
        "params": [
            {"name": "legendColumns", "value": LEGEND_COLUMNS},
            *({"name": name, "value": 0} for name in CLOCK_PARAMS),
        ],
        "layer": list(layers),
        **others,
    }


def complete(
    spec: Spec, params: Mapping[str, Any], rows: Sequence[Any], width: int
) -> Spec:
    """A chart with its rows and size, to be drawn without a browser.

    Args:
        spec: Of a chart.
        params: Those of the chart.
        rows: As the chart takes them: times are milliseconds.
        width: In pixels.
    """
    given = [
        {**each, "value": params.get(each["name"], each["value"])}
        for each in spec["params"]
    ]
    data = {"name": "rows", "values": list(rows)}
    return {"config": LIGHT, **spec, "width": width, "data": data, "params": given}


def time_x(field: str, **others: Any) -> Spec:
    """The encoding of a time on the horizontal axis, in London's clock."""
    shifted = _SHIFTED.format("datum.value")
    return {
        "field": field,
        "type": "temporal",
        "scale": {"type": "utc", "domain": {"expr": "[start, end]"}},
        "axis": {
            "title": None,
            "values": {"expr": "ticks"},
            "labelExpr": f"utchours({shifted}) == 0 && utcminutes({shifted}) == 0"
            f" ? utcFormat({shifted}, '%a %-d %b')"
            f" : utcFormat({shifted}, '%H:%M')",
            "labelOverlap": "greedy",
            "labelSeparation": 8,
            "labelFlush": False,
        },
        **others,
    }


def clock(field: str, name: str = "clock") -> Spec:
    """A transform: the text of a time for a tooltip, in London's clock."""
    time = f"datum.{field}"
    zone = f"{_OFFSET.format(time)} == 0 ? ' GMT' : ' BST'"
    shifted = _SHIFTED.format(time)
    return {
        "calculate": f"utcFormat({shifted}, '%a %-d %b %H:%M') + ({zone})",
        "as": name,
    }


def clock_params(start: dt.datetime, end: dt.datetime) -> dict[str, Any]:
    """The params of a time axis: its span, its labels, and London's offset in it."""
    change = _change(start, end)
    return {
        "start": milliseconds(start),
        "end": milliseconds(end),
        "ticks": [milliseconds(tick) for tick in _ticks(start, end)],
        "change": milliseconds(change or end) + (0 if change else 1),
        "before": _offset(start),
        "after": _offset(end),
    }


def milliseconds(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)


def value_y(field: str, title: str, **others: Any) -> Spec:
    """The encoding of a value on the vertical axis; the title has the unit."""
    return {"field": field, "type": "quantitative", "title": title, **others}


def tooltip(field: str, title: str, number: str | None = None) -> Spec:
    """A line of a tooltip.

    Args:
        field: Of the rows.
        title: What the reader sees, with the unit.
        number: The format of a number, as `,.1f`; None for a text.
    """
    if number is None:
        return {"field": field, "type": "nominal", "title": title}
    return {"field": field, "type": "quantitative", "title": title, "format": number}


def series(
    field: str, looks: Mapping[str, tuple[str, Sequence[int]]]
) -> tuple[Spec, Spec]:
    """The encodings of colour and dash of several series, with one legend.

    Args:
        field: The column that names the series.
        looks: The colour and dash of each, in the order of the legend.
    """
    colours = {name: colour for name, (colour, _) in looks.items()}
    colour = coloured(field, colours)
    dashes = [list(dash) for _, dash in looks.values()]
    dash = {**colour, "scale": {"domain": list(looks), "range": dashes}}
    return colour, dash


def coloured(
    field: str, colours: Mapping[str, str], *, shown: Spec | None = None
) -> Spec:
    """The encoding of colour of several series.

    Args:
        field: The column that names the series.
        colours: Of each, in the order of the legend.
        shown: `{"expr": "names"}` where a param says which of them the legend has.
    """
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": {**legend(), **({"values": shown} if shown else {})},
    }


def lines(
    description: str,
    unit: str,
    columns: Mapping[str, tuple[str, str, Sequence[int]]],
    number: str = ",d",
    time: str = "startTime",
) -> Spec:
    """A chart of one line for each column, over the half-hours of the rows.

    Args:
        description: What a screen reader says.
        unit: Of all columns.
        columns: The name, colour and dash of each line, by its column.
        number: The format of values in the tooltip.
        time: The column of the time.
    """
    x = time_x(time)
    looks = {name: (colour, dash) for name, colour, dash in columns.values()}
    colour, dash = series("line", looks)
    if len(columns) == 1:
        colour, dash = {**colour, "legend": None}, {**dash, "legend": None}
    # Names are no column names: what is folded gets them here.
    named = " : ".join(
        f"datum.column == '{column}' ? '{name}'"
        for column, (name, _, _) in columns.items()
    )
    line = {
        "transform": [
            {"fold": list(columns), "as": ["column", "value"]},
            {"filter": "isValid(datum.value)"},
            {"calculate": f"{named} : ''", "as": "line"},
        ],
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
        "encoding": {
            "x": x,
            "y": value_y("value", unit, scale={"zero": False}, axis={"format": ",d"}),
            "color": colour,
            "strokeDash": dash,
        },
    }
    texts = [
        tooltip(column, f"{name}, {unit}", number)
        for column, (name, _, _) in columns.items()
    ]
    return spec(description, line, hover(x, texts))


def hover(x: Spec, lines: Sequence[Spec], pivot: tuple[str, str] | None = None) -> Spec:
    """A layer that shows a band and a tooltip from the pointer's time to the next one.

    Args:
        x: The encoding of the time.
        lines: Those of the tooltip.
        pivot: Where each series has rows of its own: the column that names the series
            and that of the value. The lines are then by the names of the series.
    """
    time = x["field"]
    transforms: list[Spec] = [clock(time)]
    if pivot:
        name, value = pivot
        transforms.append({"pivot": name, "value": value, "groupby": [time, "clock"]})
    following = {"op": "lead", "field": time, "as": "following"}
    transforms.append({"window": [following], "sort": [{"field": time}]})
    until = f"isValid(datum.following) ? datum.following : toNumber(datum.{time}) + 6e4"
    transforms.append({"calculate": until, "as": "following"})
    transforms += [_text(line, place) for place, line in enumerate(lines)]
    texts = [tooltip(f"text{place}", line["title"]) for place, line in enumerate(lines)]
    pointed = {"type": "point", "fields": [time], "on": "pointerover"}
    return {
        "transform": transforms,
        "params": [{"name": "pointer", "select": {**pointed, "clear": "pointerout"}}],
        "mark": {"type": "rect", "color": GREY, "tooltip": True},
        "encoding": {
            "x": x,
            "x2": {"field": "following"},
            "tooltip": [tooltip("clock", "time"), *texts],
            "opacity": {
                "condition": {"param": "pointer", "empty": False, "value": 0.35},
                "value": 0,
            },
        },
    }


def _text(line: Spec, place: int) -> Spec:
    """A transform: the text of a line of a tooltip, also of a value that is missing."""
    value = f"datum[{json.dumps(line['field'])}]"
    form = line.get("format")
    text = f"format({value}, '{form}')" if form else value
    return {"calculate": f"isValid({value}) ? {text} : '–'", "as": f"text{place}"}  # noqa: RUF001


def legend() -> Spec:
    """A legend above the chart, in as many columns as there is place for."""
    return {"orient": "top", "columns": {"expr": "legendColumns"}}


def _change(start: dt.datetime, end: dt.datetime) -> dt.datetime | None:
    """The instant between two at which London's clocks change, if they do."""
    if _offset(start) == _offset(end):
        return None
    hour = start.replace(minute=0, second=0, microsecond=0)
    while _offset(hour) == _offset(start):
        hour += dt.timedelta(hours=1)
    return hour


def _offset(at: dt.datetime) -> int:
    """London's offset from UTC, in milliseconds."""
    offset = at.astimezone(LONDON).utcoffset()
    return int((offset or dt.timedelta()).total_seconds() * 1000)


def _ticks(start: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
    """The instants of the labels: round hours of London's clock."""
    hours = (end - start).total_seconds() / 3600
    step_hours = next(step for step, longest in _STEPS if hours <= longest)
    minutes = int(step_hours * 60)
    quarter = dt.timedelta(minutes=15)
    at = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
    while at <= end:
        local = at.astimezone(LONDON)
        if at >= start and (local.hour * 60 + local.minute) % minutes == 0:
            yield at
        at += quarter


def _config(text: str, faint: str, grid: str) -> Spec:
    font = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"
    return {
        "background": "transparent",
        "font": font,
        "padding": {"left": 0, "right": 4, "top": 4, "bottom": 0},
        "view": {"stroke": None},
        "axis": {
            "labelColor": faint,
            "titleColor": faint,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "labelPadding": 5,
            "domainColor": grid,
            "tickColor": grid,
            "gridColor": grid,
            "tickSize": 4,
        },
        "axisX": {"grid": False},
        "axisY": {
            "domain": False,
            "ticks": False,
            "tickCount": 5,
            # Charts of one tile begin at one line.
            "minExtent": 44,
            # Above the axis, where it can be read without turning the head.
            "titleAngle": 0,
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleBaseline": "bottom",
            "titleX": 0,
            "titleY": -8,
        },
        "legend": {
            "labelColor": text,
            "titleColor": faint,
            "labelFontSize": 12,
            "symbolSize": 90,
            "symbolStrokeWidth": 2,
            "columnPadding": 14,
            "rowPadding": 3,
            "offset": 26,
        },
        "rule": {"color": faint},
        "text": {"color": text},
    }


LIGHT = _config("#1c2430", "#5b6675", "#e3e7ec")
DARK = _config("#e4e9f0", "#9aa6b5", "#2b333f")
