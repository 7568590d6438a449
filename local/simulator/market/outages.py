"""Outages of the units: what is out, since when, and what the owner has said of it.

Time is divided into windows; in each, a unit has at most one outage, which begins and
ends within it.
"""

from dataclasses import dataclass
from functools import lru_cache

from local.simulator.market.chance import between, draw, happens
from local.simulator.market.figures import DAY_SECONDS, HALF_HOUR_SECONDS, HOUR_SECONDS
from local.simulator.market.units import UNITS, Unit

WINDOW_SECONDS = 8 * DAY_SECONDS
# The share of windows with an outage: some ten a day over all units.
_SHARES = {"WIND": 0.75, "CCGT": 0.5, "NUCLEAR": 0.3, "PS": 0.6, "BATTERY": 0.6}
_USUAL_SHARE = 0.15
_PLANNED_SHARE = 0.45
_DISMISSED_SHARE = 0.08
# Planned outages end at 18:00 or so, others when they are repaired.
_CAUSES = {
    True: ("Planned maintenance", "Statutory inspection", "Annual overhaul"),
    False: ("Turbine trip", "Boiler tube leak", "Generator fault", "Ambient losses"),
}
_LONGEST_SECONDS = 3.5 * DAY_SECONDS


@dataclass(frozen=True)
class Report:
    """A revision of the message about an outage.

    Attributes:
        revision: From 1.
        published: When it was sent.
        start: Of the event, as it was known then.
        end: Of the event, as it was known then.
        available: MW left.
        status: Active, Inactive or Dismissed.
    """

    revision: int
    published: int
    start: int
    end: int
    available: int
    status: str = "Active"


@dataclass(frozen=True)
class Outage:
    """An outage of a unit, and what was said of it.

    Attributes:
        dismissed: Whether it was taken back before it began.
    """

    unit: Unit
    window: int
    planned: bool
    start: int
    end: int
    available: int
    cause: str
    dismissed: bool
    reports: tuple[Report, ...]


@lru_cache(maxsize=512)
def outage(seed: int, unit: Unit, window: int) -> Outage | None:
    """The outage of a unit in a window, if it has one."""
    name = f"outage {unit.name}"
    if not happens(seed, name, window, _SHARES.get(unit.fuel, _USUAL_SHARE)):
        return None
    planned = happens(seed, f"planned {unit.name}", window, _PLANNED_SHARE)
    begin = window * WINDOW_SECONDS + _LONGEST_SECONDS * (
        0.15 + draw(seed, f"begin {unit.name}", window)
    )
    start = int(begin) // HALF_HOUR_SECONDS * HALF_HOUR_SECONDS
    longest = 26 if unit.fuel == "WIND" else 80
    hours = between(seed, f"hours {unit.name}", window, 2, longest)
    end = start + int(2 * hours) * HALF_HOUR_SECONDS
    available = _available(seed, unit, window)
    causes = _CAUSES[planned]
    cause = causes[int(len(causes) * draw(seed, f"cause {unit.name}", window))]
    share = _DISMISSED_SHARE if planned else 0.0
    dismissed = happens(seed, f"dismiss {unit.name}", window, share)
    reports = _reports(seed, unit, window, start, end, available, planned, dismissed)
    return Outage(
        unit, window, planned, start, end, available, cause, dismissed, reports
    )


@lru_cache(maxsize=512)
def available(seed: int, unit: Unit, at: int) -> int:
    """What a unit can export, MW."""
    found = outage(seed, unit, at // WINDOW_SECONDS)
    if found and not found.dismissed and found.start <= at < found.end:
        return found.available
    return unit.capacity


def available_of(seed: int, units: tuple[Unit, ...], at: int) -> int:
    return sum(available(seed, unit, at) for unit in units)


def known_outages(seed: int, at: int) -> list[tuple[Outage, Report]]:
    """The outages that had been reported, each with its last report."""
    found = []
    for window in (at // WINDOW_SECONDS - 1, at // WINDOW_SECONDS):
        for unit in UNITS:
            event = outage(seed, unit, window)
            said = [r for r in event.reports if r.published <= at] if event else []
            if event and said:
                found.append((event, said[-1]))
    return found


def _available(seed: int, unit: Unit, window: int) -> int:
    """All of a unit fails, or a part of it; a wind farm loses some strings."""
    part = draw(seed, f"part {unit.name}", window)
    if unit.fuel == "WIND":
        return round(unit.capacity * (0.6 + 0.38 * part))
    return 0 if part < 0.6 else round(unit.capacity * (part - 0.1))


def _reports(
    seed: int,
    unit: Unit,
    window: int,
    start: int,
    end: int,
    available: int,
    planned: bool,
    dismissed: bool,
) -> tuple[Report, ...]:
    """The first report, a better guess of the end, and the end or the dismissal."""
    name = f"report {unit.name}"
    if planned:
        first = start - int(between(seed, name, window, 1, 6) * DAY_SECONDS)
    else:
        first = start + int(between(seed, name, window, 8, 40) * 60)
    guess = end + int(between(seed, f"guess {unit.name}", window, -4, 8)) * HOUR_SECONDS
    guess = max(guess, start + 2 * HOUR_SECONDS)
    reports = [Report(1, first, start, guess, available)]
    if dismissed:
        second = (first + start) // 2
        return (*reports, Report(2, second, start, guess, available, "Dismissed"))
    begun = max(first, start)
    part = between(seed, f"second {unit.name}", window, 0.1, 0.6)
    middle = begun + int((end - begun) * part)
    reports.append(Report(2, max(middle, first + 60), start, end, available))
    if happens(seed, f"third {unit.name}", window, 0.5):
        reports.append(Report(3, end + 600, start, end, available, "Inactive"))
    return tuple(reports)
