"""Accepted volumes of one unit, second by second: a model that knows no SQL.

A half-hour is cut into seconds. In the middle of each, levels and ranges are looked up,
and what an acceptance moves inside each range is added up. Steps are at whole minutes,
and straight lines are right in their middle, so that little more than rounding is lost.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float64]
LONDON = ZoneInfo("Europe/London")
HALF_HOUR = timedelta(minutes=30)
SECONDS = 1800
_MIDDLES = np.arange(SECONDS) + 0.5
# Smaller volumes are those of the seconds in which two lines cross.
SMALLEST_MWH = 1e-4


@dataclass(frozen=True)
class Line:
    """A straight level, MW, between two instants."""

    begin: datetime
    end: datetime
    first: float
    last: float


@dataclass(frozen=True)
class Bid:
    """A segment of a bid-offer pair."""

    pair: int
    line: Line
    offer: float
    bid: float


@dataclass(frozen=True)
class Accepted:
    """One message about an acceptance: ORI, UPD or DEL."""

    number: int
    made: datetime
    lines: tuple[Line, ...]
    flag: str = "ORI"
    reserve: bool = False


@dataclass
class Unit:
    """What is known of a unit; acceptances in the order in which they arrived."""

    name: str
    notified: list[Line] = field(default_factory=list)
    bids: list[Bid] = field(default_factory=list)
    messages: list[Accepted] = field(default_factory=list)


@dataclass
class Volume:
    """MWh and GBP of an acceptance in a pair."""

    offer: float = 0.0
    bid: float = 0.0
    cash: float = 0.0
    beyond: float = 0.0


# Day, half-hour, acceptance, pair.
Key = tuple[date, int, int, int]


def half_hours(unit: Unit) -> Iterator[datetime]:
    """The starts of all half-hours that an acceptance touches."""
    begins = set()
    for message in unit.messages:
        for line in message.lines:
            start = line.begin - timedelta(minutes=line.begin.minute % 30)
            while start < line.end:
                begins.add(start)
                start += HALF_HOUR
    yield from sorted(begins)


def settlement_period(start: datetime) -> tuple[date, int]:
    """The settlement day and half-hour, counted one by one from local midnight."""
    day = start.astimezone(LONDON).date()
    at = datetime(day.year, day.month, day.day, tzinfo=LONDON).astimezone(UTC)
    period = 1
    while at < start:
        at += HALF_HOUR
        period += 1
    return day, period


def volumes(unit: Unit) -> dict[Key, Volume]:
    """What each acceptance moved in each pair."""
    found: dict[Key, Volume] = defaultdict(Volume)
    for start in half_hours(unit):
        day, period = settlement_period(start)
        notified = _levels(unit.notified, start)
        before = notified
        for accepted in _in_force(unit.messages):
            own = _levels(accepted.lines, start)
            after = np.where(np.isnan(own), before, own)
            if not accepted.reserve:
                for pair, one in _moved(unit.bids, start, notified, before, after):
                    key = (day, period, accepted.number, pair)
                    total = found[key]
                    total.offer += one.offer
                    total.bid += one.bid
                    total.cash += one.cash
                    total.beyond += one.beyond
            before = after
    return {
        key: one
        for key, one in found.items()
        if max(one.offer, -one.bid) > SMALLEST_MWH
    }


def asked_levels(unit: Unit, start: datetime) -> Levels:
    """What a unit is asked for in each second: the last acceptance, otherwise PN."""
    levels = _levels(unit.notified, start)
    for accepted in _in_force(unit.messages):
        own = _levels(accepted.lines, start)
        levels = np.where(np.isnan(own), levels, own)
    return levels


def _in_force(messages: Sequence[Accepted]) -> list[Accepted]:
    last = {(each.made, each.number): each for each in messages}
    return [last[key] for key in sorted(last) if last[key].flag != "DEL"]


def _levels(lines: Iterable[Line], start: datetime) -> Levels:
    """The level in each second of a half-hour; NaN where there is none."""
    levels = np.full(SECONDS, np.nan)
    for line in lines:
        begin = (line.begin - start).total_seconds()
        share = (_MIDDLES - begin) / (line.end - line.begin).total_seconds()
        inside = (share > 0) & (share < 1)
        levels[inside] = (line.first + (line.last - line.first) * share)[inside]
    return levels


def _moved(
    bids: Sequence[Bid],
    start: datetime,
    notified: Levels,
    before: Levels,
    after: Levels,
) -> Iterator[tuple[int, Volume]]:
    there = [one for one in bids if start <= one.line.begin < start + HALF_HOUR]
    pairs = sorted({one.pair for one in there})
    edge = {1: notified, -1: notified}
    for pair in sorted(pairs, key=abs):
        up = 1 if pair > 0 else -1
        sizes = _levels([one.line for one in there if one.pair == pair], start)
        near, far = edge[up], edge[up] + sizes
        edge[up] = far
        low, high = (near, far) if up > 0 else (far, near)
        closed = np.clip(after, low, high) - np.clip(before, low, high)
        open_low = np.where(pair == pairs[0], -np.inf, low)
        open_high = np.where(pair == pairs[-1], np.inf, high)
        # NaN where the unit has no notification or no bid.
        known = np.isfinite(low) & np.isfinite(high) & np.isfinite(before)
        moved = np.clip(after, open_low, open_high) - np.clip(
            before, open_low, open_high
        )
        moved, closed = np.where(known, moved, 0), np.where(known, closed, 0)
        prices = next(one for one in there if one.pair == pair)
        offer = moved[moved > 0].sum() / 3600
        bid = moved[moved < 0].sum() / 3600
        yield (
            pair,
            Volume(
                offer,
                bid,
                offer * prices.offer + bid * prices.bid,
                np.abs(moved - closed).sum() / 3600,
            ),
        )
