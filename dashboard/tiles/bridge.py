"""Bridge: whether it receives messages, and how long its secret is valid."""

import datetime as dt
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from dashboard.selection import Selection
from dashboard.sources import Sources
from dashboard.tile import Column, Drawing, Figure, Row, Tile
from dashboard.tiles.feed import span_text
from dashboard.warehouse import Rows
from gb_iris.failure import ReadError

# It answers at once, if it does.
ANSWER_SECONDS = 3.0
# `bridge/notices.py` warns from then on.
WARN_DAYS = 30


def _ask(sources: Sources, selection: Selection, now: dt.datetime) -> Rows:
    """A row for the bridge, and one for each of its queues."""
    if sources.bridge_url:
        return Rows(rows_of(_report(sources.bridge_url)), 0, 0.0)
    expires = sources.secret_expires()
    known = {"status": "not known here", "queue": "", "secret_expires": expires}
    return Rows([known] if expires else [], 0, 0.0)


def rows_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a report: a bridge of one queue has that alone."""
    queues = report.get("queues") or {"": report}
    return [
        {**each, "queue": name, "bridge": report["status"]}
        for name, each in queues.items()
    ]


def _report(url: str) -> dict[str, Any]:
    """What the bridge says of itself; an unhealthy one answers with 503.

    Raises:
        ReadError: It does not answer, or something else does.
    """
    address = f"{url.rstrip('/')}/healthz"
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - the user's own address
            text = answer.read()
    except urllib.error.HTTPError as error:
        text = error.read()
    except OSError:
        raise ReadError(f"the bridge does not answer at {url}: is it up?") from None
    try:
        report = json.loads(text)
        is_bridge = {"status", "reason"} <= report.keys()
    except (ValueError, AttributeError):
        is_bridge = False
    if not is_bridge:
        raise ReadError(f"at {url} there is something else than the bridge")
    return dict(report)


def _draw(rows: Sequence[Row], selection: Selection, now: dt.datetime) -> Drawing:
    figures = [Figure("Bridge", rows[0].get("bridge") or rows[0]["status"])]
    if newest := max(
        filter(None, (row.get("last_message") for row in rows)), default=""
    ):
        age = now - dt.datetime.fromisoformat(newest)
        figures.append(Figure("Last message", span_text(age), "ago"))
    days = [left for row in rows if (left := _days_left(row, now)) is not None]
    if days:
        figures.append(Figure("Secret", f"{min(days):,}", "days left"))
    if lost := sum(row.get("dead_letters") or 0 for row in rows):
        figures.append(Figure("Given up by the queue", f"{lost:,}", "messages"))
    lines = [line for row in rows for line in _lines(row)]
    columns = (Column("queue", "Queue"), Column("what", ""), Column("says", ""))
    note = _note(days)
    if not lines:
        return Drawing((), (), figures=figures, note=note)
    return Drawing(
        columns if rows[0]["queue"] else columns[1:], lines, (), figures, note
    )


def _lines(row: Row) -> Iterator[dict[str, Any]]:
    """What a reader should know of a queue, as far as there is something."""
    shared = "yes: each message goes to one of the two"
    for what, says in (
        ("problem", row.get("reason")),
        ("what to do", row.get("advice")),
        ("another client reads the queue", shared if row.get("queue_shared") else ""),
        ("last error", row.get("last_error")),
        ("at", row.get("last_error_time")),
    ):
        if says:
            yield {"queue": row["queue"], "what": what, "says": says}


def _days_left(row: Row, now: dt.datetime) -> int | None:
    expires = row.get("secret_expires")
    return (dt.date.fromisoformat(expires) - now.date()).days if expires else None


def _note(days: Sequence[int]) -> str:
    if not days:
        return "IRIS_SECRET_EXPIRES is not set: nothing warns before the secret ends."
    if min(days) <= WARN_DAYS:
        return "Renew the secret now: make a new one in Elexon's portal."
    return ""


BRIDGE = Tile(
    name="bridge",
    title="Bridge",
    datasets=(),
    draw=_draw,
    ask=_ask,
    empty="Where the bridge reports its health is not known here: start the dashboard "
    "with --bridge http://HOST:PORT, the bridge's HEALTH_PORT.",
    about="What the bridge says of itself, and how long its secret is valid.",
    takes=(),
    wide=True,
    every_seconds=10,
    live=False,
)
