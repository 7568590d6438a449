"""Completeness: which values of the last seven days are there, by day and half-hour."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dashboard import vega
from dashboard.selection import HALF_HOUR, Selection
from dashboard.sources import Meter, Sources
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile
from dashboard.warehouse import Rows
from sql.check.completeness import Owed, judged, slots_found, source_of
from sql.check.context import Context
from sql.check.expectations import Days, days_due, grid_of
from sql.working_days import day_start

DAYS = 7
# Shown until a viewer chooses one: the busiest.
USUAL = "FUELINST"
CLASSES = {
    "complete": vega.GREEN,
    "up to 5 % missing": vega.YELLOW,
    "more missing": vega.RED,
    "nothing there": "#5b3a8c",
}


def _owed(context: Context, names: Iterable[str] | None = None) -> Iterator[Owed]:
    """What was due of each day; one entry for a dataset and all its days."""
    for dataset in context.present():
        grid = grid_of(dataset)
        if grid is None or (names is not None and dataset.name not in names):
            continue
        if days := days_due(dataset, context.at, context.days):
            yield Owed(dataset, grid, days, source_of(context, dataset))


def _class(expected: int, found: int) -> str:
    share = (expected - found) / expected
    if share == 0:
        return "complete"
    if not found:
        return "nothing there"
    return "up to 5 % missing" if share <= 0.05 else "more missing"


def _cell(expected: int, found: int) -> dict[str, Any]:
    missing = expected - found
    share = missing / expected
    text = "" if not missing else "<1%" if share < 0.01 else f"{share:.0%}"
    return {
        "state": _class(expected, found),
        "expected": expected,
        "found": found,
        "missing": missing,
        "text": text,
    }


def _by_day(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    meter = Meter(sources.warehouse)
    context = sources.context(meter, now, DAYS)
    owed = [*_owed(context)]
    if not owed:
        return meter.rows([])
    found, begun = slots_found(context, owed), context.begun() or now
    return meter.rows(
        row for one in owed for row in _days(one, found[one.dataset.name], begun)
    )


def _days(
    owed: Owed, found: dict[str, set[int]], begun: dt.datetime
) -> Iterator[dict[str, Any]]:
    """A row for each day of which something was owed."""
    for day in owed.days:
        slots = set(owed.grid.slots(day))
        there = {series: slots & values for series, values in found.items()}
        one = Owed(owed.dataset, owed.grid, [day], owed.source)
        figures = judged(one, there, begun).figures
        if figures:
            yield {
                "dataset": owed.dataset.name,
                "title": f"{owed.dataset.name}: {owed.dataset.title}",
                "day": day,
                "gaps": figures["gaps"],
                **_cell(figures["expected"], figures["found"]),
            }


def _map(about: str, x: vega.Spec, y: vega.Spec, lines: list[vega.Spec]) -> vega.Spec:
    """Cells by class, with what is missing written into them."""
    colour = {
        "field": "state",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(CLASSES), "range": list(CLASSES.values())},
        "legend": vega.legend(),
    }
    cells = {
        "mark": {"type": "rect", "cornerRadius": 2},
        "encoding": {"x": x, "y": y, "color": colour, "tooltip": lines},
    }
    # Dark text on yellow, white on the others.
    texts = {
        "mark": {"type": "text", "fontSize": 10},
        "encoding": {
            "x": x,
            "y": y,
            "text": {"field": "text"},
            "color": {
                "condition": {
                    "test": "datum.state == 'up to 5 % missing'",
                    "value": "#1c2430",
                },
                "value": "#ffffff",
            },
            "tooltip": lines,
        },
    }
    return vega.spec(about, cells, texts)


def _band(field: str, sort: str | None, **axis: object) -> vega.Spec:
    return {
        "field": field,
        "type": "ordinal",
        "title": None,
        "sort": {"field": sort, "op": "min"} if sort else None,
        "scale": {"padding": 0.06},
        "axis": {"domain": False, "ticks": False, "grid": False, **axis},
    }


VALUES = [
    vega.tooltip("expected", "values due", ",d"),
    vega.tooltip("missing", "missing", ",d"),
]
BY_DAY = _map(
    "Completeness by dataset and day",
    _band("dayText", "order", orient="top", labelAngle=0, labelOverlap=True),
    _band("dataset", None),
    [
        vega.tooltip("title", "dataset"),
        vega.tooltip("dayText", "day"),
        *VALUES,
        vega.tooltip("gaps", "gaps"),
    ],
)


def _draw_days(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    drawn = [
        {**row, "dayText": f"{row['day']:%a %-d %b}", "order": row["day"].toordinal()}
        for row in rows
    ]
    names = {row["dataset"] for row in rows}
    missing = sum(row["missing"] for row in rows)
    expected = sum(row["expected"] for row in rows)
    figures = (
        Figure("Values there", f"{100 * (1 - missing / expected):.2f}", "%"),
        Figure("Missing", f"{missing:,}", f"of {expected:,}"),
    )
    columns = (
        Column("dataset", "Dataset"),
        Column("dayText", "Day"),
        Column("expected", "Due", "number", "values"),
        Column("missing", "Missing", "number", "values"),
        Column("gaps", "Gaps"),
    )
    chart = Chart(
        BY_DAY, {}, drawn, height=26 * len(names) + 20, choose={"dataset": "dataset"}
    )
    listed = sorted(drawn, key=lambda row: (-row["missing"], row["dataset"]))
    return Drawing(columns, listed, (chart,), figures)


COMPLETENESS = Tile(
    name="completeness",
    title="Completeness of the last seven days",
    datasets=(),
    draw=_draw_days,
    ask=_by_day,
    empty="No value was due in these seven days: the feed is new, or the tables are "
    "empty.",
    about="Datasets with a value for each half-hour, day or sample, once it is due. A "
    "click on a row shows its half-hours.",
    takes=(),
    wide=True,
    every_seconds=600,
    project_seconds=1_800,
    live=False,
)


def _by_half_hour(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    meter = Meter(sources.warehouse)
    context = sources.context(meter, now, DAYS)
    owed = [*_owed(context, {selection.get("dataset") or USUAL})]
    if not owed or isinstance(owed[0].grid, Days):
        return meter.rows([])
    [one] = owed
    found, begun = slots_found(context, owed), context.begun() or now
    return meter.rows(half_hours_of(one, found[one.dataset.name], begun))


def half_hours_of(
    owed: Owed, found: dict[str, set[int]], begun: dt.datetime
) -> Iterator[dict[str, Any]]:
    """A row for each half-hour, with the values of all series.

    What was before the feed is owed between the first and the last value that is there.
    """
    series = found or {"": set()}
    there = sorted(slot for values in series.values() for slot in values)
    for day in owed.days:
        due: Counter[int] = Counter()
        came: Counter[int] = Counter()
        slots = owed.grid.slots(day)
        for slot in slots:
            start = owed.grid.start(slot)
            is_early = start < begun and not (there and there[0] <= slot <= there[-1])
            if not is_early:
                due[_period(day, start)] += len(series)
        for slot in there:
            if slot in slots:
                came[_period(day, owed.grid.start(slot))] += 1
        for period, expected in due.items():
            yield {
                "dataset": owed.dataset.name,
                "day": day,
                "period": period,
                "start": day_start(day) + (period - 1) * HALF_HOUR,
                **_cell(expected, came[period]),
            }


def _period(day: dt.date, start: dt.datetime) -> int:
    """The settlement period in which an instant lies."""
    return (start - day_start(day)) // HALF_HOUR + 1


BY_HALF_HOUR = _map(
    "Completeness by day and settlement period",
    _band("period", None, orient="top", labelAngle=0, labelOverlap=True),
    _band("dayText", None),
    [
        vega.tooltip("dayText", "day"),
        vega.tooltip("period", "settlement period", "d"),
        *VALUES,
    ],
)


def _draw_half_hours(
    rows: Sequence[Row], selection: Selection, now: dt.datetime
) -> Drawing:
    # No text: a cell is too small for it.
    drawn = [{**row, "dayText": f"{row['day']:%a %-d %b}", "text": ""} for row in rows]
    missing = sum(row["missing"] for row in rows)
    figures = (
        Figure("Dataset", rows[0]["dataset"]),
        Figure("Half-hours with a gap", f"{sum(1 for r in rows if r['missing']):,}"),
        Figure("Missing", f"{missing:,}", "values"),
    )
    columns = (
        Column("start", "Half-hour", "time"),
        Column("period", "Period", "number"),
        Column("expected", "Due", "number", "values"),
        Column("missing", "Missing", "number", "values"),
    )
    gaps = [row for row in drawn if row["missing"]] or drawn
    days = len({row["day"] for row in rows})
    chart = Chart(BY_HALF_HOUR, {}, drawn, height=26 * days + 20)
    return Drawing(columns, gaps, (chart,), figures)


HALF_HOURS = Tile(
    name="half-hours",
    title="Its half-hours",
    datasets=(),
    draw=_draw_half_hours,
    ask=_by_half_hour,
    empty="This dataset owes no value for each half-hour: its values have no clock, "
    "or there is one a day.",
    about=f"Of the chosen dataset ({USUAL} until one is chosen), by settlement period: "
    "46 or 50 of them where the clocks change.",
    takes=("dataset",),
    wide=True,
    every_seconds=600,
    project_seconds=1_800,
    live=False,
)
