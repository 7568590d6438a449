"""Who generates: the level of every unit at each half-hour, and generation by fuel.

What the market notifies is a plan: demand less the imbalance, met by wind, nuclear and
the other steady fuels, then interconnectors, and gas for what is left. In what happens,
gas also covers the imbalance.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from local.simulator.market.chance import draw, wander
from local.simulator.market.demand import imbalance, required
from local.simulator.market.figures import (
    BATTERY_EFFICIENCY,
    BIOMASS_SHARE,
    BIOMASS_SWING,
    DAY_SECONDS,
    FULL_IMPORT_SPAN_MW,
    GAS_FLOOR_MW,
    HALF_HOUR_SECONDS,
    HOUR_SECONDS,
    HYDRO_SHARE,
    HYDRO_SWING,
    NEUTRAL_RESIDUAL_MW,
    NOTIFIED_SHARE,
    NUCLEAR_SHARE,
    OTHER_SHARE,
    OTHER_SWING,
    PUMPED_STORAGE_EFFICIENCY,
    SMALL_PLANTS_MW,
    STABLE_SHARE,
)
from local.simulator.market.instants import local_hour
from local.simulator.market.outages import available
from local.simulator.market.units import (
    BATTERY,
    FUELS,
    INTERCONNECTORS,
    UNITS,
    UNITS_OF,
    Unit,
)
from local.simulator.market.weather import wind_share

Level = Callable[[int, Unit, int], int]
"""The level of a unit at an instant, MW, by the seed."""

SAMPLES_OF_HALF_HOUR = 6
SAMPLE_SECONDS = 300

# How much each interconnector leans to import (above 0) or export.
_LEANS = {
    "INTNSL": 0.35,
    "INTFR": 0.2,
    "INTELEC": 0.15,
    "INTIFA2": 0.1,
    "INTIRL": -0.55,
    "INTEW": -0.6,
    "INTGRNL": -0.6,
}
# When storage fills and empties: by local hour, below 0 is pumping.
_STORAGE_SHAPE = (
    *(-0.7, -0.85, -0.9, -0.9, -0.85, -0.6, 0.05, 0.3, 0.25, 0.05, 0.0, -0.1),
    *(-0.2, -0.3, -0.3, -0.1, 0.35, 0.8, 0.9, 0.75, 0.45, 0.15, 0.0, -0.35),
)
# Storage units act one after the other as the signal grows.
_THRESHOLDS = (0.08, 0.75)


@dataclass(frozen=True)
class Plan:
    """What is notified for an instant between two half-hours.

    Attributes:
        levels: The level of each unit, MW, in the order of `UNITS`.
        by_fuel: Their sums by fuel code.
        surplus: MW of wind that had to be taken back because nobody needs them.
    """

    levels: tuple[int, ...]
    by_fuel: dict[str, int]
    surplus: int


@lru_cache(maxsize=400)
def plan(seed: int, number: int) -> Plan:
    """The plan for the beginning of a half-hour."""
    at = number * HALF_HOUR_SECONDS
    levels: dict[Unit, int] = {}
    for fuel, level in _STEADY.items():
        levels |= {unit: level(seed, unit, at) for unit in UNITS_OF[fuel]}
    target = round(required(seed, at) - imbalance(seed, at)) - SMALL_PLANTS_MW
    residual = target - sum(levels.values())
    levels |= _flows(seed, at, residual)
    gas = target - sum(levels.values())
    surplus = 0
    if gas < GAS_FLOOR_MW:
        gas, surplus = GAS_FLOOR_MW, _take_back(seed, at, levels, GAS_FLOOR_MW - gas)
    else:
        gas -= _import_more(seed, at, levels, gas - _gas_available(seed, at))
    levels |= _gas_levels(seed, at, gas)
    by_fuel = dict.fromkeys(FUELS, 0)
    for unit, level_mw in levels.items():
        by_fuel[unit.fuel_code] += level_mw
    return Plan(tuple(levels[unit] for unit in UNITS), by_fuel, surplus)


@lru_cache(maxsize=300)
def generation(seed: int, at: int) -> dict[str, int]:
    """What FUELINST shows: MW by fuel at an instant, imports above 0.

    In sum it is what is required.
    """
    number, into = divmod(at, HALF_HOUR_SECONDS)
    now, then = plan(seed, number).by_fuel, plan(seed, number + 1).by_fuel
    share = into / HALF_HOUR_SECONDS
    values = {fuel: now[fuel] + (then[fuel] - now[fuel]) * share for fuel in FUELS}
    values["WIND"] *= 1 + 0.025 * wander(seed, "wind now", at, 1.3 * HOUR_SECONDS)
    values["OTHER"] += SMALL_PLANTS_MW
    values["NUCLEAR"] += 8 * wander(seed, "nuclear now", at, HOUR_SECONDS)
    rounded = {fuel: round(value) for fuel, value in values.items()}
    rounded["CCGT"] = 0
    gas = round(required(seed, at)) - sum(rounded.values())
    rounded["CCGT"] = max(gas, GAS_FLOOR_MW // 2)
    rounded["WIND"] -= rounded["CCGT"] - gas
    return rounded


@lru_cache(maxsize=400)
def mean_generation(seed: int, number: int) -> dict[str, int]:
    """What FUELHH shows: the mean of a half-hour's values of FUELINST, MW."""
    first = number * HALF_HOUR_SECONDS
    samples = [
        generation(seed, first + step * SAMPLE_SECONDS)
        for step in range(SAMPLES_OF_HALF_HOUR)
    ]
    return {
        fuel: round(sum(sample[fuel] for sample in samples) / SAMPLES_OF_HALF_HOUR)
        for fuel in FUELS
    }


