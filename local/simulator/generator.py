"""Generated messages of any dataset, with plausible values by column name and unit.

Each dataset gets a small program once: a list of its columns, each with a function that
makes the value.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

import orjson

from local.simulator.market.settlement_clock import (
    HALF_HOUR,
    half_hour_start,
    settlement_period,
)
from pipeline.registry import Column, Dataset

FUELS = (
    *("BIOMASS", "CCGT", "COAL", "NPSHYD", "NUCLEAR", "OCGT", "OIL", "OTHER", "PS"),
    *("WIND", "INTELEC", "INTEW", "INTFR", "INTGRNL", "INTIFA2", "INTIRL", "INTNED"),
    *("INTNEM", "INTNSL", "INTVKL"),
)
PSR_TYPES = (
    *("Biomass", "Fossil Gas", "Fossil Hard coal", "Fossil Oil", "Generation"),
    *("Hydro Pumped Storage", "Hydro Run-of-river and poundage", "Load unit"),
    *("Nuclear", "Other", "Solar", "Wind Offshore", "Wind Onshore"),
)
BOUNDARIES = ("N", *(f"B{number}" for number in range(1, 18)))

FORECAST_DAYS = 13
"""The days of one publication of the 2 to 14 day forecasts."""

ALWAYS_NULL = frozenset(
    {
        *("systemZone", "interconnectorName", "secondaryQuantity"),
        *("clearedDefaultText", "clearedDefaultSettlementDate"),
        "clearedDefaultSettlementPeriod",
    }
)
"""Null in nearly every real record."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The time columns of a record, as text ready for JSON (UTC; dates local)."""

    published: str
    sampled: str  # on the 15 s grid of FREQ
    start: str
    end: str
    later: str  # the end of the next half-hour
    day: str
    days: tuple[str, ...]  # the next ones, for forecasts
    week_start: str
    period: int
    year: int
    week: int
    month: str
    minute: str


Maker = Callable[[Moment, int, random.Random], Any]


