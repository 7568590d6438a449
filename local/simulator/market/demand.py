"""Demand, and how far the market misses it."""

from local.simulator.market.chance import wander
from local.simulator.market.figures import (
    DEMAND_NOISE_MW,
    HALF_HOUR_SECONDS,
    HEATING_MW_PER_DEGREE,
    HOUR_SECONDS,
    IMBALANCE_FAST_MW,
    IMBALANCE_SLOW_MW,
    MILD_DEGREES,
    SOLAR_MW,
    STATION_LOAD_MW,
    SUMMER_DEMAND_MW,
    WEEKEND_FACTOR,
    WEEKEND_SHAPE,
    WINTER_DEMAND_MW,
    WORKING_DAY_SHAPE,
)
from local.simulator.market.instants import is_holiday, local_day, local_hour, winter
from local.simulator.market.weather import sun_share, temperature


def national_demand(seed: int, at: int) -> float:
    """What INDO measures, MW: embedded solar has lowered it."""
    mean = SUMMER_DEMAND_MW + (WINTER_DEMAND_MW - SUMMER_DEMAND_MW) * winter(at)
    cold = max(0.0, MILD_DEGREES - temperature(seed, at))
    heating = HEATING_MW_PER_DEGREE * (cold - MILD_DEGREES / 3)
    noise = wander(seed, "demand", at, 2.5 * HOUR_SECONDS) + 0.3 * wander(
        seed, "kettles", at, 0.4 * HOUR_SECONDS
    )
    return (
        mean * _shape(at)
        + heating
        - SOLAR_MW * sun_share(seed, at)
        + DEMAND_NOISE_MW * noise
    )


def required(seed: int, at: int) -> float:
    """What generation and imports deliver, MW, less exports and pumping."""
    return national_demand(seed, at) + STATION_LOAD_MW


def imbalance(seed: int, at: int) -> float:
    """What is missing from the notified plan, MW; below 0: too much."""
    slow = wander(seed, "imbalance", at, 3.2 * HOUR_SECONDS)
    fast = wander(seed, "fast imbalance", at, 0.9 * HOUR_SECONDS)
    return IMBALANCE_SLOW_MW * slow + IMBALANCE_FAST_MW * fast


def mean_demand(seed: int, number: int) -> float:
    """National demand over a half-hour, MW, by its number."""
    middle = number * HALF_HOUR_SECONDS + HALF_HOUR_SECONDS // 2
    return national_demand(seed, middle)


def _shape(at: int) -> float:
    holiday = is_holiday(local_day(at))
    shape = WEEKEND_SHAPE if holiday else WORKING_DAY_SHAPE
    hour, part = divmod(local_hour(at), 1)
    now, then = shape[int(hour)], shape[(int(hour) + 1) % len(shape)]
    return (now + (then - now) * part) * (WEEKEND_FACTOR if holiday else 1)
