"""Forecasts: the truth, missed by more the further it is away."""

from local.simulator.market.chance import wander
from local.simulator.market.figures import HOUR_SECONDS

# The typical relative miss at once and after two days; wind is harder.
_DEMAND_MISS = (0.008, 0.022)
_WIND_MISS = (0.05, 0.28)
_FULL_MISS_SECONDS = 48 * HOUR_SECONDS


def demand_factor(seed: int, published: int, at: int) -> float:
    """What a forecast of demand multiplies the truth by."""
    return _factor(seed, "demand", _DEMAND_MISS, published, at)


def wind_factor(seed: int, published: int, at: int) -> float:
    """What a forecast of wind multiplies the truth by."""
    return _factor(seed, "wind", _WIND_MISS, published, at)


def _factor(
    seed: int, what: str, miss: tuple[float, float], published: int, at: int
) -> float:
    """Publications agree about most of the miss: they are made by one model."""
    ahead = min(1.0, max(0.0, (at - published) / _FULL_MISS_SECONDS))
    shared = wander(seed, f"{what} missed", at, 9 * HOUR_SECONDS)
    own = wander(seed, f"{what} missed {published}", at, 6 * HOUR_SECONDS)
    near, far = miss
    return 1 + (near + (far - near) * ahead) * (0.75 * shared + 0.4 * own)
