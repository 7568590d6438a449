"""Schedule: when a battery charges and discharges; arrays in, arrays out."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from command.usage import UsageError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HOURS = 0.5
# A solver's zero, in MWh: it works to 1e-7 of what a half-hour can move.
NOTHING = 1e-6


class Battery(NamedTuple):
    """A battery.

    Attributes:
        power: MW, of charging and of discharging, both at the meter.
        energy: MWh that a full battery delivers.
        efficiency: Of a round trip. What is lost is lost when charging.
        cycles: How many times a day `energy` may be delivered.
    """

    power: float
    energy: float
    efficiency: float
    cycles: float

    @property
    def step(self) -> float:
        """MWh that a half-hour moves at most."""
        return self.power * HOURS

    @property
    def daily(self) -> float:
        """MWh that a day delivers at most."""
        return self.cycles * self.energy


class Schedule(NamedTuple):
    """What a battery does, by half-hour in MWh at the meter."""

    charged: Floats
    discharged: Floats

    def revenue(self, prices: Floats) -> Floats:
        """GBP by half-hour; below 0 where it pays."""
        return prices * (self.discharged - self.charged)

    def stored(self, battery: Battery) -> Floats:
        """MWh in the battery at the end of each half-hour; it begins empty."""
        return np.cumsum(battery.efficiency * self.charged - self.discharged)


def require_finite(prices: Floats) -> None:
    """Makes sure that each price is a number; a solver would run with others.

    Raises:
        UsageError: One is not.
    """
    wrong = np.flatnonzero(~np.isfinite(prices))
    if wrong.size:
        raise UsageError(
            f"price {wrong[0] + 1} of {prices.size} is {prices[wrong[0]]}, which is "
            "not a number: leave out half-hours without a price"
        )


def without_both(charged: Floats, discharged: Floats, battery: Battery) -> Schedule:
    """The schedule without what a half-hour charges and discharges at once.

    What is stored stays the same. At prices from 0 on this never costs anything.
    """
    both = np.minimum(discharged, battery.efficiency * charged)
    return Schedule(
        _clean(charged - both / battery.efficiency, battery.step),
        _clean(discharged - both, battery.step),
    )


def _clean(moved: Floats, most: float) -> Floats:
    moved = np.clip(moved, 0.0, most)
    moved[moved < NOTHING * most] = 0.0
    return moved
