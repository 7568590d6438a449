"""Compare: two days or half-hours side by side, and their differences."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from command.usage import UsageError
from dashboard import vega
from dashboard.selection import (
    HALF_HOUR,
    ONE_DAY,
    Selection,
    bounds,
    london_day,
)
from dashboard.tile import Chart, Column, Drawing, Parameters, Row, Tile, number

FIELDS = ("first", "first_period", "second", "second_period")
GENERATION = "generation "
NAME_PARAMS = ("firstName", "secondName")
LOOKS = {"first": (vega.BLUE, vega.SOLID), "second": (vega.ORANGE, vega.DASHED)}
NOTHING = "\N{EN DASH}"
# Of a figure, by its unit.
DIGITS = {"MW": 0, "MWh": 0, "GBP": 0, "GBP/MWh": 2, "Hz": 3, "s": 0, "": 0}


class Span(NamedTuple):
    """A day or a half-hour.

    Attributes:
        name: For the reader.
        start: In UTC.
        end: In UTC.
    """

    name: str
    start: dt.datetime
    end: dt.datetime


def spans(selection: Selection, now: dt.datetime) -> tuple[Span, Span]:
    """What is compared; by default yesterday with today.

    Raises:
        UsageError: A day has no such half-hour.
    """
    today = london_day(now)
    return (
        _span(selection["first"] or today - ONE_DAY, selection["first_period"]),
        _span(selection["second"] or today, selection["second_period"]),
    )


def _names(selection: Selection, now: dt.datetime) -> tuple[list[str], dict[str, str]]:
    """The names of both, and the params of a legend that shows them."""
    names = [span.name for span in spans(selection, now)]
    return names, dict(zip(NAME_PARAMS, names, strict=True))


def _span(day: dt.date, period: int | None) -> Span:
    start, end = bounds(day)
    if period is None:
        return Span(f"{day:%a} {day.day} {day:%b}", start, end)
    begin = start + (period - 1) * HALF_HOUR
    if begin >= end:
        count = int((end - start) / HALF_HOUR)
        raise UsageError(f"{day} has {count} half-hours, and none with number {period}")
    return Span(f"{day.day} {day:%b}, period {period}", begin, begin + HALF_HOUR)


def _parameters(selection: Selection, now: dt.datetime) -> Parameters:
    first, second = spans(selection, now)
    return {
        **{"first_from": first.start, "first_to": first.end},
        **{"second_from": second.start, "second_to": second.end},
    }


def _bars() -> vega.Spec:
    bars = {
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "x": {
                "field": "fuel",
                "type": "nominal",
                "title": None,
                "axis": {"labelAngle": -60, "labelOverlap": False},
            },
            "xOffset": {"field": "span", "type": "nominal"},
            "y": vega.value_y("value", "mean generation, MW", axis={"format": ",d"}),
            "color": _named(vega.series("span", LOOKS)[0]),
            "tooltip": [
                vega.tooltip("fuel", "fuel"),
                vega.tooltip("name", "of"),
                vega.tooltip("value", "mean generation, MW", ",.0f"),
            ],
        },
    }
    about = "Mean generation by fuel in MW, of both days or half-hours"
    return _with_names(vega.spec(about, bars))


def _named(encoding: vega.Spec) -> vega.Spec:
    """The legend shows which days these are."""
    label = "datum.label == 'first' ? firstName : secondName"
    return {**encoding, "legend": {**encoding["legend"], "labelExpr": label}}


def _with_names(spec: vega.Spec) -> vega.Spec:
    spec["params"] += [{"name": name, "value": ""} for name in NAME_PARAMS]
    return spec


def _course(column: str, title: str, number: str) -> vega.Spec:
    colour, dash = map(_named, vega.series("span", LOOKS))
    hours = {
        "field": "hours",
        "type": "quantitative",
        "title": "hours since it began",
        "scale": {"nice": False, "zero": True},
        "axis": {"tickCount": 8},
    }
    line = {
        "transform": [{"filter": f"isValid(datum.{column})"}],
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
        "encoding": {
            "x": hours,
            "y": vega.value_y(column, title, scale={"zero": False}),
            "color": colour,
            "strokeDash": dash,
        },
    }
    touch = {
        "transform": [{"filter": f"isValid(datum.{column})"}],
        "mark": {"type": "point", "opacity": 0, "size": 120, "tooltip": True},
        "encoding": {
            "x": hours,
            "y": vega.value_y(column, title, scale={"zero": False}),
            "tooltip": [
                vega.tooltip("name", "of"),
                vega.tooltip("settlementPeriod", "settlement period", "d"),
                vega.tooltip(column, title, number),
            ],
        },
    }
    about = f"{title}, of both days or half-hours"
    return _with_names(vega.spec(about, line, touch))


BARS = _bars()
DEMAND = _course("nationalDemand", "demand, MW", ",d")
PRICE = _course("systemPrice", "system price, GBP/MWh", ",.2f")


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    names, params = _names(selection, now)
    values: dict[str, list[float | None]] = {}
    units: dict[str, str] = {}
    for row in rows:
        units[row["figure"]] = row["unit"]
        pair = values.setdefault(row["figure"], [None, None])
        pair[row["span"] - 1] = row["value"]
    table = [
        {"figure": figure, "unit": units[figure], **_compared(pair, units[figure])}
        for figure, pair in values.items()
    ]
    columns = (
        Column("figure", "Figure"),
        Column("unit", "Unit"),
        Column("first", names[0], "figure"),
        Column("second", names[1], "figure"),
        Column("difference", "Difference", "figure"),
    )
    chart = Chart(BARS, params, list(_mix(rows, names)), height=260)
    return Drawing(columns, table, [chart], unfolded=True)


def _compared(pair: Sequence[float | None], unit: str) -> dict[str, str]:
    first, second = pair
    digits = DIGITS[unit]
    texts = [NOTHING if value is None else number(value, digits) for value in pair]
    difference = NOTHING
    if first is not None and second is not None:
        difference = number(second - first, digits, signed=True)
    return {"first": texts[0], "second": texts[1], "difference": difference}


def _mix(rows: Sequence[Row], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row["figure"].startswith(GENERATION):
            yield {
                "fuel": row["figure"].removeprefix(GENERATION),
                "span": ("first", "second")[row["span"] - 1],
                "name": names[row["span"] - 1],
                "value": row["value"],
            }


def _draw_course(
    rows: Sequence[Row], selection: Selection, now: dt.datetime
) -> Drawing:
    names, params = _names(selection, now)
    drawn = [
        {
            **row,
            "span": ("first", "second")[row["span"] - 1],
            "name": names[row["span"] - 1],
        }
        for row in rows
    ]
    columns = (
        Column("name", "Of"),
        Column("startTime", "Half-hour", "time"),
        Column("settlementPeriod", "Period", "number"),
        Column("nationalDemand", "Demand", "number", "MW"),
        Column("systemPrice", "System price", "number", "GBP/MWh", 2),
    )
    charts = [Chart(spec, params, drawn, 170) for spec in (DEMAND, PRICE)]
    return Drawing(columns, drawn, charts)


DATASETS = ("FUELINST", "INDO", "DISEBSP", "MID", "FREQ", "BOALF")
EMPTY = "Neither of the two has rows: choose other days above."
FIGURES = Tile(
    name="compare",
    title="Figures",
    sql="compare.sql",
    datasets=DATASETS,
    parameters=_parameters,
    draw=_draw,
    empty=EMPTY,
    about="Those of both, and the second less the first.",
    takes=FIELDS,
    every_seconds=300,
    live=False,
)
COURSE = Tile(
    name="compare-course",
    title="Demand and system price",
    sql="compare_course.sql",
    datasets=("INDO", "DISEBSP"),
    parameters=_parameters,
    draw=_draw_course,
    empty=EMPTY,
    about="By half-hour since each began; a day may have 46, 48 or 50 of them.",
    takes=FIELDS,
    every_seconds=300,
    live=False,
)
