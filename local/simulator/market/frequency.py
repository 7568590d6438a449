"""System frequency."""

from local.simulator.market.chance import wander
from local.simulator.market.figures import HZ_BOUNDS, NOMINAL_HZ, WANDER_HZ


def frequency(seed: int, at: int) -> float:
    """Hz, to the millihertz."""
    moved = sum(
        size * wander(seed, f"frequency {period}", at, period)
        for period, size in WANDER_HZ
    )
    low, high = HZ_BOUNDS
    return round(min(high, max(low, NOMINAL_HZ + moved)), 3)
