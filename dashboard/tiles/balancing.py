"""Balancing: what was accepted of each unit in a day, and what it is paid for it."""

import datetime as dt
from collections.abc import Sequence

from dashboard import vega
from dashboard.selection import HALF_HOUR, Selection
from dashboard.tile import Chart, Column, Drawing, Figure, Parameters, Row, Tile, number
from dashboard.tiles.times import of_day

MOST_BARS = 12
KINDS = {"Offers": "offers", "Bids": "bids", "Undone": "undone"}
DATASETS = ("BOALF", "BOD", "PN")
PUBLISHED = {
    "cashflow": ("Computed now", vega.BLUE, vega.SOLID),
    "publishedCashflow": ("Published by Elexon", vega.ORANGE, vega.DASHED),
}


def _bars() -> vega.Spec:
    bars = {
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "y": {
                "field": "unit",
                "type": "nominal",
                "title": None,
                "sort": {"field": "place"},
                "axis": {"grid": False, "ticks": False, "domain": False},
            },
            "x": vega.value_y(
                "volume", "MWh", axis={"format": ",d", "grid": True, "tickCount": 8}
            ),
            "color": vega.coloured(
                "kind", {"Offers": vega.RED, "Bids": vega.SKY, "Undone": vega.GREY}
            ),
            "tooltip": [
                vega.tooltip("unit", "unit"),
                vega.tooltip("kind", "kind"),
                vega.tooltip("volume", "volume, MWh", ",.1f"),
            ],
        },
    }
    about = "Accepted volume in MWh of the units with the largest volumes"
    return vega.spec(about, bars)


BARS = _bars()
COURSE = vega.lines("Cashflow in GBP by half-hour", "GBP", PUBLISHED)


def _parameters(selection: Selection, now: dt.datetime) -> Parameters:
    return {**of_day(selection, now), "batteries": bool(selection["batteries"])}


def _draw_units(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    offers, bids = (sum(row[name] or 0 for row in rows) for name in ("offers", "bids"))
    undone = sum(row["undone"] or 0 for row in rows)
    figures = (
        Figure("Units", f"{len(rows):,}"),
        Figure("Offers", number(offers), "MWh"),
        Figure("Bids", number(bids), "MWh"),
        Figure("Undone", number(undone), "MWh"),
        Figure("Cashflow", number(sum(row["cashflow"] or 0 for row in rows)), "GBP"),
    )
    columns = (
        Column("unit", "Unit", "unit"),
        Column("acceptances", "Acceptances", "number"),
        Column("offers", "Offers", "number", "MWh", 1),
        Column("offerPrice", "Average", "number", "GBP/MWh", 2),
        Column("bids", "Bids", "number", "MWh", 1),
        Column("bidPrice", "Average", "number", "GBP/MWh", 2),
        Column("undone", "Undone", "number", "MWh", 1),
        Column("cashflow", "Cashflow", "number", "GBP"),
    )
    unknown = sum(row["reason"] is not None for row in rows)
    note = (
        f"Of {unknown:,} units some volumes cannot be computed: their notified levels "
        "or prices are not in the tables."
        if unknown
        else ""
    )
    chart = Chart(BARS, rows=_largest(rows), height=280)
    return Drawing(columns, rows, [chart], figures, note, unfolded=True)


def _largest(rows: Sequence[Row]) -> list[Row]:
    """The bars of the units with the largest volumes."""

    def size(row: Row) -> float:
        return sum(abs(float(row[name] or 0)) for name in KINDS.values())

    largest = sorted(rows, key=size, reverse=True)[:MOST_BARS]
    return [
        {"unit": row["unit"], "place": place, "kind": kind, "volume": row[name] or 0}
        for place, row in enumerate(largest)
        for kind, name in KINDS.items()
    ]


def _draw_published(
    rows: Sequence[Row], selection: Selection, now: dt.datetime
) -> Drawing:
    both = [row for row in rows if row["publishedCashflow"] is not None]
    computed = sum(row["cashflow"] or 0 for row in rows)
    figures = [Figure("Computed", number(computed), "GBP")]
    note = "Elexon has not published this day yet: it does so a day or two later."
    if both:
        published = sum(row["publishedCashflow"] for row in both)
        beside = sum(row["cashflow"] or 0 for row in both)
        figures.append(Figure("Published", number(published), "GBP"))
        difference = number(published - beside, signed=True)
        figures.append(Figure("Difference", difference, "GBP"))
        note = (
            f"The difference is of the {len(both)} half-hours that are published. "
            "Published cashflows include transmission losses."
        )
    columns = (
        Column("startTime", "Half-hour", "time"),
        Column("settlementPeriod", "Period", "number"),
        Column("offerVolume", "Offers", "number", "MWh", 1),
        Column("publishedOfferVolume", "Published", "number", "MWh", 1),
        Column("bidVolume", "Bids", "number", "MWh", 1),
        Column("publishedBidVolume", "Published", "number", "MWh", 1),
        Column("cashflow", "Cashflow", "number", "GBP"),
        Column("publishedCashflow", "Published", "number", "GBP"),
    )
    day = of_day(selection, now)
    params = vega.clock_params(day["from_utc"], day["to_utc"])
    drawn = _filled(rows, day["from_utc"], min(day["to_utc"], now))
    return Drawing(columns, rows, [Chart(COURSE, params, drawn)], figures, note)


def _filled(rows: Sequence[Row], start: dt.datetime, end: dt.datetime) -> list[Row]:
    """A row for each half-hour: one without an acceptance has a cashflow of 0."""
    known = {row["startTime"]: row for row in rows}
    published = any(row["publishedCashflow"] is not None for row in rows)
    nothing = {"cashflow": 0.0, "publishedCashflow": 0.0 if published else None}
    count = max(0, int((end - start) / HALF_HOUR))
    grid = [start + place * HALF_HOUR for place in range(count)]
    half_hours = sorted({*grid, *known})
    return [known.get(at) or {"startTime": at, **nothing} for at in half_hours]


EMPTY = (
    "No acceptance in this day: BOALF has no rows for it, or none of a unit that is "
    "selected."
)
UNITS = Tile(
    name="balancing-units",
    title="Accepted by unit",
    sql="balancing_units.sql",
    datasets=DATASETS,
    parameters=_parameters,
    draw=_draw_units,
    empty=EMPTY,
    about="Computed from acceptances, notified levels and prices, minutes after the "
    "acceptance. Undone is what takes back an earlier one. A name selects a unit.",
    takes=("day", "batteries"),
    wide=True,
    every_seconds=120,
)
PUBLISHED_LATER = Tile(
    name="balancing-published",
    title="Computed now, published later",
    sql="balancing_published.sql",
    datasets=(*DATASETS, "BOAV", "EBOCF"),
    parameters=lambda selection, now: {
        **_parameters(selection, now),
        "unit": selection["unit"],
    },
    draw=_draw_published,
    empty=EMPTY,
    about="Cashflow by half-hour, of all units or of the one that is selected.",
    takes=("day", "batteries", "unit"),
    every_seconds=300,
)
