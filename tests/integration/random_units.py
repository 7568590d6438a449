"""Random units with everything that makes accepted volumes hard, and their rows."""

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.integration.settlement_model import (
    HALF_HOUR,
    Accepted,
    Bid,
    Line,
    Unit,
    settlement_period,
)

# A usual half-hour, midnights (winter, summer), and the hours of both clock changes.
CENTRES = (
    datetime(2026, 5, 6, 11, 0, tzinfo=UTC),
    datetime(2026, 1, 15, 0, 0, tzinfo=UTC),
    datetime(2026, 5, 6, 23, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 23, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 26, 0, 0, tzinfo=UTC),
)
FIRST_DAY, AFTER_DAY = (
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
)
MINUTE = timedelta(minutes=1)
Row = dict[str, Any]


def random_unit(name: str, seed: int) -> Unit:
    """A unit around one of the instants: ramps, overlaps, amendments and gaps."""
    chance = random.Random(seed)
    centre = CENTRES[seed % len(CENTRES)]
    unit = Unit(name)
    usual = chance.choice([0, 50, 200])
    for number in range(-2, 3):
        start = centre + number * HALF_HOUR
        if chance.random() < 0.95:
            unit.notified += _notified(chance, start, usual)
        if chance.random() < 0.95:
            unit.bids += _bids(chance, start)
    for number in range(1, chance.randint(1, 4) + 1):
        unit.messages += _acceptance(chance, centre, usual, 10 * number)
    return unit


def _cuts(chance: random.Random, most: int) -> list[int]:
    """Minutes at which a half-hour is cut, with its ends."""
    inner = chance.sample(range(1, 30), chance.randint(0, most))
    return [0, *sorted(inner), 30]


def _notified(chance: random.Random, start: datetime, usual: int) -> Iterator[Line]:
    cuts = _cuts(chance, 2)
    last = usual
    for begin, end in itertools.pairwise(cuts):
        first = last if chance.random() < 0.7 else usual + chance.randint(-30, 30)
        last = first if chance.random() < 0.5 else usual + chance.randint(-30, 30)
        yield Line(start + begin * MINUTE, start + end * MINUTE, first, last)


def _bids(chance: random.Random, start: datetime) -> Iterator[Bid]:
    above, below = chance.choice([(1, 1), (2, 1), (1, 3), (0, 2), (5, 5), (1, 0)])
    for pair in [*range(-below, 0), *range(1, above + 1)]:
        sign = 1 if pair > 0 else -1
        offer = float(chance.randint(-50, 200))
        bid = offer - chance.randint(0, 60)
        cuts = _cuts(chance, 1 if chance.random() < 0.3 else 0)
        for begin, end in itertools.pairwise(cuts):
            first = sign * chance.randint(0, 60)
            last = first if chance.random() < 0.8 else sign * chance.randint(0, 60)
            line = Line(start + begin * MINUTE, start + end * MINUTE, first, last)
            yield Bid(pair, line, offer, bid)


def _acceptance(
    chance: random.Random, centre: datetime, usual: int, number: int
) -> Iterator[Accepted]:
    """An acceptance, and for some of them what is said of it later."""
    made = centre - chance.choice([40, 40, 20]) * MINUTE
    reserve = chance.random() < 0.1
    said = Accepted(number, made, _profile(chance, centre, usual), "ORI", reserve)
    yield said
    while chance.random() < 0.3:
        yield Accepted(number, made, _profile(chance, centre, usual), "UPD", reserve)
    if chance.random() < 0.1:
        yield Accepted(number, made, said.lines, "DEL", reserve)


def _profile(chance: random.Random, centre: datetime, usual: int) -> tuple[Line, ...]:
    at = centre + chance.randint(-40, 20) * MINUTE
    level = usual + chance.randint(-20, 20)
    lines = []
    for _ in range(chance.randint(1, 4)):
        end = at + chance.randint(1, 25) * MINUTE
        after = chance.choice([level, usual + chance.randint(-150, 150)])
        lines.append(Line(at, end, level, after))
        at, level = end, after
    return tuple(lines)


def rows(unit: Unit) -> Iterator[tuple[str, Row]]:
    """The rows of the tables, each with its dataset."""
    for line in unit.notified:
        yield "PN", _of_half_hour(unit, line)
    for one in unit.bids:
        prices = {"pairId": one.pair, "offer": one.offer, "bid": one.bid}
        yield "BOD", _of_half_hour(unit, one.line) | prices
    for number, message in enumerate(unit.messages):
        for line in message.lines:
            yield "BOALF", acceptance_row(unit, message, line, number)


def acceptance_row(unit: Unit, message: Accepted, line: Line, number: int) -> Row:
    """A row of BOALF; messages are numbered as they arrive."""
    day, period = settlement_period(_half_hour_of(line.begin))
    last = settlement_period(_half_hour_of(line.end - MINUTE))[1]
    return _level(unit, line) | {
        "settlementDate": day.isoformat(),
        "settlementPeriodFrom": period,
        "settlementPeriodTo": last,
        "acceptanceNumber": message.number,
        "acceptanceTime": message.made.isoformat(),
        "amendmentFlag": message.flag,
        "soFlag": False,
        "deemedBoFlag": False,
        "storFlag": False,
        "rrFlag": message.reserve,
        "message_id": f"{unit.name} {number}",
        "enqueued_utc": (message.made + number * MINUTE).isoformat(),
    }


def _of_half_hour(unit: Unit, line: Line) -> Row:
    day, period = settlement_period(_half_hour_of(line.begin))
    return _level(unit, line) | {
        "settlementDate": day.isoformat(),
        "settlementPeriod": period,
        "message_id": "once",
    }


def _half_hour_of(instant: datetime) -> datetime:
    return instant - timedelta(minutes=instant.minute % 30)


def _level(unit: Unit, line: Line) -> Row:
    return {
        "nationalGridBmUnit": unit.name,
        "bmUnit": f"T_{unit.name}",
        "timeFrom": line.begin.isoformat(),
        "timeTo": line.end.isoformat(),
        "levelFrom": line.first,
        "levelTo": line.last,
    }
