"""What the system operator does, and what it comes to: acceptances to prices."""

from typing import Any

from local.simulator.market.acceptances import Acceptance, acceptances
from local.simulator.market.chance import between, happens
from local.simulator.market.dispatch import level
from local.simulator.market.figures import HALF_HOUR_SECONDS
from local.simulator.market.instants import day_and_period, text
from local.simulator.market.records.form import Record, half_hour, period
from local.simulator.market.settlement import (
    Adjustment,
    Settlement,
    StackItem,
    adjustments,
    settlement,
)
from local.simulator.market.units import BATTERY, UNITS_OF, Unit

_PAIR_COLUMNS = tuple(
    f"{side}{number}" for number in range(1, 7) for side in ("negative", "positive")
)
_SHORT_MINUTES = 15
_LOSS_MULTIPLIER = 0.994
_PRICE_MOVED_SHARE = 0.12


def boalf(acceptance: Acceptance) -> list[Record]:
    """One acceptance, a record for each segment."""
    base = acceptance.half_hour * HALF_HOUR_SECONDS
    records = []
    for segment in acceptance.segments:
        begin, end = base + segment.start * 60, base + segment.end * 60
        day, first = day_and_period(begin)
        records.append(
            {
                "dataset": "BOALF",
                "settlementDate": day,
                "settlementPeriodFrom": first,
                "settlementPeriodTo": day_and_period(end)[1],
                "timeFrom": text(begin),
                "timeTo": text(end),
                "levelFrom": segment.level_from,
                "levelTo": segment.level_to,
                "acceptanceNumber": acceptance.number,
                "acceptanceTime": text(acceptance.accepted),
                "deemedBoFlag": False,
                "soFlag": acceptance.system,
                "amendmentFlag": "ORI",
                "storFlag": False,
                "rrFlag": False,
            }
            | acceptance.unit.names
        )
    return records


