"""Forecasts of demand, wind, generation and margins, from hours to years ahead."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from local.simulator.market.chance import wander
from local.simulator.market.demand import imbalance, mean_demand
from local.simulator.market.dispatch import plan
from local.simulator.market.figures import (
    BOUNDARY_SHARES,
    DAY_SECONDS,
    HALF_HOUR_SECONDS,
    HOUR_SECONDS,
    SOLAR_MW,
    STATION_LOAD_MW,
)
from local.simulator.market.forecasts import demand_factor, wind_factor
from local.simulator.market.instants import day_of, half_hours_of, text, utc
from local.simulator.market.outages import available_of
from local.simulator.market.records.form import Maker, Record, document, half_hour
from local.simulator.market.records.outturn import BOUNDARIES, OFFSHORE_SHARE
from local.simulator.market.units import FUELS, INTERCONNECTORS, UNITS, UNITS_OF
from local.simulator.market.weather import sun_share

Value = Callable[[int, int, int], float]
"""A forecast, MW, by seed, publication and number of the half-hour."""

WIND_HOURS_BACK = 6
WIND_HOURS_AHEAD = 66
DAYS_AHEAD = range(2, 15)
# A peak of the day in local hours; the demand of a day or a week is that of its peak.
_PEAK_HALF_HOUR = 35
_PUMPING_AND_EXPORTS_MW = 900
# Of available capacity, what can be counted on.
_FIRM_WIND_SHARE = 0.18
_LOLP_HOURS = (1, 2, 4, 8, 12)


def demand_forecast(seed: int, published: int, number: int) -> int:
    """National demand of a half-hour as it is forecast, MW."""
    at = number * HALF_HOUR_SECONDS
    return round(mean_demand(seed, number) * demand_factor(seed, published, at))


def ndf(seed: int, about: int, published: int) -> list[Record]:
    return [
        {"dataset": "NDF", "demand": demand_forecast(seed, published, number)}
        | _published(published, number, "N")
        for number in _day_and_day_ahead(published)
    ]


def tsdf(seed: int, about: int, published: int) -> list[Record]:
    return _by_boundary("TSDF", "demand", seed, published, _transmission)


def inddem(seed: int, about: int, published: int) -> list[Record]:
    """Demand that participants notify: below 0."""

    def demand(seed: int, published: int, number: int) -> float:
        return -_transmission(seed, published, number)

    return _by_boundary("INDDEM", "demand", seed, published, demand)


def indgen(seed: int, about: int, published: int) -> list[Record]:
    return _by_boundary("INDGEN", "generation", seed, published, _indicated)


def imbalngc(seed: int, about: int, published: int) -> list[Record]:
    def surplus(seed: int, published: int, number: int) -> float:
        generation = _indicated(seed, published, number)
        return generation - _transmission(seed, published, number)

    return _by_boundary("IMBALNGC", "imbalance", seed, published, surplus)


def melngc(seed: int, about: int, published: int) -> list[Record]:
    def margin(seed: int, published: int, number: int) -> float:
        return _margin(seed, number * HALF_HOUR_SECONDS, published)

    return _by_boundary("MELNGC", "margin", seed, published, margin)


def windfor(seed: int, about: int, published: int) -> list[Record]:
    first = published - published % HOUR_SECONDS - WIND_HOURS_BACK * HOUR_SECONDS
    hours = range(WIND_HOURS_BACK + WIND_HOURS_AHEAD)
    instants = [first + hour * HOUR_SECONDS for hour in hours]
    return [
        {
            "dataset": "WINDFOR",
            "publishTime": text(published),
            "startTime": text(at),
            "generation": wind_forecast(seed, published, at),
        }
        for at in instants
    ]


def wind_forecast(seed: int, published: int, at: int) -> int:
    """Wind at an instant as it is forecast, MW."""
    wind = plan(seed, at // HALF_HOUR_SECONDS).by_fuel["WIND"]
    return round(wind * wind_factor(seed, published, at))


def lolpdm(seed: int, about: int, published: int) -> list[Record]:
    first = published - published % HALF_HOUR_SECONDS
    records = []
    for hours in _LOLP_HOURS:
        at = first + hours * HOUR_SECONDS
        margin = max(300.0, _margin(seed, at, published))
        records.append(
            {
                "dataset": "LOLPDM",
                "publishTime": text(published),
                "publishingPeriodCommencingTime": text(first),
            }
            | half_hour(at)
            | {
                "lossOfLoadProbability": round(min(1.0, 10 ** (-margin / 900)), 6),
                "deratedMargin": round(margin, 3),
            }
        )
    return records


def by_day(dataset: str, column: str) -> Maker:
    """A maker of forecasts for 2 to 14 days ahead: demand, surplus or margin."""

    def make(seed: int, about: int, published: int) -> list[Record]:
        return [
            {
                "dataset": dataset,
                "publishTime": text(published),
                "forecastDate": day.isoformat(),
                column: _peak(seed, dataset, published, day),
            }
            for day in _days(published)
        ]

    return make


def by_week(dataset: str, column: str, weeks: int) -> Maker:
    """A maker of forecasts for weeks ahead: demand, surplus or margin."""

    def make(seed: int, about: int, published: int) -> list[Record]:
        return [
            {
                "dataset": dataset,
                "publishTime": text(published),
                "week": week,
                "year": year,
                column: _peak(seed, dataset, published, day),
            }
            for year, week, day in weeks_ahead(published, weeks)
        ]

    return make


def weeks_ahead(published: int, last: int) -> Iterator[tuple[int, int, date]]:
    """Year, week and Wednesday of the weeks from the second on."""
    monday = day_of(published) - timedelta(days=day_of(published).weekday())
    for ahead in range(2, last + 1):
        day = monday + timedelta(days=7 * ahead + 2)
        calendar = day.isocalendar()
        yield calendar.year, calendar.week, day


def datl(seed: int, about: int, published: int) -> list[Record]:
    head = document("DATL", published)
    return [
        head
        | half_hour(number * HALF_HOUR_SECONDS)
        | {"quantity": float(_transmission(seed, published, number))}
        for number in half_hours_of(_tomorrow(published))
    ]


def dag(seed: int, about: int, published: int) -> list[Record]:
    head = document("DAG", published)
    return [
        head
        | {"quantity": float(_indicated(seed, published, number))}
        | half_hour(number * HALF_HOUR_SECONDS)
        for number in half_hours_of(_tomorrow(published))
    ]


def dgws(seed: int, about: int, published: int) -> list[Record]:
    head = document("DGWS", published) | {"processType": "Day ahead"}
    records = []
    for number in half_hours_of(_tomorrow(published)):
        at = number * HALF_HOUR_SECONDS
        wind = wind_forecast(seed, published, at)
        offshore = round(wind * OFFSHORE_SHARE)
        for business, label, megawatts in (
            ("Wind generation", "Wind Offshore", offshore),
            ("Wind generation", "Wind Onshore", wind - offshore),
            ("Solar generation", "Solar", round(SOLAR_MW * sun_share(seed, at))),
        ):
            kind = {"businessType": business, "psrType": label}
            records.append(head | kind | {"quantity": float(megawatts)} | half_hour(at))
    return records


def watl(seed: int, about: int, published: int) -> list[Record]:
    head = document("WATL", published)
    first = day_of(published)
    days = [first + timedelta(days=7 - first.weekday() + n) for n in range(7)]
    return [
        head
        | {"forecastDate": day.isoformat(), "forecastWeek": day.isocalendar().week}
        | _bounds(seed, published, day)
        for day in days
    ]


def matl(seed: int, about: int, published: int) -> list[Record]:
    head = document("MATL", published)
    records = []
    for year, _, day in list(weeks_ahead(published, 6))[:4]:
        monday = day - timedelta(days=2)
        records.append(
            head
            | {
                "forecastWeekCommencingDate": monday.isoformat(),
                "forecastYear": year,
                "forecastMonth": f"{monday:%b}".upper(),
            }
            | _bounds(seed, published, day)
        )
    return records


def yatl(seed: int, about: int, published: int) -> list[Record]:
    head = document("YATL", published)
    return [
        head
        | {"forecastYear": year, "forecastWeek": week}
        | _bounds(seed, published, day)
        for year, week, day in weeks_ahead(published, 52)
    ]


def yafm(seed: int, about: int, published: int) -> list[Record]:
    year = utc(published).year + 1
    wander_mw = 900 * wander(seed, "year ahead", published, 90 * DAY_SECONDS)
    head = document("YAFM", published) | {"businessType": "Positive forecast margin"}
    return [head | {"year": year, "quantity": float(round(5_200 + wander_mw))}]


def _by_boundary(
    dataset: str,
    column: str,
    seed: int,
    published: int,
    value: Value,
) -> list[Record]:
    records: list[Record] = []
    for number in _day_and_day_ahead(published):
        national = value(seed, published, number)
        shares = dict(zip(BOUNDARIES, (1.0, *BOUNDARY_SHARES), strict=True))
        records += [
            {"dataset": dataset, column: round(national * share)}
            | _published(published, number, boundary)
            for boundary, share in shares.items()
        ]
    return records


def _published(published: int, number: int, boundary: str) -> Record:
    head = {"publishTime": text(published)} | half_hour(number * HALF_HOUR_SECONDS)
    return head | {"boundary": boundary}


def _day_and_day_ahead(published: int) -> range:
    """The half-hours from the next one to the end of tomorrow."""
    first = published // HALF_HOUR_SECONDS + 1
    return range(first, half_hours_of(_tomorrow(published)).stop)


def _tomorrow(published: int) -> date:
    return day_of(published) + timedelta(days=1)


def _days(published: int) -> list[date]:
    return [day_of(published) + timedelta(days=ahead) for ahead in DAYS_AHEAD]


def _transmission(seed: int, published: int, number: int) -> float:
    """Demand with pumping, exports and the load of stations, MW."""
    market = plan(seed, number).by_fuel
    negative = -sum(min(0, market[fuel]) for fuel in (*INTERCONNECTORS, "PS"))
    return demand_forecast(seed, published, number) + STATION_LOAD_MW + negative


def _indicated(seed: int, published: int, number: int) -> float:
    """Generation that participants notify, MW: the plan."""
    market = plan(seed, number).by_fuel
    missed = imbalance(seed, number * HALF_HOUR_SECONDS)
    generation = sum(max(0, market[fuel]) for fuel in FUELS)
    return generation + 0.5 * missed


def _margin(seed: int, at: int, published: int) -> float:
    """What could run and is not needed, MW."""
    firm = available_of(seed, _FIRM, at)
    wind = _FIRM_WIND_SHARE * available_of(seed, UNITS_OF["WIND"], at)
    needed = demand_forecast(seed, published, at // HALF_HOUR_SECONDS)
    return firm + wind - needed - STATION_LOAD_MW


_FIRM = tuple(unit for unit in UNITS if unit.fuel != "WIND")


def _peak(seed: int, dataset: str, published: int, day: date) -> int:
    """A day's demand at its peak, or what is left above it, MW."""
    number = half_hours_of(day)[_PEAK_HALF_HOUR]
    if dataset.startswith("TSD"):
        return demand_forecast(seed, published, number) + _PUMPING_AND_EXPORTS_MW
    if dataset.startswith("ND"):
        return demand_forecast(seed, published, number)
    return round(_margin(seed, number * HALF_HOUR_SECONDS, published))


def _bounds(seed: int, published: int, day: date) -> Record:
    """The least and the most load of a day."""
    half_hours = half_hours_of(day)
    night = demand_forecast(seed, published, half_hours[8])
    peak = demand_forecast(seed, published, half_hours[_PEAK_HALF_HOUR])
    return {
        "minimumPossible": float(round(night * 0.96)),
        "maximumAvailable": float(round(peak * 1.05)),
    }
