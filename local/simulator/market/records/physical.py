"""What participants notify for their units: positions, prices, limits, dynamics."""

from collections.abc import Callable, Iterable

from local.simulator.market.acceptances import (
    HALF_HOUR_MINUTES,
    RAMP_MINUTES,
    USUAL_RAMP_MINUTES,
)
from local.simulator.market.chance import draw, wander
from local.simulator.market.dispatch import level
from local.simulator.market.figures import (
    HALF_HOUR_SECONDS,
    HOUR_SECONDS,
    STABLE_SHARE,
)
from local.simulator.market.instants import text
from local.simulator.market.prices import (
    export_limit,
    import_limit,
    pairs,
)
from local.simulator.market.records.form import Record, period
from local.simulator.market.units import BATTERY, Unit

Declared = Callable[[Unit, float], Record]
"""What a unit declares, by its mood."""

# Notice to deviate from zero and minimum times, minutes, by fuel.
_SLOW = {"CCGT": 120, "NUCLEAR": 600, "BIOMASS": 180}
_QUICK_MINUTES = 2
_NOTICE_MINUTES = 2
_RUN_SHARE_PER_MINUTE = {"CCGT": 0.03, "NUCLEAR": 0.005, "BIOMASS": 0.02}
# Half-hours are counted from here in sequence numbers: 1 January 2020.
_FIRST_HALF_HOUR = 876_576
_BATTERY_HOURS = 2


def pn(seed: int, units: Iterable[Unit], about: int) -> list[Record]:
    """Flat until the unit moves to its next level, in the half-hour's last minutes."""
    return [record for unit in units for record in _positions("PN", seed, unit, about)]


def qpn(seed: int, units: Iterable[Unit], about: int) -> list[Record]:
    return [record for unit in units for record in _positions("QPN", seed, unit, about)]


def bod(seed: int, units: Iterable[Unit], about: int) -> list[Record]:
    end = about + HALF_HOUR_SECONDS
    return [
        {"dataset": "BOD"}
        | period(about)
        | {
            "timeFrom": text(about),
            "levelFrom": pair.level,
            "timeTo": text(end),
            "levelTo": pair.level,
            "pairId": pair.number,
            "offer": pair.offer,
            "bid": pair.bid,
        }
        | unit.names
        for unit in units
        for pair in pairs(seed, unit, about // HALF_HOUR_SECONDS)
    ]


def mels(seed: int, units: Iterable[Unit], about: int, published: int) -> list[Record]:
    return [
        _limit("MELS", unit, about, published, export_limit(seed, unit, about))
        for unit in units
    ]


def mils(seed: int, units: Iterable[Unit], about: int, published: int) -> list[Record]:
    return [
        _limit("MILS", unit, about, published, import_limit(seed, unit, about))
        for unit in units
    ]


def dynamics(dataset: str, seed: int, units: Iterable[Unit], at: int) -> list[Record]:
    """One of `DYNAMICS`: what the units declare from this instant on."""
    return [
        {"dataset": dataset}
        | period(at)
        | {"time": text(at)}
        | _DYNAMICS[dataset](unit, _mood(seed, unit, at))
        | unit.names
        for unit in units
    ]


def _positions(dataset: str, seed: int, unit: Unit, about: int) -> list[Record]:
    number = about // HALF_HOUR_SECONDS
    now, then = level(seed, unit, number), level(seed, unit, number + 1)
    ramp = RAMP_MINUTES.get(unit.fuel, USUAL_RAMP_MINUTES)
    turn, end = (HALF_HOUR_MINUTES - ramp) * 60, HALF_HOUR_SECONDS
    pieces = [(0, end, now, now)]
    if now != then:
        pieces = [(0, turn, now, now), (turn, end, now, then)]
    return [
        {"dataset": dataset}
        | period(about)
        | {
            "timeFrom": text(about + begin),
            "timeTo": text(about + stop),
            "levelFrom": level_from,
            "levelTo": level_to,
        }
        | unit.names
        for begin, stop, level_from, level_to in pieces
    ]


def _limit(dataset: str, unit: Unit, about: int, published: int, mw: int) -> Record:
    return (
        {"dataset": dataset}
        | period(about)
        | {
            "timeFrom": text(about),
            "timeTo": text(about + HALF_HOUR_SECONDS),
            "levelFrom": mw,
            "levelTo": mw,
            "notificationTime": text(published),
            "notificationSequence": about // HALF_HOUR_SECONDS - _FIRST_HALF_HOUR,
        }
        | unit.names
    )


def _mood(seed: int, unit: Unit, at: int) -> float:
    """What makes declarations of a unit differ a little from day to day, 0 to 1."""
    slow = wander(seed, f"dynamics {unit.name}", at, 20 * HOUR_SECONDS)
    return 0.5 + 0.35 * slow + 0.15 * (2 * draw(seed, unit.name, unit.index) - 1)


def _stable_level(unit: Unit) -> int:
    """The stable export limit; storage has none."""
    steady = unit.fuel in ("CCGT", "NUCLEAR", "BIOMASS", "OCGT")
    return round(STABLE_SHARE * unit.capacity) if steady else 0


def _minutes(column: str) -> Declared:
    def declared(unit: Unit, mood: float) -> Record:
        usual = _SLOW.get(unit.fuel, _QUICK_MINUTES)
        return {column: max(1, round(usual * (0.7 + 0.6 * mood)))}

    return declared


def _delivery_period(unit: Unit, mood: float) -> Record:
    hours = _BATTERY_HOURS if unit.fuel == BATTERY else 6
    return {"periodMax": round(hours * 60 * (0.5 + 0.5 * mood))}


def _delivery_volume(unit: Unit, mood: float) -> Record:
    hours = _BATTERY_HOURS if unit.fuel == BATTERY else 6
    return {"volumeMax": round(hours * unit.capacity * mood)}


def _notice(unit: Unit, mood: float) -> Record:
    return {"notice": _NOTICE_MINUTES if unit.fuel != "WIND" else 1}


def _rates(exporting: bool) -> Declared:
    """One rate, and for slow units a second one above their stable level."""

    def declared(unit: Unit, mood: float) -> Record:
        full = unit.capacity if exporting else unit.import_capacity
        share = _RUN_SHARE_PER_MINUTE.get(unit.fuel, 0.5) * (0.8 + 0.4 * mood)
        elbow = float(_stable_level(unit)) or None
        steps = {"elbow2": elbow, "rate2": round(1.3 * share * full, 1)}
        if elbow is None or not exporting:
            steps = {"elbow2": None, "rate2": None}
        none = {"elbow3": None, "rate3": None}
        return {"rate1": round(share * full, 1)} | steps | none

    return declared


_DYNAMICS: dict[str, Declared] = {
    "SEL": lambda unit, mood: {"level": _stable_level(unit)},
    "SIL": lambda unit, mood: {"level": 0},
    "NDZ": _minutes("notice"),
    "NTO": _notice,
    "NTB": _notice,
    "MZT": _minutes("periodMin"),
    "MNZT": _minutes("periodMin"),
    "MDP": _delivery_period,
    "MDV": _delivery_volume,
    "RURE": _rates(exporting=True),
    "RURI": _rates(exporting=False),
    "RDRE": _rates(exporting=True),
    "RDRI": _rates(exporting=False),
}
DYNAMICS = tuple(_DYNAMICS)
