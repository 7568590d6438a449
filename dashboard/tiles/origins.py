"""Origins: how many rows are from the feed, its archive, the API, and history."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dashboard import vega
from dashboard.selection import LONDON, Selection
from dashboard.sources import Meter, Sources
from dashboard.tile import Chart, Column, Drawing, Figure, Row, Tile
from dashboard.warehouse import Rows
from pipeline.registry import Dataset
from sql.check.context import Context
from sql.working_days import ONE_DAY, day_start

DAYS = 7
LOOKS: dict[str, tuple[str, list[int]]] = {
    "IRIS": (vega.BLUE, vega.SOLID),
    "IRIS_ARCHIVE": (vega.SKY, vega.SOLID),
    "INSIGHTS_API": (vega.ORANGE, vega.SOLID),
    "HISTORIC": (vega.GREY, vega.SOLID),
}


@dataclass(frozen=True, slots=True)
class Counted:
    """A dataset whose rows are counted.

    Attributes:
        dataset: The dataset.
        table: What is read: the view with its history if it has one, else its table.
        first_day: The first day.
        end_day: The day after the last one.
    """

    dataset: Dataset
    table: str
    first_day: dt.date
    end_day: dt.date

    @property
    def column(self) -> str:
        return f"`{self.dataset.partition_column}`"

    @property
    def day(self) -> str:
        """The day of a row in Great Britain, as SQL."""
        if self._is_date:
            return self.column
        return f"DATE({self.column}, 'Europe/London')"

    @property
    def first(self) -> str:
        return self._bound(self.first_day)

    @property
    def end(self) -> str:
        return self._bound(self.end_day)

    @property
    def _is_date(self) -> bool:
        return self.dataset.column(self.dataset.partition_column).type == "DATE"

    def _bound(self, day: dt.date) -> str:
        if self._is_date:
            return f"DATE '{day}'"
        return f"TIMESTAMP '{day_start(day):%Y-%m-%d %H:%M:%S}+00'"


def _counted(context: Context) -> Iterator[Counted]:
    today = context.at.astimezone(LONDON).date()
    for dataset in context.filled():
        has_history = any(each.table in context.tables for each in dataset.historic)
        view = f"{dataset.stem}_unified"
        table = view if has_history and view in context.tables else dataset.table
        yield Counted(dataset, table, today - (DAYS - 1) * ONE_DAY, today + ONE_DAY)


def _ask(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    meter = Meter(sources.warehouse)
    counted = [*_counted(sources.context(meter, now))]
    if not counted:
        return meter.rows([])
    statement = sources.warehouse.fill("origins.sql", each_dataset=counted)
    found = meter.query_and_wait(statement)
    return meter.rows(dict(row.items()) for row in found)


def _spec() -> vega.Spec:
    colour, _ = vega.series("source", LOOKS)
    bar = {
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": "day",
                "type": "ordinal",
                "title": None,
                "sort": {"field": "order", "op": "min"},
                "axis": {"labelAngle": 0, "labelOverlap": True},
            },
            "y": vega.value_y("row_count", "rows"),
            "color": colour,
            "tooltip": [
                vega.tooltip("day", "day"),
                vega.tooltip("source", "from"),
                vega.tooltip("row_count", "rows", ",d"),
            ],
        },
    }
    return vega.spec("Rows by day and by where they are from", bar)


SPEC = _spec()


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    by_day: Counter[tuple[dt.date, str]] = Counter()
    by_dataset: Counter[tuple[str, str]] = Counter()
    for row in rows:
        by_day[row["day"], row["source"]] += row["row_count"]
        by_dataset[row["dataset"], row["source"]] += row["row_count"]
    drawn = [
        {
            "day": f"{day:%a %-d %b}",
            "order": day.toordinal(),
            "source": source,
            "row_count": count,
        }
        for (day, source), count in sorted(by_day.items())
    ]
    whole = sum(by_day.values())
    shares = Counter(dict.fromkeys(LOOKS, 0))
    for (_, source), count in by_day.items():
        shares[source] += count
    figures = [
        Figure(name, f"{100 * count / whole:.1f}", "%")
        for name, count in shares.items()
        if count
    ]
    columns = (
        Column("dataset", "Dataset"),
        *(Column(name, name, "number", "rows") for name in LOOKS),
    )
    names = sorted({name for name, _ in by_dataset})
    listed = [
        {"dataset": name, **{each: by_dataset[name, each] for each in LOOKS}}
        for name in names
    ]
    return Drawing(columns, listed, (Chart(SPEC, {}, drawn, height=220),), figures)


ORIGINS = Tile(
    name="origins",
    title="Where the rows are from",
    datasets=(),
    draw=_draw,
    ask=_ask,
    empty="The tables have no row of the last seven days.",
    about="Rows of the last seven days: from the feed, from Elexon's archive of it or "
    "the API (a backfill), or from your history.",
    takes=(),
    every_seconds=300,
    project_seconds=3_600,
    live=False,
)
