"""What was measured: frequency, generation, demand, temperature."""

from datetime import timedelta

from local.simulator.market.chance import between, wander
from local.simulator.market.demand import imbalance
from local.simulator.market.dispatch import generation, mean_generation
from local.simulator.market.figures import (
    BOUNDARY_SHARES,
    HALF_HOUR_SECONDS,
    HOUR_SECONDS,
    SOLAR_MW,
    STATION_LOAD_MW,
)
from local.simulator.market.frequency import frequency
from local.simulator.market.instants import day_of, half_hours_of, text
from local.simulator.market.prices import index_price
from local.simulator.market.records.form import Record, document, half_hour
from local.simulator.market.units import FUELS
from local.simulator.market.weather import sun_share, temperature

FREQUENCY_SECONDS = 15
FREQUENCY_SAMPLES = 8
BOUNDARIES = ("N", *(f"B{number}" for number in range(1, len(BOUNDARY_SHARES) + 1)))
# The labels of the transparency datasets, by fuel; what is left is Other.
PSR_TYPES = {
    "BIOMASS": "Biomass",
    "CCGT": "Fossil Gas",
    "OCGT": "Fossil Gas",
    "COAL": "Fossil Hard coal",
    "OIL": "Fossil Oil",
    "NPSHYD": "Hydro Run-of-river and poundage",
    "PS": "Hydro Pumped Storage",
    "NUCLEAR": "Nuclear",
    "OTHER": "Other",
    "BATTERY": "Other",
}
OFFSHORE_SHARE = 0.7
"""Of all wind."""


def freq(seed: int, about: int, published: int) -> list[Record]:
    instants = [about + n * FREQUENCY_SECONDS for n in range(FREQUENCY_SAMPLES)]
    return [
        {
            "dataset": "FREQ",
            "measurementTime": text(at),
            "frequency": frequency(seed, at),
        }
        for at in reversed(instants)
    ]


def fuelinst(seed: int, about: int, published: int) -> list[Record]:
    values = generation(seed, about)
    head = {"dataset": "FUELINST", "publishTime": text(published)}
    head |= half_hour(about) | {"startTime": text(about)}
    return [head | {"fuelType": f, "generation": values[f]} for f in FUELS]