def level(seed: int, unit: Unit, number: int) -> int:
    """The level that a unit has notified for the beginning of a half-hour, MW."""
    return plan(seed, number).levels[unit.index]


def storage_signal(seed: int, unit: Unit, at: int) -> float:
    """How much a unit of storage wants to empty (above 0) or fill, -1 to 1."""
    hour, part = divmod(local_hour(at), 1)
    now = _STORAGE_SHAPE[int(hour)]
    then = _STORAGE_SHAPE[(int(hour) + 1) % len(_STORAGE_SHAPE)]
    own = wander(seed, f"storage {unit.name}", at, 2.2 * HOUR_SECONDS)
    return now + (then - now) * part + 0.25 * own


def _wind(seed: int, unit: Unit, at: int) -> int:
    own = 0.06 * wander(seed, f"wind {unit.name}", at, 2 * HOUR_SECONDS)
    share = max(0.0, wind_share(seed, unit.region, at) * (1 + own))
    return min(round(share * unit.capacity), available(seed, unit, at))


def _nuclear(seed: int, unit: Unit, at: int) -> int:
    return round(NUCLEAR_SHARE * available(seed, unit, at))


def _swinging(share: float, swing: float, period_hours: float) -> Level:
    def level_of(seed: int, unit: Unit, at: int) -> int:
        own = wander(seed, f"level {unit.name}", at, period_hours * HOUR_SECONDS)
        return round((share + swing * own) * available(seed, unit, at))

    return level_of


def _pumped_storage(seed: int, unit: Unit, at: int) -> int:
    """Turbines run as they are needed; pumps at full load, for what turbines take."""
    wanted = _turbines_or_pumps(seed, unit, at)
    pumping, share = _cycle(seed, unit, _day(at))
    if wanted > 0:
        return int(wanted * share)
    return wanted if at in pumping else 0


def _turbines_or_pumps(seed: int, unit: Unit, at: int) -> int:
    signal, threshold = storage_signal(seed, unit, at), _threshold(unit)
    full = available(seed, unit, at)
    if signal < -threshold:
        return -full
    share = min(1.0, max(0.0, 2 * (signal - threshold)))
    return int(full * share / 5) * 5 if share > 0.2 else 0


@lru_cache(maxsize=200)
def _cycle(seed: int, unit: Unit, day: int) -> tuple[frozenset[int], float]:
    """When pumps run, at the instants that want it most, and the turbines' share."""
    levels = {at: _turbines_or_pumps(seed, unit, at) for at in _instants(day)}
    emptied = _sum_above_zero(levels.values())
    filled, needed = 0, emptied / PUMPED_STORAGE_EFFICIENCY
    pumping = set()
    for at in sorted(levels, key=lambda at: storage_signal(seed, unit, at)):
        if levels[at] < 0 and filled < needed:
            pumping.add(at)
            filled -= levels[at]
    return frozenset(pumping), min(1.0, filled / needed) if emptied else 1.0


def _battery(seed: int, unit: Unit, at: int) -> int:
    """Empties or fills at full or half power, in cycles of its own.

    What a day empties is what it fills, less the loss.
    """
    wanted = _trade(seed, unit, at)
    emptied, filled = _traded(seed, unit, _day(at))
    kept = filled * BATTERY_EFFICIENCY
    if wanted > 0:
        return int(wanted * min(1.0, kept / emptied))
    return round(wanted * min(1.0, emptied / kept)) if wanted else 0


