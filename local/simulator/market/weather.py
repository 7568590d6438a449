"""The weather: temperature, wind and sun."""

import math

from local.simulator.market.chance import wander
from local.simulator.market.figures import (
    DAILY_DEGREES,
    DAY_SECONDS,
    HOUR_SECONDS,
    LATITUDE_DEGREES,
    MEAN_DEGREES,
    SEASON_DEGREES,
    WEATHER_DEGREES,
    WIND_AVAILABLE,
    WIND_STEEPNESS,
    WIND_SUMMER,
    WIND_WINTER,
)
from local.simulator.market.instants import local_hour, winter

_WARMEST_HOUR = 15
_LONGEST_DAY = 172
_TILT_DEGREES = 23.44


def temperature(seed: int, at: int) -> float:
    """Degrees C, of the country as a whole."""
    season = SEASON_DEGREES * (1 - 2 * winter(at))
    hours = local_hour(at) - _WARMEST_HOUR
    daily = DAILY_DEGREES * math.cos(2 * math.pi * hours / 24)
    slow = wander(seed, "warmth", at, 60 * HOUR_SECONDS)
    fast = wander(seed, "warm hours", at, 9 * HOUR_SECONDS)
    return MEAN_DEGREES + season + daily + WEATHER_DEGREES * (slow + 0.35 * fast)


def wind_share(seed: int, region: int, at: int) -> float:
    """The share of their capacity that a region's wind farms generate."""
    weather = (
        0.62 * wander(seed, "wind", at, 38 * HOUR_SECONDS)
        + 0.24 * wander(seed, "gusts", at, 12 * HOUR_SECONDS)
        + 0.22 * wander(seed, f"wind {region}", at, 20 * HOUR_SECONDS)
        + 0.05 * wander(seed, f"gusts {region}", at, 3 * HOUR_SECONDS)
    )
    base = WIND_SUMMER + (WIND_WINTER - WIND_SUMMER) * winter(at)
    return WIND_AVAILABLE / (1 + math.exp(-(WIND_STEEPNESS * weather + base)))


def sun_share(seed: int, at: int) -> float:
    """The share of their capacity that solar panels generate."""
    day = at / DAY_SECONDS % 365.25
    tilt = math.cos(2 * math.pi * (day - _LONGEST_DAY) / 365.25)
    tilt = math.radians(_TILT_DEGREES) * tilt
    latitude = math.radians(LATITUDE_DEGREES)
    turn = 2 * math.pi * (at % DAY_SECONDS / DAY_SECONDS - 0.5)
    height = math.sin(latitude) * math.sin(tilt) + math.cos(latitude) * math.cos(
        tilt
    ) * math.cos(turn)
    if height <= 0:
        return 0.0
    clear = 0.5 + 0.5 * wander(seed, "sky", at, 26 * HOUR_SECONDS)
    return float(height**1.2 * (0.25 + 0.55 * clear))