def fuelhh(seed: int, about: int, published: int) -> list[Record]:
    values = mean_generation(seed, about // HALF_HOUR_SECONDS)
    head = {"dataset": "FUELHH", "publishTime": text(published)} | half_hour(about)
    return [head | {"fuelType": f, "generation": values[f]} for f in FUELS]


def fuelhh_corrected(seed: int, about: int, published: int) -> list[Record]:
    """Wind again, after meters were read."""
    (record,) = (r for r in fuelhh(seed, about, published) if r["fuelType"] == "WIND")
    factor = between(seed, "wind metered", about, 0.985, 1.015)
    return [record | {"generation": round(record["generation"] * factor)}]


def national_demand(seed: int, number: int) -> int:
    """INDO: what all fuels and interconnectors deliver, less stations' own load, MW."""
    return sum(mean_generation(seed, number).values()) - STATION_LOAD_MW


def transmission_demand(seed: int, number: int) -> int:
    """ITSDO: also stations' own load, pumping and exports, MW."""
    return sum(max(0, mw) for mw in mean_generation(seed, number).values())


def indo(seed: int, about: int, published: int) -> list[Record]:
    demand = national_demand(seed, about // HALF_HOUR_SECONDS)
    return [_demand("INDO", about, published, demand)]


def indo_corrected(seed: int, about: int, published: int) -> list[Record]:
    demand = national_demand(seed, about // HALF_HOUR_SECONDS)
    factor = between(seed, "demand metered", about, 0.996, 1.004)
    return [_demand("INDO", about, published, round(demand * factor))]


def itsdo(seed: int, about: int, published: int) -> list[Record]:
    demand = transmission_demand(seed, about // HALF_HOUR_SECONDS)
    return [_demand("ITSDO", about, published, demand)]


def indod(seed: int, about: int, published: int) -> list[Record]:
    """The day that ended just before."""
    day = day_of(about) - timedelta(days=1)
    megawatts = sum(national_demand(seed, number) for number in half_hours_of(day))
    return [
        {
            "dataset": "INDOD",
            "publishTime": text(published),
            "settlementDate": day.isoformat(),
            "demand": megawatts // 2,
        }
    ]


def temp(seed: int, about: int, published: int) -> list[Record]:
    return [
        {
            "dataset": "TEMP",
            "measurementDate": day_of(about).isoformat(),
            "publishTime": text(published),
            "temperature": round(temperature(seed, about), 1),
        }
    ]


def mid(seed: int, about: int, published: int) -> list[Record]:
    number = about // HALF_HOUR_SECONDS
    volume = 1_500 + 900 * wander(seed, "index volume", about, 4 * HOUR_SECONDS)
    head = {
        "dataset": "MID",
        "sourceFileDateTime": text(published),
        "sourceFileSerialNumber": str(number),
    }
    real = {"price": index_price(seed, number), "volume": round(volume, 2)}
    return [
        head | half_hour(about) | {"dataProvider": "APXMIDP"} | real,
        head
        | half_hour(about)
        | {"dataProvider": "N2EXMIDP", "price": 0.0, "volume": 0.0},
    ]


def mibm_mid(seed: int, about: int, published: int) -> list[Record]:
    return [r | {"dataset": "mibm_mid"} for r in mid(seed, about, published)]


def nonbm(seed: int, about: int, published: int) -> list[Record]:
    """Reserve outside the balancing mechanism is used when the system is very short."""
    short = imbalance(seed, about)
    head = {"dataset": "NONBM", "publishTime": text(published)} | half_hour(about)
    return [head | {"generation": max(0, round((short - 450) / 10))}]


def by_psr_type(seed: int, number: int) -> dict[str, float]:
    """Generation of a half-hour by the transparency datasets' types, MW."""
    values = mean_generation(seed, number)
    found = dict.fromkeys(PSR_TYPES.values(), 0.0)
    for fuel, label in PSR_TYPES.items():
        found[label] += values.get(fuel, 0)
    found["Wind Offshore"] = round(values["WIND"] * OFFSHORE_SHARE)
    found["Wind Onshore"] = values["WIND"] - found["Wind Offshore"]
    found["Solar"] = round(SOLAR_MW * sun_share(seed, number * HALF_HOUR_SECONDS + 900))
    return {label: float(mw) for label, mw in found.items()}


def agpt(seed: int, about: int, published: int) -> list[Record]:
    head = document("AGPT", published)
    return [
        head
        | {"businessType": _business_type(label), "psrType": label, "quantity": mw}
        | half_hour(about)
        for label, mw in by_psr_type(seed, about // HALF_HOUR_SECONDS).items()
    ]


def agws(seed: int, about: int, published: int) -> list[Record]:
    head = document("AGWS", published)
    return [
        head
        | {"businessType": _business_type(label), "psrType": label, "quantity": mw}
        | half_hour(about)
        for label, mw in by_psr_type(seed, about // HALF_HOUR_SECONDS).items()
        if _business_type(label) != "Production"
    ]


def atl(seed: int, about: int, published: int) -> list[Record]:
    load = transmission_demand(seed, about // HALF_HOUR_SECONDS)
    head = document("ATL", published)
    return [head | half_hour(about) | {"quantity": float(load)}]


def soso(seed: int, about: int, published: int) -> list[Record]:
    """Offers between system operators for an hour."""
    price = index_price(seed, about // HALF_HOUR_SECONDS)
    return [
        {
            "dataset": "SOSO",
            "publishTime": text(published),
            "senderIdentification": "17XDEMO-SENDER--",
            "receiverIdentification": "10XGB-DEMO-----A",
            "contractIdentification": f"DEMO-{about // HOUR_SECONDS}-{direction[0]}",
            "resourceProvider": "17XDEMO-SENDER--",
            "tradeDirection": direction,
            "tradeQuantity": 25.0,
            "tradePrice": round(price + away, 2),
            "traderUnit": "EF",
            "startTime": text(about),
            "endTime": text(about + HOUR_SECONDS),
            "settlementDate": half_hour(about)["settlementDate"],
        }
        for direction, away in (("Bid", -18.0), ("Offer", 18.0))
    ]


def _business_type(label: str) -> str:
    if label.startswith("Wind"):
        return "Wind generation"
    return "Solar generation" if label == "Solar" else "Production"


def _demand(dataset: str, about: int, published: int, demand: int) -> Record:
    head = {"dataset": dataset, "publishTime": text(published)}
    return head | half_hour(about) | {"demand": demand}
