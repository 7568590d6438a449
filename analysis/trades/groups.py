"""Groups: half-hours of a unit, put together by hour, price or frequency."""

import bisect
import datetime as dt
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from analysis.days import clock_of

# GBP/MWh, and Hz: a band reaches from one edge until before the next.
PRICE_EDGES = (0, 25, 50, 75, 100, 150, 200)
FREQUENCY_EDGES = (49.9, 49.95, 50, 50.05, 50.1)
UNKNOWN = "unknown"


@dataclass(slots=True)
class HalfHour:
    """A half-hour, and what a unit was accepted for in it.

    Attributes:
        start: In UTC.
        price: The system price; NaN if it is not known.
        frequency: The mean; NaN if it is not known.
        acceptances: How many have a volume.
        offered: MWh, 0 or above.
        offer_cost: GBP that the unit is paid for it.
        bid: MWh, 0 or below.
        bid_cost: GBP that the unit is paid for it; usually below 0.
    """

    start: dt.datetime
    price: float = math.nan
    frequency: float = math.nan
    acceptances: int = 0
    offered: float = 0.0
    offer_cost: float = 0.0
    bid: float = 0.0
    bid_cost: float = 0.0


@dataclass(slots=True)
class Group:
    """Half-hours of one kind."""

    name: str
    half_hours: Sequence[HalfHour]

    @property
    def accepted(self) -> int:
        """In how many the unit was accepted."""
        return sum(each.acceptances > 0 for each in self.half_hours)

    @property
    def share(self) -> float | None:
        """In which share of them, from 0 to 1; None if there are none."""
        count = len(self.half_hours)
        return self.accepted / count if count else None

    @property
    def offered(self) -> float:
        return math.fsum(each.offered for each in self.half_hours)

    @property
    def bid(self) -> float:
        return math.fsum(each.bid for each in self.half_hours)

    @property
    def cashflow(self) -> float:
        return math.fsum(each.offer_cost + each.bid_cost for each in self.half_hours)

    @property
    def offer_price(self) -> float | None:
        """Weighted by volume; None if nothing was offered."""
        cost = sum(each.offer_cost for each in self.half_hours)
        return cost / self.offered if self.offered else None

    @property
    def bid_price(self) -> float | None:
        """Weighted by volume; None if nothing was bid."""
        cost = sum(each.bid_cost for each in self.half_hours)
        return cost / self.bid if self.bid else None


def by_hour(half_hours: Iterable[HalfHour]) -> list[Group]:
    """24 groups, by the clock in Great Britain."""
    names = [f"{hour:02d}:00" for hour in range(24)]
    return _groups(half_hours, names, lambda each: f"{clock_of(each.start)[:2]}:00")


def by_price(half_hours: Iterable[HalfHour]) -> list[Group]:
    """Groups of the system price, and the half-hours without one."""
    names = _bands(PRICE_EDGES)
    return _groups(
        half_hours, names, lambda each: _band(each.price, PRICE_EDGES, names)
    )


def by_frequency(half_hours: Iterable[HalfHour]) -> list[Group]:
    """Groups of the mean frequency, and the half-hours without one."""
    names = _bands(FREQUENCY_EDGES)
    return _groups(
        half_hours, names, lambda each: _band(each.frequency, FREQUENCY_EDGES, names)
    )


def _bands(edges: Sequence[float]) -> list[str]:
    middle = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]}", *middle, f"from {edges[-1]}", UNKNOWN]


def _band(value: float, edges: Sequence[float], names: Sequence[str]) -> str:
    return UNKNOWN if math.isnan(value) else names[bisect.bisect_right(edges, value)]


def _groups(
    half_hours: Iterable[HalfHour],
    names: Sequence[str],
    name_of: Callable[[HalfHour], str],
) -> list[Group]:
    found: dict[str, list[HalfHour]] = {name: [] for name in names}
    for each in half_hours:
        found[name_of(each)].append(each)
    return [Group(name, inside) for name, inside in found.items()]
