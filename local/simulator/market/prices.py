"""The price of the market index, and the prices at which units offer and bid."""

from dataclasses import dataclass
from functools import lru_cache

from local.simulator.market.chance import between, wander
from local.simulator.market.dispatch import plan
from local.simulator.market.figures import (
    DAY_SECONDS,
    EMPTY_GAS_MW,
    GAS_PRICE,
    GAS_PRICE_SWING,
    HALF_HOUR_SECONDS,
    HOUR_SECONDS,
    SCARCITY_PRICE,
    SURPLUS_PRICE,
    TYPICAL_GAS_MW,
)
from local.simulator.market.outages import available
from local.simulator.market.units import BATTERY, INTERCONNECTORS, Unit

# A surplus of wind of this many MW takes another `SURPLUS_PRICE` off.
_SURPLUS_MW = 3_000

# How far from the index price the first offer and the first bid of a unit are, GBP/MWh:
# the lowest and the highest.
_DISTANCES = {
    "CCGT": (9.0, 45.0),
    "PS": (12.0, 48.0),
    BATTERY: (8.0, 38.0),
    "BIOMASS": (25.0, 70.0),
    "NPSHYD": (20.0, 60.0),
    "OCGT": (160.0, 380.0),
}
# Wind farms lose their subsidy when they are turned down: they bid below zero.
_WIND_BIDS = (-92.0, -18.0)
_WIND_OFFERS = (180.0, 400.0)
_STEP = (6.0, 20.0)
_WITHIN_PAIR = (0.5, 4.0)


@dataclass(frozen=True)
class Pair:
    """A bid-offer pair of a unit in a half-hour.

    Attributes:
        number: 1 and above for more, -1 and below for less.
        level: MW from the end of the pair before it; below 0 for negative pairs.
        offer: GBP/MWh.
        bid: GBP/MWh.
    """

    number: int
    level: int
    offer: float
    bid: float


@lru_cache(maxsize=400)
def index_price(seed: int, number: int) -> float:
    """The market index of a half-hour, GBP/MWh."""
    at = number * HALF_HOUR_SECONDS
    market = plan(seed, number)
    gas = market.by_fuel["CCGT"]
    price = GAS_PRICE + GAS_PRICE_SWING * wander(seed, "gas price", at, 6 * DAY_SECONDS)
    price += 5 * wander(seed, "index", at, 3 * HOUR_SECONDS)
    price += SCARCITY_PRICE * max(0.0, gas / TYPICAL_GAS_MW - 0.6)
    price -= SURPLUS_PRICE * max(0.0, 1 - gas / EMPTY_GAS_MW)
    return round(price - SURPLUS_PRICE * market.surplus / _SURPLUS_MW, 2)


@lru_cache(maxsize=256)
def pairs(seed: int, unit: Unit, number: int) -> tuple[Pair, ...]:
    """The bid-offer pairs of a unit, from the lowest; none if it takes no part."""
    if unit.fuel == "WIND":
        return _wind_pairs(seed, unit)
    if unit.fuel not in _DISTANCES:
        return ()
    index, at = index_price(seed, number), number * HALF_HOUR_SECONDS
    day = at // DAY_SECONDS
    low, high = _DISTANCES[unit.fuel]
    offer = index + between(seed, f"offer {unit.name}", day, low, high)
    bid = index - between(seed, f"bid {unit.name}", day, low, min(high, 45.0))
    step = between(seed, f"step {unit.name}", day, *_STEP)
    within = between(seed, f"within {unit.name}", day, *_WITHIN_PAIR)
    half = (unit.capacity + 1) // 2
    return (
        _pair(-2, -unit.capacity, bid - step, within),
        _pair(-1, -half, bid, within),
        _pair(1, half, offer, within),
        _pair(2, unit.capacity, offer + step, within),
    )


def takes_part(unit: Unit) -> bool:
    """Whether a unit submits bids and offers."""
    return unit.fuel == "WIND" or unit.fuel in _DISTANCES


def export_limit(seed: int, unit: Unit, at: int) -> int:
    """The maximum export limit, MW."""
    return available(seed, unit, at)


def import_limit(seed: int, unit: Unit, at: int) -> int:
    """The maximum import limit, MW: below 0, or 0 for units that never import."""
    return -min(unit.import_capacity, available(seed, unit, at))


def is_interconnector(unit: Unit) -> bool:
    return unit.fuel in INTERCONNECTORS


def _wind_pairs(seed: int, unit: Unit) -> tuple[Pair, ...]:
    bid = between(seed, f"bid {unit.name}", 0, *_WIND_BIDS)
    offer = between(seed, f"offer {unit.name}", 0, *_WIND_OFFERS)
    return (
        _pair(-1, -unit.capacity, bid, 0.0),
        _pair(1, unit.capacity, offer, 0.0),
    )


def _pair(number: int, level: int, price: float, within: float) -> Pair:
    """The price is that of the side which is usually accepted."""
    offer, bid = (price, price - within) if number > 0 else (price + within, price)
    return Pair(number, level, round(offer, 2), round(bid, 2))