def boav(seed: int, about: int, published: int) -> list[Record]:
    return [
        _run("BOAV", about, published)
        | _party(acceptance.unit)
        | {
            "acceptanceId": acceptance.number,
            "acceptanceDuration": "S" if acceptance.minutes < _SHORT_MINUTES else "L",
            "totalVolumeAccepted": round(acceptance.volume, 3),
            "pairVolumes": _by_pair([(acceptance.pair.number, acceptance.volume)]),
        }
        for acceptance in acceptances(seed, about // HALF_HOUR_SECONDS)
    ]


def disptav(seed: int, about: int, published: int) -> list[Record]:
    """Volumes of each unit before and after what constraints caused is taken off."""
    records = []
    for unit, actions in _by_unit(seed, about).items():
        for kind, kept in (
            ("Original", actions),
            ("Tagged", [action for action in actions if not action.system]),
        ):
            volumes = [(action.pair.number, action.volume) for action in kept]
            records.append(
                _run("DISPTAV", about, published)
                | _party(unit)
                | {
                    "dataType": kind,
                    "totalVolumeAccepted": round(sum(v for _, v in volumes), 3),
                    "pairVolumes": _by_pair(volumes),
                }
            )
    return records


def ebocf(seed: int, about: int, published: int) -> list[Record]:
    """Cashflows of each unit, above 0 if it is paid."""
    records = []
    for unit, actions in _by_unit(seed, about).items():
        cashflows = [(a.pair.number, a.volume * a.price) for a in actions]
        records.append(
            _run("EBOCF", about, published)
            | _party(unit)
            | {
                "bidOfferPairCashflows": _by_pair(cashflows),
                "totalCashflow": round(sum(money for _, money in cashflows), 3),
            }
        )
    return records


def disebsp(seed: int, about: int, published: int) -> list[Record]:
    """The system price of a half-hour, the same for buying and selling."""
    found = settlement(seed, about // HALF_HOUR_SECONDS)
    return [_price(seed, about, published, found, found.price)]


def disebsp_again(seed: int, about: int, published: int) -> list[Record]:
    """The next run, in which some prices have moved."""
    found, price = settlement(seed, about // HALF_HOUR_SECONDS), 0.0
    if happens(seed, "price moved", about, _PRICE_MOVED_SHARE):
        price = between(seed, "moved by", about, -4, 6)
    return [_price(seed, about, published, found, round(found.price + price, 2))]


def ispstack(seed: int, about: int, published: int) -> list[Record]:
    records, places = [], {True: 0, False: 0}
    for item in settlement(seed, about // HALF_HOUR_SECONDS).stack:
        places[item.action.volume > 0] += 1
        place = places[item.action.volume > 0]
        records.append(_stack_record(item, place, about, published))
    return records


def disbsad(seed: int, about: int, published: int) -> list[Record]:
    """A half-hour without adjustments has one empty record."""
    head = {"dataset": "DISBSAD"} | period(about)
    names = ("partyId", "assetId", "isTendered", "service")
    empty = {"id": 1, "cost": 0.0, "volume": 0.0, "soFlag": True, "storFlag": False}
    return [
        head
        | {
            "id": one.number,
            "cost": round(one.volume * one.price, 2),
            "volume": one.volume,
            "soFlag": one.system,
            "storFlag": one.service == "STOR",
            "partyId": one.party,
            "assetId": f"{one.party[:4]}-{one.number}",
            "isTendered": one.service == "STOR",
            "service": one.service,
        }
        for one in adjustments(seed, about // HALF_HOUR_SECONDS)
    ] or [head | empty | dict.fromkeys(names)]


def netbsad(seed: int, about: int, published: int) -> list[Record]:
    made = adjustments(seed, about // HALF_HOUR_SECONDS)
    record: Record = {"dataset": "NETBSAD"} | period(about)
    for side, sign in (("Buy", 1), ("Sell", -1)):
        mine = [one for one in made if one.volume * sign > 0]
        energy = [one for one in mine if not one.system]
        cost = sum(one.volume * one.price for one in energy)
        record |= {
            f"net{side}PriceCostAdjustmentEnergy": round(cost, 2),
            f"net{side}PriceVolumeAdjustmentEnergy": _volume(energy),
            f"net{side}PriceVolumeAdjustmentSystem": _volume(
                [one for one in mine if one.system]
            ),
            f"{side.lower()}PricePriceAdjustment": 0.0,
        }
    return [record]


def qas(seed: int, about: int, published: int) -> list[Record]:
    """Batteries respond to frequency: energy in and out."""
    return [
        {"dataset": "QAS"}
        | period(about)
        | {
            "bmUnitApplicableBalancingServicesVolume": round(
                unit.capacity
                * between(seed, f"response {unit.name}", about, -0.03, 0.03),
                3,
            )
        }
        | unit.names
        for unit in UNITS_OF[BATTERY]
        if level(seed, unit, about // HALF_HOUR_SECONDS) == 0
    ]


def _run(dataset: str, about: int, published: int) -> Record:
    return {"dataset": dataset, "createdDateTime": text(published)} | half_hour(about)


def _party(unit: Unit) -> Record:
    return unit.names | {"bmUnitType": unit.kind, "leadPartyName": unit.party}


def _by_unit(seed: int, about: int) -> dict[Unit, list[Acceptance]]:
    found: dict[Unit, list[Acceptance]] = {}
    for acceptance in acceptances(seed, about // HALF_HOUR_SECONDS):
        found.setdefault(acceptance.unit, []).append(acceptance)
    return found


def _by_pair(values: list[tuple[int, float]]) -> Record:
    """Sums by pair; null for a pair that was not used."""
    pairs: dict[str, Any] = dict.fromkeys(_PAIR_COLUMNS)
    for number, value in values:
        name = f"{'positive' if number > 0 else 'negative'}{abs(number)}"
        pairs[name] = round((pairs[name] or 0.0) + value, 3)
    return pairs


def _volume(actions: list[Any]) -> float:
    """The sum, MWh."""
    return float(round(sum(action.volume for action in actions), 3))


def _price(
    seed: int, about: int, published: int, found: Settlement, price: float
) -> Record:
    actions = [item.action for item in found.stack]
    accepted = [a for a in actions if isinstance(a, Acceptance)]
    adjusted = [a for a in actions if isinstance(a, Adjustment)]

    def total(chosen: list[Any], sign: int, *, system: bool = False) -> float:
        return _volume(
            [a for a in chosen if a.volume * sign > 0 and (a.system or not system)]
        )

    return _run("DISEBSP", about, published) | {
        "systemSellPrice": price,
        "systemBuyPrice": price,
        "bsadDefaulted": False,
        "priceDerivationCode": found.derivation,
        "reserveScarcityPrice": 0.0,
        "netImbalanceVolume": found.imbalance,
        "sellPriceAdjustment": 0.0,
        "buyPriceAdjustment": 0.0,
        "replacementPrice": None,
        "replacementPriceReferenceVolume": None,
        "totalAcceptedOfferVolume": total(accepted, 1),
        "totalAcceptedBidVolume": total(accepted, -1),
        "totalAdjustmentSellVolume": total(adjusted, -1),
        "totalAdjustmentBuyVolume": total(adjusted, 1),
        "totalSystemTaggedAcceptedOfferVolume": total(accepted, 1, system=True),
        "totalSystemTaggedAcceptedBidVolume": total(accepted, -1, system=True),
        "totalSystemTaggedAdjustmentSellVolume": None,
        "totalSystemTaggedAdjustmentBuyVolume": None,
    }


def _stack_record(item: StackItem, place: int, about: int, published: int) -> Record:
    action = item.action
    accepted = action if isinstance(action, Acceptance) else None
    adjusted = action if isinstance(action, Adjustment) else None
    name = f"{adjusted.party[:4]}-{adjusted.number}" if adjusted else ""
    if accepted:
        name = accepted.unit.elexon_name or accepted.unit.name
    volume = round(action.volume, 3)
    netted, priced = round(item.netted, 3), round(item.priced, 3)
    lossless = round(priced * _LOSS_MULTIPLIER, 3)
    return _run("ISPSTACK", about, published) | {
        "sequenceNumber": place,
        "id": name,
        "acceptanceId": accepted.number if accepted else None,
        "bidOfferPairId": accepted.pair.number if accepted else None,
        "cadlFlag": bool(accepted and accepted.minutes < _SHORT_MINUTES),
        "soFlag": action.system,
        "storProviderFlag": bool(adjusted and adjusted.service == "STOR"),
        "repricedIndicator": False,
        "reserveScarcityPrice": 0.0,
        "originalPrice": action.price,
        "volume": volume,
        "dmatAdjustedVolume": volume,
        "arbitrageAdjustedVolume": volume,
        "nivAdjustedVolume": netted,
        "parAdjustedVolume": priced,
        "finalPrice": None if action.system else action.price,
        "transmissionLossMultiplier": _LOSS_MULTIPLIER,
        "tlmAdjustedVolume": lossless,
        "tlmAdjustedCost": round(lossless * action.price, 3),
    }
