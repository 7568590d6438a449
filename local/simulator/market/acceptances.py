"""Acceptances: what the system operator asks of units, half-hour by half-hour.

An acceptance begins and ends within one half-hour, while the unit's notified level is
flat, and stays within its first pair on either side: its volume is exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from local.simulator.market.chance import between, draw, happens
from local.simulator.market.demand import imbalance
from local.simulator.market.dispatch import level, plan
from local.simulator.market.figures import HALF_HOUR_SECONDS, STABLE_SHARE
from local.simulator.market.prices import Pair, export_limit, import_limit, pairs
from local.simulator.market.units import BATTERY, UNITS_OF, Unit

HALF_HOUR_MINUTES = 30
# The last minutes of a half-hour, in which units move to the next level.
RAMP_MINUTES = {"CCGT": 8, "PS": 2, "BIOMASS": 5, "NUCLEAR": 10}
USUAL_RAMP_MINUTES = 1
# Half-hours are counted from here in acceptance numbers: 1 January 2020.
_FIRST_HALF_HOUR = 876_576
_MOST_ENERGY_ACTIONS = 9
_TAKEN_BACK_SHARE = 0.12
_TRIMMED_SHARE = 0.5
_WINDY_MW = 9_000
_SMALLEST_MW = 4
# The fuels that are asked, and the share of their units that can be in a half-hour.
_ASKED = {"CCGT": 0.6, "PS": 0.5, BATTERY: 0.75, "BIOMASS": 0.25, "NPSHYD": 0.3}


@dataclass(frozen=True)
class Segment:
    """A straight piece of a level: minutes of the half-hour, and MW."""

    start: int
    end: int
    level_from: int
    level_to: int


@dataclass(frozen=True)
class Acceptance:
    """An acceptance of a bid or an offer.

    Attributes:
        half_hour: Its number.
        number: The acceptance number, growing for each unit.
        accepted: When it was made.
        segments: The levels that are asked, one after the other.
        pair: The pair it is priced by; the volume of a taken-back offer is a bid in it.
        volume: MWh; below 0 if the unit generates less than before.
        system: Whether it solves a constraint (soFlag) and not the imbalance.
    """

    unit: Unit
    half_hour: int
    number: int
    accepted: int
    segments: tuple[Segment, ...]
    pair: Pair
    volume: float
    system: bool

    @property
    def price(self) -> float:
        """GBP/MWh."""
        return self.pair.offer if self.volume > 0 else self.pair.bid

    @property
    def minutes(self) -> int:
        return self.segments[-1].end - self.segments[0].start


@dataclass(frozen=True)
class _Action:
    """What is to be done: how far a unit moves, and for how long."""

    unit: Unit
    megawatts: int
    start: int
    end: int
    system: bool


@lru_cache(maxsize=200)
def acceptances(seed: int, number: int) -> tuple[Acceptance, ...]:
    """The acceptances for a half-hour, by the time at which they were made."""
    made: list[Acceptance] = []
    actions = [*_constraints(seed, number), *_energy(seed, number)]
    for action in (*actions, *_trims(seed, number, {a.unit for a in actions})):
        made += _accept(seed, number, action)
    return tuple(sorted(made, key=lambda one: (one.accepted, one.unit.index)))


def _energy(seed: int, number: int) -> Iterator[_Action]:
    """Covers the imbalance, cheapest first."""
    missing = imbalance(seed, number * HALF_HOUR_SECONDS) / 2
    direction = 1 if missing > 0 else -1
    used = 0
    for _, _, unit in sorted(_candidates(seed, number, direction)):
        action = _action(seed, number, unit, direction, abs(missing))
        if abs(missing) < 1 or used == _MOST_ENERGY_ACTIONS:
            return
        if action:
            used += 1
            missing -= _volume(action)
            missing = max(0.0, missing) if direction > 0 else min(0.0, missing)
            yield action


def _trims(seed: int, number: int, busy: set[Unit]) -> Iterator[_Action]:
    """Batteries are moved for minutes, either way, whatever the imbalance is."""
    for unit in UNITS_OF[BATTERY]:
        moved = draw(seed, f"trim {unit.name}", number)
        if moved > _TRIMMED_SHARE or unit in busy:
            continue
        direction = 1 if moved < _TRIMMED_SHARE / 2 else -1
        start = int(between(seed, f"trim at {unit.name}", number, 0, 20))
        room = min(_room(seed, unit, number, direction), unit.capacity // 2)
        if room >= _SMALLEST_MW:
            length = 4 + unit.index % 5
            yield _Action(unit, direction * room, start, start + length, system=False)


def _candidates(
    seed: int, number: int, direction: int
) -> Iterator[tuple[float, int, Unit]]:
    for fuel, share in _ASKED.items():
        for unit in UNITS_OF[fuel]:
            if happens(seed, f"asked {unit.name}", number, share):
                pair = _first_pair(seed, unit, number, direction)
                price = pair.offer if direction > 0 else -pair.bid
                yield price, unit.index, unit


def _constraints(seed: int, number: int) -> Iterator[_Action]:
    """On windy half-hours wind is turned down in one place and gas up in another."""
    wind = plan(seed, number).by_fuel["WIND"]
    if wind < _WINDY_MW or draw(seed, "constraint", number // 6) < 0.35:
        return
    for turn, unit in enumerate(UNITS_OF["WIND"][:3]):
        room = level(seed, unit, number)
        down = round(room * between(seed, "turn down", number + turn, 0.15, 0.7))
        if down >= _SMALLEST_MW:
            yield _Action(unit, -down, 0, 29, system=True)


def _action(
    seed: int, number: int, unit: Unit, direction: int, missing: float
) -> _Action | None:
    """As much of a unit as is missing and it has room for, for some minutes."""
    if any(unit == one.unit for one in _constraints(seed, number)):
        return None
    last = HALF_HOUR_MINUTES - RAMP_MINUTES.get(unit.fuel, USUAL_RAMP_MINUTES)
    name = f"minutes {unit.name}"
    length = int(between(seed, name, number, 6 if unit.fuel == BATTERY else 14, last))
    start = int(between(seed, f"start {unit.name}", number, 0, last - length + 1))
    wanted = min(_room(seed, unit, number, direction), 1 + int(missing * 60 / length))
    if wanted < _SMALLEST_MW:
        return None
    return _Action(unit, direction * wanted, start, start + length, system=False)


def _room(seed: int, unit: Unit, number: int, direction: int) -> int:
    """How far a unit can move within its limits and its first pair, MW."""
    at, now = number * HALF_HOUR_SECONDS, level(seed, unit, number)
    if direction > 0:
        room = export_limit(seed, unit, at) - now
        if unit.fuel == "CCGT" and now == 0:
            return 0
    else:
        lowest = import_limit(seed, unit, at)
        if unit.fuel == "CCGT":
            lowest = round(STABLE_SHARE * unit.capacity)
        if unit.fuel in ("BIOMASS", "NPSHYD"):
            lowest = 0
        room = now - lowest
    return max(0, min(room, abs(_first_pair(seed, unit, number, direction).level)))


def _first_pair(seed: int, unit: Unit, number: int, direction: int) -> Pair:
    return next(p for p in pairs(seed, unit, number) if p.number == direction)


def _ramp(action: _Action) -> int:
    """Minutes to get there, and back."""
    return max(1, min(4, (action.end - action.start) // 4))


def _volume(action: _Action) -> float:
    minutes = action.end - action.start - _ramp(action)
    return action.megawatts * minutes / 60


def _accept(seed: int, number: int, action: _Action) -> Iterator[Acceptance]:
    """The acceptance of an action; and the one that takes it back, for some."""
    unit, ramp = action.unit, _ramp(action)
    usual = level(seed, unit, number)
    asked = usual + action.megawatts
    direction = 1 if action.megawatts > 0 else -1
    pair = _first_pair(seed, unit, number, direction)
    begin = number * HALF_HOUR_SECONDS + action.start * 60
    lead = int(between(seed, f"lead {unit.name}", number, 4, 24)) * 60
    first = 2 * (number - _FIRST_HALF_HOUR)
    segments = (
        Segment(action.start, action.start + ramp, usual, asked),
        Segment(action.start + ramp, action.end - ramp, asked, asked),
        Segment(action.end - ramp, action.end, asked, usual),
    )
    yield Acceptance(
        *(unit, number, first, begin - lead, segments, pair),
        volume=_volume(action),
        system=action.system,
    )
    held = action.end - ramp - (action.start + ramp)
    taken_back = happens(seed, f"back {unit.name}", number, _TAKEN_BACK_SHARE)
    if taken_back and held > 2 * ramp:
        back = action.start + ramp + held // 2
        undone = (
            Segment(back, back + ramp, asked, usual),
            Segment(back + ramp, action.end, usual, usual),
        )
        # What is left of the first one: flat until its own ramp, less the new ramp.
        saved = (action.end - ramp / 2) - (back + ramp / 2)
        yield Acceptance(
            *(unit, number, first + 1, begin + (back - action.start - 3) * 60),
            *(undone, pair),
            volume=-action.megawatts * saved / 60,
            system=action.system,
        )
