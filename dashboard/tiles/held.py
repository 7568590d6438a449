"""Held back: dead letters by reason, unknown datasets and fields, and what to do."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from dashboard.selection import Selection
from dashboard.sources import Meter, Sources
from dashboard.tile import Column, Drawing, Figure, Row, Tile
from dashboard.warehouse import Rows
from sql.check.held import held, outcome_of
from sql.drift.unknown_datasets import unknown_datasets
from sql.drift.unknown_fields import unknown_fields

UNDECIDED = ("WAITING", "FAILED_AGAIN", "UNKNOWN_DATASET")
SAYS = {
    "WAITING": "waits",
    "FAILED_AGAIN": "failed again",
    "UNKNOWN_DATASET": "unknown dataset",
    "REPLAYED": "replayed",
    "ROW": "rows now",
    "OPENED": "opened",
}


def _ask_dead_letters(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    meter = Meter(sources.warehouse)
    rows = held(sources.context(meter, now), "DEAD_LETTER") or []
    return meter.rows(
        {
            **_counted(row),
            "reason": row.reason,
            "stage": row.stage,
            "sample": row.sample_error,
            "next": _next(sources, row),
        }
        for row in rows
    )


def _counted(row: Any) -> dict[str, Any]:
    return {
        "dataset": row.dataset,
        "state": SAYS[row.state],
        "is_undecided": row.state in UNDECIDED,
        "letters": row.letters,
        "first": row.first_utc,
        "last": row.last_utc,
    }


def _next(sources: Sources, row: Any) -> str:
    """The command that replays them, or what became of them."""
    if row.state not in UNDECIDED:
        return outcome_of(row)
    words = ["make replay", f"REASON={row.reason}"]
    if row.dataset:
        words.append(f"IRIS_DATASET={row.dataset}")
    return " ".join([*words, *sources.commands()])


def _figures(rows: Sequence[Row], what: str) -> tuple[Figure, ...]:
    waiting = sum(row["letters"] for row in rows if row["is_undecided"])
    others = sum(row["letters"] for row in rows) - waiting
    return (Figure("Waiting", f"{waiting:,}", what), Figure("Settled", f"{others:,}"))


def _draw_dead_letters(
    rows: Sequence[Row], selection: Selection, now: dt.datetime
) -> Drawing:
    columns = (
        Column("reason", "Reason"),
        Column("dataset", "Dataset"),
        Column("stage", "Step"),
        Column("letters", "Letters", "number"),
        Column("state", "State"),
        Column("last", "Last", "time"),
        Column("next", "When it is fixed", "code"),
        Column("sample", "For example"),
    )
    figures = _figures(rows, "records")
    return Drawing(columns, _undecided_first(rows), figures=figures)


def _undecided_first(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (not row["is_undecided"], -row["letters"]))


DEAD_LETTERS = Tile(
    name="dead-letters",
    title="Dead letters",
    datasets=(),
    draw=_draw_dead_letters,
    ask=_ask_dead_letters,
    empty="No dead letters: every record became a row.",
    about="Records and messages that could not become rows. Their bytes are kept.",
    takes=(),
    wide=True,
    every_seconds=60,
    project_seconds=600,
    live=False,
)


def _ask_unknown(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    meter = Meter(sources.warehouse)
    context = sources.context(meter, now)
    waiting = {
        row.dataset: row
        for row in held(context, "UNMAPPED") or []
        if row.state in UNDECIDED
    }
    client, path, registry = context.client, context.path, context.registry
    proposed = {new.name: new for new in unknown_datasets(client, path, registry)}
    return meter.rows(
        [
            *_datasets(waiting, proposed),
            *_fields(unknown_fields(client, path, registry)),
        ]
    )


def _datasets(
    waiting: dict[str, Any], proposed: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for name, row in waiting.items():
        new = proposed.get(name)
        yield {
            "name": name,
            "kind": "dataset",
            "letters": row.letters,
            "first": row.first_utc,
            "sample": "",
            "proposal": (new.problem or "a file of the registry") if new else "",
            "next": f"python -m sql drift --accept {name}" if new else "make replay",
        }


def _fields(fields: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for each in fields:
        name = f"{each.dataset}.{each.field}"
        kind = each.column.kind if each.column and not each.problem else None
        yield {
            "name": name,
            "kind": "field",
            "letters": each.rows,
            "first": each.first_seen,
            "sample": each.sample,
            "proposal": kind or each.problem,
            "next": f"python -m sql drift --accept {name}" if kind else "",
        }


def _draw_unknown(
    rows: Sequence[Row], selection: Selection, now: dt.datetime
) -> Drawing:
    columns = (
        Column("name", "Name"),
        Column("kind", "Is a"),
        Column("letters", "In", "number", "messages or rows"),
        Column("first", "Since", "time"),
        Column("sample", "For example"),
        Column("proposal", "Proposed"),
        Column("next", "To accept it", "code"),
    )
    datasets = sum(1 for row in rows if row["kind"] == "dataset")
    figures = (
        Figure("Datasets", f"{datasets}"),
        Figure("Fields", f"{len(rows) - datasets}"),
    )
    return Drawing(columns, rows, figures=figures)


UNKNOWN = Tile(
    name="unknown",
    title="Unknown datasets and fields",
    datasets=(),
    draw=_draw_unknown,
    ask=_ask_unknown,
    empty="The registry knows every dataset and every field that came.",
    about="What Elexon sends and the registry does not know: it is kept, and this is "
    "how to make columns and rows of it.",
    takes=(),
    wide=True,
    every_seconds=300,
    project_seconds=3_600,
    live=False,
)
