"""What can run: capacities, usable output for weeks and years, outages."""

from datetime import date, timedelta

from local.simulator.market.instants import day_of, midnight, text, utc
from local.simulator.market.outages import Outage, Report, available
from local.simulator.market.records.form import Record, document
from local.simulator.market.records.outlook import DAYS_AHEAD, weeks_ahead
from local.simulator.market.records.outturn import PSR_TYPES
from local.simulator.market.units import (
    INTERCONNECTORS,
    UNITS,
    UNITS_OF,
    Unit,
)

LONG_RUN_WEEKS = 156
# Of each unit: the demo's tables stay small.
UNIT_WEEKS = 52
# Units that are in the forecasts by week: the large ones that can be planned.
_PLANNED = tuple(u for u in UNITS if u.capacity >= 600 and u.fuel != "WIND")
_PLANNED_FUELS = tuple(
    fuel for fuel in dict.fromkeys(u.fuel_code for u in UNITS) if fuel != "OTHER"
)
_LOST = "Production unavailability"
_NOON = 12 * 3600


def uou2t14d(seed: int, about: int, published: int) -> list[Record]:
    return [
        {"dataset": "UOU2T14D", "fuelType": unit.fuel_code}
        | unit.names
        | {
            "publishTime": text(published),
            "forecastDate": day.isoformat(),
            "outputUsable": available(seed, unit, midnight(day) + _NOON),
        }
        for unit in UNITS
        for day in _days(published)
    ]


def uou2t3yw(seed: int, about: int, published: int) -> list[Record]:
    return [
        {"dataset": "UOU2T3YW", "fuelType": unit.fuel_code}
        | unit.names
        | {
            "publishTime": text(published),
            "week": week,
            "year": year,
            "outputUsable": available(seed, unit, midnight(day)),
        }
        for unit in _PLANNED
        for year, week, day in weeks_ahead(published, UNIT_WEEKS)
    ]


def fou2t14d(seed: int, about: int, published: int) -> list[Record]:
    return [
        _fuel_head("FOU2T14D", fuel, published)
        | {
            "forecastDate": day.isoformat(),
            "forecastDateTimezone": "Europe/London",
            "outputUsable": _usable(seed, fuel, midnight(day) + _NOON),
        }
        for fuel in _PLANNED_FUELS
        for day in _days(published)
    ]


def fou2t3yw(seed: int, about: int, published: int) -> list[Record]:
    return [
        _fuel_head("FOU2T3YW", fuel, published)
        | {
            "calendarWeekNumber": week,
            "year": year,
            "outputUsable": _usable(seed, fuel, midnight(day)),
        }
        for fuel in _PLANNED_FUELS
        for year, week, day in weeks_ahead(published, LONG_RUN_WEEKS)
    ]


def nou2t14d(seed: int, about: int, published: int) -> list[Record]:
    return [
        {
            "dataset": "NOU2T14D",
            "publishTime": text(published),
            "systemZone": None,
            "forecastDate": day.isoformat(),
            "forecastDateTimezone": "Europe/London",
            "outputUsable": _all_usable(seed, midnight(day) + _NOON),
        }
        for day in _days(published)
    ]


def nou2t3yw(seed: int, about: int, published: int) -> list[Record]:
    return [
        {
            "dataset": "NOU2T3YW",
            "publishTime": text(published),
            "systemZone": None,
            "calendarWeekNumber": week,
            "year": year,
            "outputUsable": _all_usable(seed, midnight(day)),
        }
        for year, week, day in weeks_ahead(published, LONG_RUN_WEEKS)
    ]


def igcpu(seed: int, about: int, published: int) -> list[Record]:
    """Every unit that generates; interconnectors do not."""
    return [
        {
            "dataset": "IGCPU",
            "documentId": document("IGCPU", published)["documentId"],
            "publishTime": text(published),
            "effectiveFrom": date(2018 + unit.index % 6, 1, 1).isoformat(),
            "psrType": psr_type(unit),
            "registeredResourceEicCode": unit.eic,
            "registeredResourceName": unit.name,
            "bmUnit": unit.elexon_name,
            "voltageLimit": 400.0 if unit.kind == "T" else 132.0,
            "installedCapacity": float(unit.capacity),
        }
        for unit in UNITS
        if unit.fuel not in INTERCONNECTORS
    ]


def igca(seed: int, about: int, published: int) -> list[Record]:
    head = document("IGCA", published) | {"businessType": "Installed generation"}
    totals: dict[str, float] = {}
    for unit in UNITS:
        if unit.fuel not in INTERCONNECTORS:
            label = psr_type(unit)
            totals[label] = totals.get(label, 0.0) + unit.capacity
    year = utc(published).year
    return [
        head | {"psrType": label, "year": year, "quantity": megawatts}
        for label, megawatts in totals.items()
    ]


def remit(outage: Outage, report: Report) -> list[Record]:
    """A revision of the message about an outage."""
    unit = outage.unit
    name = unit.elexon_name or unit.name
    lost = unit.capacity - report.available
    record = {
        "dataset": "REMIT",
        "mrid": f"48X-DEMO-{unit.index:03d}-{outage.window:06d}",
        "revisionNumber": report.revision,
        "publishTime": text(report.published),
        "createdTime": text(report.published - 45),
        "messageType": "UnavailabilitiesOfElectricityFacilities",
        "messageHeading": f"{name}: {_LOST.lower()}",
        "eventType": _LOST,
        "unavailabilityType": "Planned" if outage.planned else "Unplanned",
        "participantId": unit.party.split()[0].upper(),
        "registrationCode": f"DEMO{unit.index:04d}.UK",
        "assetId": name,
        "assetType": "Production",
        "affectedUnit": name,
        "affectedUnitEIC": unit.eic,
        "biddingZone": "10YGB----------A",
        "fuelType": _remit_fuel(unit),
        "normalCapacity": float(unit.capacity),
        "availableCapacity": float(report.available),
        "unavailableCapacity": float(lost),
        "eventStatus": report.status,
        "eventStartTime": text(report.start),
        "eventEndTime": text(report.end),
        "cause": outage.cause,
        "outageProfile": _profile(report),
    }
    if not outage.planned and report.revision == 1:
        record["durationUncertainty"] = "+/- 24 hours"
    return [record]


def psr_type(unit: Unit) -> str:
    """The transparency datasets' label for the fuel of a unit."""
    if unit.fuel == "WIND":
        return "Wind Offshore" if unit.capacity > _ONSHORE_MW else "Wind Onshore"
    return PSR_TYPES[unit.fuel]


_ONSHORE_MW = 560


def _remit_fuel(unit: Unit) -> str:
    return "Other" if unit.fuel in INTERCONNECTORS else psr_type(unit)


def _profile(report: Report) -> list[Record]:
    return [
        {
            "startTime": text(report.start),
            "endTime": text(report.end),
            "capacity": float(report.available),
        }
    ]


def _fuel_head(dataset: str, fuel: str, published: int) -> Record:
    is_link = fuel in INTERCONNECTORS
    return {
        "dataset": dataset,
        "fuelType": fuel,
        "publishTime": text(published),
        "systemZone": None,
        "biddingZone": None,
        "interconnectorName": fuel if is_link else None,
        "interconnector": is_link,
    }


def _days(published: int) -> list[date]:
    return [day_of(published) + timedelta(days=ahead) for ahead in DAYS_AHEAD]


def _usable(seed: int, fuel: str, at: int) -> int:
    return sum(available(seed, unit, at) for unit in UNITS_OF[fuel])


def _all_usable(seed: int, at: int) -> int:
    return sum(available(seed, unit, at) for unit in UNITS)
