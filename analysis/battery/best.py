"""Best: the schedule that earns the most, by a mixed-integer programme (HiGHS).

In a half-hour the battery charges or discharges, never both. At a price from 0 on doing
both only loses energy, so that no variable is needed for it. At a negative price it
would be paid for what it loses, and a plain linear programme does that: there, a binary
variable says which of the two.

Variables, in units of what a half-hour moves: charged, discharged, and stored at the
end of each half-hour; then the binaries, 1 for charging.
"""

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp

from analysis.battery.schedule import (
    Battery,
    Floats,
    Integers,
    Schedule,
    require_finite,
    without_both,
)
from command.usage import UsageError

# Between schedules that earn the same, each MWh costs this much in GBP at the first
# half-hour, and twice as much at the last. Prices have steps of 0.01.
TIE = 1e-5
# HiGHS takes costs that differ by 1e-7 as equal. In thousandths of a GBP, a tie between
# two half-hours of a year is still 5e-7.
SCALE = 1e3


def best(prices: Floats, days: Integers, battery: Battery) -> Schedule:
    """The schedule that earns the most; it begins with an empty battery.

    Of schedules that earn the same it is the one that moves the least energy, and moves
    it early.

    Args:
        prices: By half-hour, in GBP/MWh.
        days: The number of each half-hour's day, for the limit of cycles.
        battery: Its limits.

    Raises:
        UsageError: A price is not a number, or the solver finds nothing.
    """
    require_finite(prices)
    count = prices.size
    found = _Problem(prices, days, battery).solve() * battery.step
    return without_both(found[:count], found[count : 2 * count], battery)


class _Problem:
    """The variables and the limits of a battery."""

    def __init__(self, prices: Floats, days: Integers, battery: Battery) -> None:
        count = prices.size
        negative = np.flatnonzero(prices < 0)
        tie = TIE * (1 + np.arange(count) / count)
        others = np.zeros(count + negative.size)
        self._cost = SCALE * np.concatenate([prices + tie, tie - prices, others])
        full = np.full(count, battery.energy / battery.step)
        most = np.concatenate([np.ones(2 * count), full, np.ones(negative.size)])
        self._bounds = Bounds(np.zeros_like(most), most)
        self._whole = np.concatenate([np.zeros(3 * count), np.ones(negative.size)])
        self._limits = [
            _balance(count, negative.size, battery.efficiency),
            _cycles(days, negative.size, battery.daily / battery.step),
            *_either(count, negative),
        ]

    def solve(self) -> Floats:
        """The variables of the least cost.

        Raises:
            UsageError: The solver finds none.
        """
        result: OptimizeResult = milp(
            self._cost,
            integrality=self._whole,
            bounds=self._bounds,
            constraints=self._limits,
            options={"mip_rel_gap": 0.0},
        )
        if not result.success:
            raise UsageError(f"no schedule was found: {result.message}")
        found: Floats = result.x
        return found


def _balance(count: int, binaries: int, efficiency: float) -> LinearConstraint:
    """What is stored is what was stored, and what comes in, less what goes out."""
    one = sparse.eye_array(count)
    change = one - sparse.eye_array(count, k=-1)
    none = sparse.coo_array((count, binaries))
    matrix = sparse.hstack([-efficiency * one, one, change, none], format="csc")
    return LinearConstraint(matrix, 0.0, 0.0)


def _cycles(days: Integers, binaries: int, daily: float) -> LinearConstraint:
    """A day delivers so much at most."""
    count = days.size
    _, number = np.unique(days, return_inverse=True)
    of_day = sparse.coo_array((np.ones(count), (number, np.arange(count))))
    before = sparse.coo_array((of_day.shape[0], count))
    after = sparse.coo_array((of_day.shape[0], count + binaries))
    matrix = sparse.hstack([before, of_day, after], format="csc")
    return LinearConstraint(matrix, ub=daily)


def _either(count: int, negative: Integers) -> list[LinearConstraint]:
    """At a negative price: charged <= binary, and discharged <= 1 - binary."""
    if not negative.size:
        return []
    shape = (negative.size, count)
    rows = np.arange(negative.size)
    chosen = sparse.coo_array((np.ones(negative.size), (rows, negative)), shape=shape)
    none, binary = sparse.coo_array(shape), sparse.eye_array(negative.size)
    charging = sparse.hstack([chosen, none, none, -binary], format="csc")
    discharging = sparse.hstack([none, chosen, none, binary], format="csc")
    return [LinearConstraint(charging, ub=0.0), LinearConstraint(discharging, ub=1.0)]
