"""The outages: `gb_outages`, those of one instant, and what was known when.

`gb_outages_now` and `_at` are of an instant as it is known today, `_known` as it was
known before. `gb_outages_history` has every revision.
"""

from functools import partial
from typing import Any

from pipeline.registry import Column, Registry
from sql.market.market_view import MarketView, instant, megawatts, text
from sql.market.units import ELEXON_NAME, NATIONAL_GRID_NAME, UNIT, sources

_NEEDS = ("REMIT",)
# Where the two names of a unit are read. The other datasets name the same units.
_PAIRS = frozenset({"PN"})


def _columns(available: str, unavailable: str) -> tuple[Column, ...]:
    return (
        UNIT,
        NATIONAL_GRID_NAME,
        ELEXON_NAME,
        text("fuelType", "Fuel as REMIT says, otherwise that of the reference list."),
        text(
            "eventType",
            "Production unavailability, Consumption unavailability, ...",
        ),
        text("unavailabilityType", "Planned or Unplanned."),
        megawatts("normalCapacity", "Capacity of the unit without the outage."),
        megawatts("availableCapacity", available),
        megawatts("unavailableCapacity", unavailable),
        instant("eventStartTime", "The earliest start that a report of it states."),
        instant(
            "eventEndTime",
            "The latest end that a report of it states; null if one states no end.",
        ),
        text("mrid", "The REMIT message that the other columns are from."),
        Column("revisionNumber", "INT64", description="Its revision, the highest."),
        instant("publishTime", "When this revision was published."),
        text("participantId", "Who reported it."),
        text("cause", "Free text cause."),
        Column(
            "reports",
            "INT64",
            description="How many REMIT messages (mrid) report this outage.",
        ),
    )


_OF_EVENT = _columns(
    "Capacity left, as the message states for the whole event.",
    "Capacity lost, as the message states for the whole event.",
)
_OF_INSTANT = _columns(
    "Capacity left at this instant, by the step of the outage profile.",
    "Capacity lost at this instant, by the step of the outage profile; as the message "
    "states for the whole event if the profile has no step for it.",
)
_AT = (
    "The outages {when}: one row for each unit and event, even if several "
    "participants report it. One unit may have several events at a time, whose "
    "capacities overlap: take the largest of a unit, not their sum."
)


def _values(registry: Registry, *, at: str = "", known: str = "") -> dict[str, Any]:
    pairs = [s for s in sources(registry) if s.dataset.name in _PAIRS]
    return {"sources": pairs, "at": at, "known": known}


_OF_HISTORY = (
    UNIT,
    NATIONAL_GRID_NAME,
    ELEXON_NAME,
    text("fuelType", "Fuel as REMIT says, otherwise that of the reference list."),
    text("eventType", "Production unavailability, Consumption unavailability, ..."),
    text("unavailabilityType", "Planned or Unplanned."),
    text("eventStatus", "Active, Inactive (over) or Dismissed (never was)."),
    megawatts("normalCapacity", "Capacity of the unit without the outage."),
    megawatts("availableCapacity", "Capacity left, as stated for the whole event."),
    megawatts("unavailableCapacity", "Capacity lost, as stated for the whole event."),
    instant("eventStartTime", "Start, as this revision states it."),
    instant("eventEndTime", "End, as this revision states it; null if it states none."),
    text("mrid", "The REMIT message; its revisions have the same."),
    Column("revisionNumber", "INT64", description="Its revision."),
    instant("knownFrom", "When this revision was published."),
    instant("knownUntil", "When a higher one was; null if it is the highest."),
    text("participantId", "Who reported it."),
    text("cause", "Free text cause."),
)

MARKET = (
    MarketView(
        "gb_outages",
        "The outages, past and planned: one row for each unit and event, even if "
        "several participants report it. Dismissed messages are left out.",
        _OF_EVENT,
        "outages.sql",
        _values,
        _NEEDS,
    ),
    MarketView(
        "gb_outages_now",
        _AT.format(when="now"),
        _OF_INSTANT,
        "outages.sql",
        partial(_values, at="CURRENT_TIMESTAMP()"),
        _NEEDS,
    ),
    MarketView(
        "gb_outages_at",
        _AT.format(when="at an instant, as they are known today"),
        _OF_INSTANT,
        "outages.sql",
        partial(_values, at="at_utc"),
        _NEEDS,
        "at_utc TIMESTAMP",
    ),
    MarketView(
        "gb_outages_known",
        _AT.format(when="at an instant, as they were known at another"),
        _OF_INSTANT,
        "outages.sql",
        partial(_values, at="at_utc", known="known_utc"),
        _NEEDS,
        "at_utc TIMESTAMP, known_utc TIMESTAMP",
    ),
    MarketView(
        "gb_outages_history",
        "What was known of the outages, and when: one row for each revision of a "
        "message, from its publication until that of a higher one.",
        _OF_HISTORY,
        "outages_history.sql",
        _values,
        _NEEDS,
    ),
)
