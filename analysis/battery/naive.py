"""Naive: the schedule of an operator who expects the prices of yesterday."""

import math
from collections.abc import Sequence

import numpy as np

from analysis.battery.schedule import (
    Battery,
    Floats,
    Integers,
    Schedule,
    require_finite,
)


def naive(
    prices: Floats, days: Integers, clocks: Sequence[str], battery: Battery
) -> Schedule:
    """Charges at the times that were cheapest yesterday, discharges at the dearest.

    As many half-hours as the daily cycles need, at most half of the day each; of equal
    prices the earlier one charges and the later one discharges. It begins empty, stops
    when it is full or empty, and keeps what is left for the next day. It does
    nothing on a day if the day before has no prices.

    Args:
        prices: By half-hour, in GBP/MWh, in order of time.
        days: The number of each half-hour's day.
        clocks: What the clock shows at each half-hour: `17:30`.
        battery: Its limits.

    Raises:
        UsageError: A price is not a number.
    """
    require_finite(prices)
    charged, discharged = np.zeros(prices.size), np.zeros(prices.size)
    stored = 0.0
    for day in np.unique(days):
        cheap, dear = _times(
            prices, np.flatnonzero(days == day - 1).tolist(), clocks, battery
        )
        left = battery.daily
        for number in np.flatnonzero(days == day).tolist():
            if clocks[number] in cheap:
                room = (battery.energy - stored) / battery.efficiency
                charged[number] = max(0.0, min(battery.step, room))
                stored += battery.efficiency * charged[number]
            elif clocks[number] in dear:
                discharged[number] = max(0.0, min(battery.step, stored, left))
                stored -= discharged[number]
                left -= discharged[number]
    return Schedule(charged, discharged)


def _times(
    prices: Floats, yesterday: list[int], clocks: Sequence[str], battery: Battery
) -> tuple[set[str], set[str]]:
    """When yesterday was cheapest, and when it was dearest."""
    order = sorted(yesterday, key=lambda number: (prices[number], number))
    half = len(order) // 2
    delivering = battery.daily / battery.step
    cheap = order[: min(half, math.ceil(delivering / battery.efficiency))]
    dear = order[len(order) - min(half, math.ceil(delivering)) :]
    return {clocks[number] for number in cheap}, {clocks[number] for number in dear}