def generate_message(
    dataset: Dataset,
    now: datetime,
    serial: int,
    rng: random.Random,
    records: int = 1,
) -> tuple[str, bytes]:
    """Returns a message id in IRIS's pattern, and the message's JSON (an array).

    Equal arguments (and state of `rng`) make equal messages. Natural keys differ
    within a message, and between messages when `now` moves on by a second (15 s for
    FREQ, half an hour for datasets that carry no time of publication).

    Args:
        dataset: What to make, from the registry.
        now: The message's time, with a zone; columns are set around it.
        serial: Number of the message; picks units, fuels and document ids.
        rng: Source of levels, prices and volumes.
        records: Records in the array.
    """
    program = _program(dataset)
    second = now.astimezone(UTC).replace(microsecond=0)
    array = []
    for index in range(records):
        moment = _moment(second, index // program.cycle * program.step)
        number = serial + index
        array.append({name: make(moment, number, rng) for name, make in program.makers})
    minute = _moment(second, 0).minute
    return f"{dataset.name}_{minute}_{serial}.json", orjson.dumps(array)


@dataclass(frozen=True, slots=True)
class _Program:
    makers: tuple[tuple[str, Maker], ...]
    cycle: int  # records of one settlement period; the next ones are for earlier ones
    step: int  # how many half-hours earlier


@cache
def _program(dataset: Dataset) -> _Program:
    cycle = max((_CYCLES.get(name, 1) for name in dataset.natural_key), default=1)
    daily = not _HALF_HOURLY.intersection(dataset.natural_key)
    makers = _makers(dataset.columns, dataset.name)
    return _Program(makers, cycle, step=48 if daily else 1)


@lru_cache(maxsize=256)
def _moment(second: datetime, half_hours_back: int) -> Moment:
    back = half_hours_back * HALF_HOUR
    start = half_hour_start(second - back)
    day, period = settlement_period(start)
    calendar = day.isocalendar()
    sampled = second.replace(second=second.second - second.second % 15) - back
    return Moment(
        published=_utc(second),
        sampled=_utc(sampled),
        start=_utc(start),
        end=_utc(start + HALF_HOUR),
        later=_utc(start + 2 * HALF_HOUR),
        day=day.isoformat(),
        days=_days_after(day),
        week_start=date.fromisocalendar(calendar.year, calendar.week, 1).isoformat(),
        period=period,
        year=calendar.year,
        week=calendar.week,
        month=f"{day:%b}".upper(),
        minute=f"{second:%Y%m%d%H%M}",
    )


@lru_cache(maxsize=64)
def _days_after(day: date) -> tuple[str, ...]:
    ahead = (timedelta(days=number + 1) for number in range(FORECAST_DAYS))
    return tuple((day + step).isoformat() for step in ahead)


def _utc(instant: datetime) -> str:
    return f"{instant.replace(tzinfo=None).isoformat()}Z"


def _makers(columns: Sequence[Column], dataset: str) -> tuple[tuple[str, Maker], ...]:
    return tuple((column.name, _maker(column, dataset)) for column in columns)


def _maker(column: Column, dataset: str) -> Maker:
    """The function for one column: by its name, else its unit, else its type."""
    if column.fields:
        return _record_maker(column, dataset)
    if column.name in ALWAYS_NULL:
        return lambda moment, number, rng: None
    if column.name == "dataset":
        return lambda moment, number, rng: dataset
    if column.name == "documentId":
        return lambda moment, number, rng: f"NGET-EMFIP-{dataset}-{number:08d}"
    if column.name == "id" and column.type == "STRING":
        return lambda moment, number, rng: str(number)
    return _BY_NAME.get(column.name) or _by_unit(column) or _by_type(column)


def _record_maker(column: Column, dataset: str) -> Maker:
    makers = _makers(column.fields, dataset)

    def one(moment: Moment, number: int, rng: random.Random) -> dict[str, Any]:
        return {name: make(moment, number, rng) for name, make in makers}

    def steps(moment: Moment, number: int, rng: random.Random) -> list[dict[str, Any]]:
        following = replace(moment, start=moment.end, end=moment.later)
        return [one(moment, number, rng), one(following, number, rng)]

    return steps if column.mode == "REPEATED" else one


def _by_unit(column: Column) -> Maker | None:
    if column.unit == "half-hour index":
        return _field("period")
    if column.unit not in _RANGES:
        return None
    low, high = _RANGES[column.unit]
    width = high - low
    if column.type == "INT64":
        return lambda moment, number, rng: int(low + width * rng.random())
    return lambda moment, number, rng: round(low + width * rng.random(), 3)


def _by_type(column: Column) -> Maker:
    name = column.name
    makers: dict[str, Maker] = {
        "INT64": lambda moment, number, rng: number,
        "FLOAT64": lambda moment, number, rng: round(rng.random() * 100, 3),
        "BOOL": lambda moment, number, rng: number % 2 == 0,
        "DATE": lambda moment, number, rng: moment.day,
        "TIMESTAMP": lambda moment, number, rng: moment.published,
        "STRING": lambda moment, number, rng: f"{name} {number % 100}",
    }
    return makers[column.type]


def _choice(*values: object) -> Maker:
    size = len(values)
    return lambda moment, number, rng: values[number % size]


def _field(name: str) -> Maker:
    get = attrgetter(name)
    return lambda moment, number, rng: get(moment)


_UNITS = 100_000
"""Number of generated BM units: more than the records of any message."""

_WEEKS = 52

_HALF_HOURLY = frozenset(
    {"settlementPeriod", "startTime", "timeFrom", "measurementTime"}
)
"""Key columns that differ between half-hours; a key without them is daily or rarer."""

_CYCLES = {
    "nationalGridBmUnit": _UNITS,
    "documentId": _UNITS,
    "registeredResourceEicCode": _UNITS,
    "mrid": _UNITS,
    "mRID": _UNITS,
    "id": _UNITS,
    "week": _WEEKS,
    "calendarWeekNumber": _WEEKS,
    "fuelType": len(FUELS),
    "boundary": len(BOUNDARIES),
    "forecastDate": FORECAST_DAYS,
}
"""Key columns that change with every record, and after how many values they repeat."""

# The range of a value of which only the unit is known (units as in the registry).
_RANGES = {
    "MW": (-50, 1_200),
    "MWh": (-250, 250),
    "GBP": (-5_000, 20_000),
    "GBP/MWh": (-20, 180),
    "GBP/MW": (0, 40),
    "MW/min": (0, 40),
    "min": (1, 600),
    "kV": (11, 400),
    "Hz": (49.85, 50.15),
    "degC": (-2, 24),
    "probability 0..1": (0, 0.05),
}

_START, _END = _field("start"), _field("end")


def _week(moment: Moment, number: int, rng: random.Random) -> int:
    return number % _WEEKS + 1


_BY_NAME: dict[str, Maker] = {
    # times
    "startTime": _START,
    "timeFrom": _START,
    "eventStartTime": _START,
    "publishingPeriodCommencingTime": _START,
    "endTime": _END,
    "timeTo": _END,
    "eventEndTime": _END,
    "measurementTime": _field("sampled"),
    "forecastDate": lambda moment, number, rng: moment.days[number % FORECAST_DAYS],
    "forecastWeekCommencingDate": _field("week_start"),
    "year": _field("year"),
    "forecastYear": _field("year"),
    "month": _field("month"),
    "forecastMonth": _field("month"),
    "week": _week,
    "forecastWeek": _week,
    "calendarWeekNumber": _week,
    # what and where
    "nationalGridBmUnit": lambda moment, number, rng: f"UNIT-{number % _UNITS}",
    "bmUnit": lambda moment, number, rng: f"T_UNIT-{number % _UNITS}",
    "fuelType": _choice(*FUELS),
    "psrType": _choice(*PSR_TYPES),
    "boundary": _choice(*BOUNDARIES),
    "biddingZone": _choice("10YGB----------A"),
    "interconnector": _choice(False),
    "mrid": lambda moment, number, rng: f"11XGENERATED-{number:08d}",
    "mRID": lambda moment, number, rng: f"GENERATED-{number:08d}",
    "documentRevisionNumber": _choice(1),
    "revisionNumber": _choice(1),
    "pairId": _choice(1, -1, 2, -2),
    "dataProvider": _choice("APXMIDP", "N2EXMIDP"),
    # labels
    "acceptanceDuration": _choice("S", "L"),
    "amendmentFlag": _choice("ORI"),
    "bmUnitType": _choice("T", "E", "I", "2"),
    "businessType": _choice("Production", "Wind generation", "Solar generation"),
    "dataType": _choice("Original", "Tagged", "Repriced"),
    "eventStatus": _choice("Active", "Active", "Inactive"),
    "flowDirection": _choice("Up", "Down"),
    "forecastDateTimezone": _choice("Europe/London"),
    "priceDerivationCode": _choice("P", "N", "K"),
    "priceDirection": _choice("Expenditure", "Income"),
    "processType": _choice("Day ahead", "Intraday total"),
    "tradeDirection": _choice("A01", "A02"),
    "unavailabilityType": _choice("Planned", "Unplanned"),
}
