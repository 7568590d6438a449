"""Units made up by hand, whose accepted volumes are easy to work out."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.settlement_model import Accepted, Bid, Line, Unit

START = datetime(2026, 5, 6, 11, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def line(begin: int, end: int, first: float, last: float | None = None) -> Line:
    """A level between two minutes after 11:00, which is 12:00 in Great Britain."""
    return Line(
        START + begin * MINUTE,
        START + end * MINUTE,
        first,
        first if last is None else last,
    )


def battery(*messages: Accepted, notified: Line | None = None) -> Unit:
    """A unit at 100 MW that offers two pairs up and one down, from 12:00 to 12:30."""
    whole = line(0, 30, 0)
    sizes = ((-1, -60, 70.0, 60.0), (1, 50, 90.0, 80.0), (2, 40, 120.0, 110.0))
    bids = [
        Bid(pair, Line(whole.begin, whole.end, size, size), offer, bid)
        for pair, size, offer, bid in sizes
    ]
    return Unit("U-1", [notified or line(0, 30, 100)], bids, list(messages))


def accepted(number: int, *lines: Line, **more: Any) -> Accepted:
    return Accepted(number, START - 20 * MINUTE, lines, **more)


def around(midnight: str, *messages: tuple[int, int, str]) -> Unit:
    """A unit of one pair, accepted 20 MW up between minutes around midnight."""
    at = datetime.fromisoformat(midnight).replace(tzinfo=UTC)
    wholes = [
        Line(at + start * MINUTE, at + (start + 30) * MINUTE, 100, 100)
        for start in (-30, 0)
    ]
    bids = [Bid(1, Line(one.begin, one.end, 50, 50), 90.0, 80.0) for one in wholes]
    said = [
        Accepted(
            7,
            at - 60 * MINUTE,
            (Line(at + begin * MINUTE, at + end * MINUTE, 120, 120),),
            flag,
        )
        for begin, end, flag in messages
    ]
    return Unit("", wholes, bids, said)
