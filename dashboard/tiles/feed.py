"""Feed: how fresh each dataset is, and what comes in by the minute."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from dashboard import vega
from dashboard.selection import Selection, moment
from dashboard.tile import Chart, Column, Drawing, Figure, Parameters, Row, Tile, number
from dashboard.tiles.times import between, last
from pipeline.registry import Dataset, load_registry
from sql.check.freshness import LOOKBACK_DAYS, age_of, allowed

ALL_DATASETS = tuple(load_registry())
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
# Of these the bars show how near they are to being late.
MOST_BARS = 14
# A bar is not longer: a dataset that is missing for days would hide the others.
LONGEST_BAR = 2.0
THREE_HOURS = last(3)
ORDER = {"late": 0, "missing": 1, "fresh": 2, "no cadence": 3, "not seen": 4}


def _parameters(selection: Selection, now: dt.datetime) -> Parameters:
    return {
        "from_utc": now - dt.timedelta(days=LOOKBACK_DAYS),
        "hour_utc": now - HOUR,
        "day_utc": now - DAY,
    }


def _bars() -> vega.Spec:
    y = {
        "field": "dataset",
        "type": "nominal",
        "title": None,
        "sort": {"field": "order", "op": "min"},
    }
    bar = {
        "mark": {"type": "bar", "height": 11, "cornerRadiusEnd": 2},
        "encoding": {
            "y": y,
            "x": {
                "field": "length",
                "type": "quantitative",
                "title": "age of the newest message; 100 % is late",
                "axis": {"format": ".0%", "tickCount": 5},
                "scale": {"domain": [0, LONGEST_BAR]},
            },
            "color": {
                "condition": {"test": "datum.length > 1", "value": vega.RED},
                "value": vega.BLUE,
            },
            "tooltip": [
                vega.tooltip("title", "dataset"),
                vega.tooltip("age", "age"),
                vega.tooltip("limit", "late after"),
            ],
        },
    }
    label = {
        "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 11},
        "encoding": {
            "y": y,
            "x": {"field": "length", "type": "quantitative"},
            "text": {"field": "age"},
        },
    }
    edge = {
        "mark": {"type": "rule", "strokeDash": vega.DASHED},
        "encoding": {"x": {"datum": 1, "type": "quantitative"}},
    }
    about = "How old the newest message of each dataset is, as a share of what is late"
    return vega.spec(about, edge, bar, label)


BARS = _bars()


def span_text(span: dt.timedelta) -> str:
    """`40 s`, `12 min`, `5.3 h`, `2.1 days`."""
    seconds = span.total_seconds()
    for length, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            count = seconds / length
            return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _described(dataset: Dataset, row: Row | None, now: dt.datetime) -> dict[str, Any]:
    newest = row["newest"] if row else None
    has_cadence = bool(dataset.cadence_seconds)
    limit = allowed(dataset) if has_cadence else None
    age = age_of(dataset, newest, now) if newest else None
    share = age / limit if age is not None and limit else None
    if share is not None:
        state = "late" if share > 1 else "fresh"
    elif row is None:
        state = "missing" if has_cadence else "not seen"
    else:
        state = "no cadence"
    counts = row or dict.fromkeys(
        ("messages_hour", "rows_hour", "records_day", "duplicates_day"), 0
    )
    return {
        **counts,
        "dataset": dataset.name,
        "title": f"{dataset.name}: {dataset.title}",
        "newest": newest,
        "age": span_text(now - newest) if newest else None,
        "limit": span_text(limit) if limit else None,
        "state": state,
        "share": share,
        "duplicate_share": _share(counts["duplicates_day"], counts["records_day"]),
    }


def _share(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def _draw_fresh(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    by_name = {row["dataset"]: row for row in rows}
    found = [_described(each, by_name.get(name), now) for name, each in _registry()]
    found.sort(key=lambda one: (ORDER[str(one["state"])], -_number(one["share"])))
    bars = [one for one in found if one["share"] is not None][:MOST_BARS]
    drawn = [
        {**one, "order": place, "length": min(_number(one["share"]), LONGEST_BAR)}
        for place, one in enumerate(bars)
    ]
    states = [one["state"] for one in found]
    figures = [
        Figure("Fresh", f"{states.count('fresh')}", "datasets"),
        Figure("Late", f"{states.count('late')}", "datasets"),
        Figure("Never seen", f"{states.count('missing') + states.count('not seen')}"),
    ]
    columns = (
        Column("dataset", "Dataset"),
        Column("state", "State"),
        Column("age", "Age"),
        Column("limit", "Late after"),
        Column("newest", "Newest message", "time"),
        Column("messages_hour", "Messages", "number", "last hour"),
        Column("rows_hour", "Rows", "number", "last hour"),
        Column("records_day", "Records", "number", "24 h"),
        Column("duplicate_share", "Duplicates", "number", "% of 24 h", 1),
    )
    charts = [Chart(BARS, {}, drawn, height=22 * len(drawn) + 10)] if drawn else []
    return Drawing(columns, found, charts, figures)


def _registry() -> list[tuple[str, Dataset]]:
    return list(load_registry().items())


def _number(share: object) -> float:
    return share if isinstance(share, float) else -1.0


FRESHNESS = Tile(
    name="freshness",
    title="Freshness of the datasets",
    sql="feed.sql",
    datasets=ALL_DATASETS,
    parameters=_parameters,
    draw=_draw_fresh,
    empty="The ledger is empty: the pipeline has counted no message in ten days. Rows "
    "that were loaded from files are not in it.",
    about="Against each dataset's own cadence, on working days where it is published "
    "on those. The longest waits first; all datasets are in the numbers.",
    takes=(),
    every_seconds=30,
    live=False,
)


def _by_minute(
    about: str, field: str, title: str, colour: str, lines: list[vega.Spec]
) -> vega.Spec:
    x = vega.time_x("minute")
    bars = {
        "mark": {"type": "rect", "color": colour},
        "encoding": {
            "x": x,
            "x2": {"field": "end"},
            "y": vega.value_y(field, title),
            "y2": {"datum": 0},
        },
    }
    return vega.spec(about, bars, vega.hover(x, lines))


COUNTS = [
    vega.tooltip("messages", "messages", ",d"),
    vega.tooltip("rows", "rows", ",d"),
]
MESSAGES = _by_minute(
    "Messages by minute", "messages", "messages a minute", vega.BLUE, COUNTS
)
ROWS = _by_minute("Rows by minute", "rows", "rows a minute", vega.GREEN, COUNTS)


def _draw_traffic(
    rows: Sequence[Row], selection: Selection, now: dt.datetime
) -> Drawing:
    minute = dt.timedelta(minutes=1)
    drawn = [{**row, "end": row["minute"] + minute} for row in rows]
    hour = [row for row in rows if row["minute"] >= moment(selection, now) - HOUR]
    figures = (
        Figure("Messages", f"{sum(row['messages'] for row in hour):,}", "last hour"),
        Figure("Rows", f"{sum(row['rows'] for row in hour):,}", "last hour"),
    )
    columns = (
        Column("minute", "Minute", "time"),
        Column("messages", "Messages", "number"),
        Column("rows", "Rows", "number"),
    )
    params = vega.clock_params(*THREE_HOURS(selection, now))
    charts = (
        Chart(MESSAGES, params, drawn, height=130),
        Chart(ROWS, params, drawn, height=130),
    )
    return Drawing(columns, drawn[::-1], charts, figures)


NO_MINUTES = (
    "The pipeline counted no message in these three hours: is it running, and does the "
    "bridge receive messages?"
)
TRAFFIC = Tile(
    name="traffic",
    title="Messages and rows by minute",
    sql="traffic.sql",
    datasets=ALL_DATASETS,
    parameters=between(THREE_HOURS),
    draw=_draw_traffic,
    empty=NO_MINUTES,
    about="All datasets, by the minute in which Pub/Sub received the message.",
    every_seconds=30,
    live=False,
)

LAG_LOOKS: dict[str, tuple[str, list[int]]] = {
    "IRIS to Pub/Sub": (vega.BLUE, vega.DASHED),
    "Pub/Sub to row": (vega.GREEN, vega.SOLID),
}


def _lag() -> vega.Spec:
    colour, dash = vega.series("leg", LAG_LOOKS)
    x = vega.time_x("minute")
    line = {
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": x,
            "y": vega.value_y("seconds", "mean delay, seconds"),
            "color": colour,
            "strokeDash": dash,
        },
    }
    lines = [vega.tooltip(name, f"{name}, s", ",.1f") for name in LAG_LOOKS]
    about = "Mean delay in seconds by minute, from IRIS to Pub/Sub and on to a row"
    return vega.spec(about, line, vega.hover(x, lines, ("leg", "seconds")))


LAG = _lag()


def _draw_lag(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    legs = dict(zip(LAG_LOOKS, ("to_pubsub", "to_row"), strict=True))
    drawn = [
        {"minute": row["minute"], "leg": leg, "seconds": row[column]}
        for row in rows
        for leg, column in legs.items()
        if row[column] is not None
    ]
    figures = []
    for leg, column in legs.items():
        known = [row[column] for row in rows if row[column] is not None]
        if known:
            figures.append(Figure(leg, number(known[-1], 1), "s"))
    slowest = [row["to_row_max"] for row in rows if row["to_row_max"] is not None]
    if slowest:
        figures.append(Figure("Slowest row", number(max(slowest)), "s"))
    columns = (
        Column("minute", "Minute", "time"),
        Column("to_pubsub", "IRIS to Pub/Sub", "number", "s", 1),
        Column("to_row", "Pub/Sub to row", "number", "s", 1),
        Column("to_row_max", "Slowest row", "number", "s", 1),
    )
    params = vega.clock_params(*THREE_HOURS(selection, now))
    charts = [Chart(LAG, params, drawn, height=220)] if drawn else []
    return Drawing(columns, rows[::-1], charts, figures)


LAGS = Tile(
    name="lag",
    title="Delay by minute",
    sql="traffic.sql",
    datasets=ALL_DATASETS,
    parameters=between(THREE_HOURS),
    draw=_draw_lag,
    empty=NO_MINUTES,
    about="How long a message takes from IRIS's queue to Pub/Sub, and from there to "
    "BigQuery's answer.",
    every_seconds=30,
    live=False,
)