def _trade(seed: int, unit: Unit, at: int) -> int:
    signal = storage_signal(seed, unit, at) + 0.9 * (
        draw(seed, f"trade {unit.name}", at // HALF_HOUR_SECONDS) - 0.5
    )
    if abs(signal) < 0.35:
        return 0
    full = available(seed, unit, at) // (2 if abs(signal) < 0.7 else 1)
    return full if signal > 0 else -full


@lru_cache(maxsize=200)
def _traded(seed: int, unit: Unit, day: int) -> tuple[int, int]:
    """What a battery would empty and fill in a day, MW in sum over its half-hours."""
    levels = [_trade(seed, unit, at) for at in _instants(day)]
    return _sum_above_zero(levels), _sum_above_zero(-level for level in levels)


def _day(at: int) -> int:
    return at // DAY_SECONDS


def _instants(day: int) -> range:
    """The beginnings of a day's half-hours."""
    return range(day * DAY_SECONDS, (day + 1) * DAY_SECONDS, HALF_HOUR_SECONDS)


def _sum_above_zero(levels: Iterable[int]) -> int:
    return sum(level for level in levels if level > 0)


def _threshold(unit: Unit) -> float:
    units = UNITS_OF["PS"]
    low, high = _THRESHOLDS
    return low + (high - low) * (unit.index - units[0].index) / (len(units) - 1)


_STEADY: dict[str, Level] = {
    "WIND": _wind,
    "NUCLEAR": _nuclear,
    "BIOMASS": _swinging(BIOMASS_SHARE, BIOMASS_SWING, 30),
    "NPSHYD": _swinging(HYDRO_SHARE, HYDRO_SWING, 60),
    "OTHER": _swinging(OTHER_SHARE, OTHER_SWING, 20),
    "PS": _pumped_storage,
    BATTERY: _battery,
}


def _flows(seed: int, at: int, residual: int) -> dict[Unit, int]:
    """Imports (above 0) and exports: the more gas would be needed, the more import."""
    need = (residual - NEUTRAL_RESIDUAL_MW) / FULL_IMPORT_SPAN_MW
    flows = {}
    for fuel in INTERCONNECTORS:
        (unit,) = UNITS_OF[fuel]
        mood = 0.45 * wander(seed, fuel, at, 14 * HOUR_SECONDS)
        share = max(-1.0, min(1.0, 1.3 * need + _LEANS.get(fuel, 0.0) + mood))
        flows[unit] = int(share * available(seed, unit, at) / 2) * 2
    return flows


def _take_back(seed: int, at: int, levels: dict[Unit, int], excess: int) -> int:
    """Lowers imports, then wind, until gas has its floor; returns MW of wind."""
    for fuel in INTERCONNECTORS:
        (unit,) = UNITS_OF[fuel]
        step = min(excess, levels[unit] + available(seed, unit, at))
        levels[unit] -= step
        excess -= step
    wind = sum(levels[unit] for unit in UNITS_OF["WIND"])
    lost = min(excess, wind)
    for unit in UNITS_OF["WIND"]:
        levels[unit] = round(levels[unit] * (1 - lost / wind)) if wind else 0
    return lost


def _gas_available(seed: int, at: int) -> int:
    full = sum(available(seed, unit, at) for unit in UNITS_OF["CCGT"])
    return round(NOTIFIED_SHARE * full)


def _import_more(seed: int, at: int, levels: dict[Unit, int], missing: int) -> int:
    """Raises imports as far as gas is missing; returns by how much, MW."""
    raised = 0
    for fuel in INTERCONNECTORS:
        (unit,) = UNITS_OF[fuel]
        room = available(seed, unit, at) - levels[unit]
        step = max(0, min(missing - raised, room))
        levels[unit] += step
        raised += step
    return raised


def _gas_levels(seed: int, at: int, target: int) -> dict[Unit, int]:
    """Gas stations one after the other, none below its stable level."""
    levels: dict[Unit, int] = {}
    before: Unit | None = None
    for unit in UNITS_OF["CCGT"]:
        full = round(NOTIFIED_SHARE * available(seed, unit, at))
        stable = round(STABLE_SHARE * unit.capacity)
        if full < stable:
            full = 0
        take = max(0, min(full, target))
        if 0 < take < stable and before is not None:
            spare = levels[before] - round(STABLE_SHARE * before.capacity)
            if spare >= stable - take:
                levels[before] -= stable - take
                target, take = target + stable - take, stable
        levels[unit] = take
        target -= take
        before = unit if take else before
    for unit in UNITS_OF["OCGT"]:
        levels[unit] = max(0, min(available(seed, unit, at), target))
        target -= levels[unit]
    return levels
