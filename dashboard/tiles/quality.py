"""Quality: what `python -m sql check` says of duplicates and of the ledger."""

import datetime as dt
from collections.abc import Sequence

from dashboard.selection import Selection
from dashboard.sources import Meter, Sources
from dashboard.tile import Column, Drawing, Figure, Row, Tile
from dashboard.warehouse import Rows
from sql.check import duplicates, ledger
from sql.check.context import Status

CHECKS = (duplicates, ledger)
WORST_FIRST = (Status.FAIL, Status.WARN, Status.INFO, Status.OK)


def _ask(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    meter = Meter(sources.warehouse)
    context = sources.context(meter, now)
    return meter.rows(
        {
            "check": result.check.replace("_", " "),
            "dataset": result.dataset or "all",
            "status": str(result.status),
            "order": WORST_FIRST.index(result.status),
            "measured": result.measured,
            "unit": result.unit,
            "detail": result.detail,
        }
        for check in CHECKS
        for result in check.check(context)
    )


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    found = sorted((row for row in rows if row["status"] != "ok"), key=_order)
    figures = tuple(
        Figure(title, f"{sum(1 for row in rows if row['status'] == status):,}")
        for title, status in (("Failed", "fail"), ("Warnings", "warn"), ("Ok", "ok"))
    )
    columns = (
        Column("status", "Result"),
        Column("check", "Check"),
        Column("dataset", "Dataset"),
        Column("measured", "Found", "number"),
        Column("unit", ""),
        Column("detail", "Detail"),
    )
    if not found:
        note = "Nothing was found: no identical rows, and a balanced ledger."
        return Drawing((), (), figures=figures, note=note)
    return Drawing(columns, found, figures=figures)


def _order(row: Row) -> tuple[int, str, str]:
    return row["order"], row["check"], row["dataset"]


QUALITY = Tile(
    name="quality",
    title="Duplicates and the ledger",
    datasets=(),
    draw=_draw,
    ask=_ask,
    empty="There are no tables to check: python -m sql apply creates them.",
    about="What these two checks say of the last day. All of them: make check.",
    takes=(),
    wide=True,
    every_seconds=900,
    project_seconds=3_600,
    live=False,
)
