"""Messages for the queries of the guide, whose answers are worked out in `test_guide`.

The public inputs are in `tests/fixtures/guide`, the rest is here. All of it goes into
one BigQuery dataset, so that each answer has days of its own.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

Record = Mapping[str, Any]


def frequencies(**by_time: float) -> list[Record]:
    return [
        {"dataset": "FREQ", "measurementTime": time, "frequency": value}
        for time, value in by_time.items()
    ]


def action(day: str, period: int, number: int, volume: float, cost: float) -> Record:
    return {
        "dataset": "DISBSAD", "settlementDate": day, "settlementPeriod": period,
        "id": number, "cost": cost, "volume": volume, "soFlag": False,
        "storFlag": False, "partyId": "P", "assetId": "A", "isTendered": False,
        "service": "X",
    }  # fmt: skip


def generation(start: str, published: str, **by_fuel: int) -> list[Record]:
    """Records of 2 December 2026; times are of that day."""
    return [
        {
            "dataset": "FUELINST", "publishTime": f"2026-12-02T{published}:00Z",
            "startTime": f"2026-12-02T{start}:00Z", "settlementDate": "2026-12-02",
            "settlementPeriod": 18, "fuelType": fuel, "generation": value,
        }
        for fuel, value in by_fuel.items()
    ]  # fmt: skip


def estimate(published: str, revision: int, kind: str, quantity: float) -> Record:
    """Of half-hour 20 of 6 May 2026."""
    return {
        "dataset": "AGWS", "documentId": f"DOC-{revision}",
        "documentRevisionNumber": revision, "publishTime": published,
        "businessType": f"{kind} generation", "psrType": kind, "quantity": quantity,
        "startTime": "2026-05-06T08:30:00Z", "settlementDate": "2026-05-06",
        "settlementPeriod": 20,
    }  # fmt: skip


def index(
    period: int, provider: str, price: float, volume: float, serial: int = 1
) -> Record:
    """Of 7 May 2026."""
    midnight = dt.datetime(2026, 5, 6, 23, tzinfo=dt.UTC)
    return {
        "dataset": "MID", "sourceFileDateTime": f"2026-05-07T02:{serial:02}:00Z",
        "sourceFileSerialNumber": str(serial), "dataProvider": provider,
        "startTime": (midnight + dt.timedelta(hours=(period - 1) / 2)).isoformat(),
        "settlementDate": "2026-05-07", "settlementPeriod": period, "price": price,
        "volume": volume,
    }  # fmt: skip


def price(period: int, created: str, value: float, imbalance: float) -> Record:
    """Of 5 May 2026."""
    return {
        "dataset": "DISEBSP", "settlementDate": "2026-05-05",
        "settlementPeriod": period, "startTime": f"2026-05-05T0{period // 2}:00:00Z",
        "createdDateTime": created, "systemSellPrice": value, "systemBuyPrice": value,
        "bsadDefaulted": False, "priceDerivationCode": "P",
        "netImbalanceVolume": imbalance,
    }  # fmt: skip


def acceptance(
    unit: str,
    number: int,
    made: str,
    span: tuple[str, str],
    levels: tuple[int, int],
    day: str,
    **values: Any,
) -> Record:
    return {
        "dataset": "BOALF", "settlementDate": day, "settlementPeriodFrom": 1,
        "settlementPeriodTo": 1, "timeFrom": span[0], "timeTo": span[1],
        "levelFrom": levels[0], "levelTo": levels[1], "acceptanceNumber": number,
        "acceptanceTime": made, "deemedBoFlag": False, "soFlag": False,
        "amendmentFlag": "ORI", "storFlag": False, "rrFlag": False,
        "nationalGridBmUnit": unit, "bmUnit": f"T_{unit}",
    } | values  # fmt: skip


def notification(unit: str, name: str | None, day: str, hour: str) -> Record:
    """A physical notification for the half-hour that begins with an hour."""
    return {
        "dataset": "PN", "settlementDate": day, "settlementPeriod": 20,
        "timeFrom": f"{day}T{hour}:00:00Z", "timeTo": f"{day}T{hour}:30:00Z",
        "levelFrom": 0, "levelTo": 30, "nationalGridBmUnit": unit, "bmUnit": name,
    }  # fmt: skip


def cashflow(day: str, period: int, created: str, total: float) -> Record:
    return {
        "dataset": "EBOCF", "settlementDate": day, "settlementPeriod": period,
        "startTime": f"{day}T0{period}:00:00Z", "createdDateTime": created,
        "bmUnit": "T_MRWD-1", "bmUnitType": "T", "leadPartyName": "P",
        "nationalGridBmUnit": "MRWD-1", "totalCashflow": total,
        "bidOfferPairCashflows": {"positive1": total},
    }  # fmt: skip


def limit(unit: str, sequence: int, first: str, last: str, level: int) -> Record:
    """A declaration for hours of 6 May 2026."""
    return {
        "dataset": "MELS", "settlementDate": "2026-05-06", "settlementPeriod": 1,
        "timeFrom": f"2026-05-06T{first}:00Z", "timeTo": f"2026-05-06T{last}:00Z",
        "levelFrom": level, "levelTo": level, "notificationSequence": sequence,
        "notificationTime": f"2026-05-06T0{sequence}:00:00Z",
        "nationalGridBmUnit": unit, "bmUnit": f"T_{unit}",
    }  # fmt: skip


def outage(mrid: str, revision: int, unit: str, lost: float, **values: Any) -> Record:
    """Of 6 May 2026, from 10:00 on."""
    return {
        "dataset": "REMIT", "mrid": mrid, "revisionNumber": revision,
        "publishTime": f"2026-05-05T0{revision}:00:00Z",
        "createdTime": f"2026-05-05T0{revision}:00:00Z", "affectedUnit": unit,
        "fuelType": "Fossil Gas", "normalCapacity": 500, "eventStatus": "Active",
        "availableCapacity": 500 - lost, "unavailableCapacity": lost,
        "eventStartTime": "2026-05-06T10:00:00Z", "cause": "Fault",
        "messageType": "UnavailabilitiesOfElectricityFacilities",
        "eventType": "Production unavailability", "unavailabilityType": "Unplanned",
    } | values  # fmt: skip


def forecast(published: str, **by_hour: int) -> list[Record]:
    """A publication of June 2026; hours are `d12h06`, of the 12th."""
    return [
        {
            "dataset": "WINDFOR", "publishTime": published, "generation": value,
            "startTime": f"2026-06-{hour[1:3]}T{hour[4:]}:00:00Z",
        }
        for hour, value in by_hour.items()
    ]  # fmt: skip


_NIGHT: dict[str, Any] = {
    "unit": "CLK-1",
    "made": "2025-10-25T22:30:00Z",
    "levels": (0, 10),
}
_FROM_IRIS = [
    acceptance(
        "SRC-1", number, "2026-09-09T10:00:00Z",
        ("2026-09-09T10:10:00Z", "2026-09-09T10:20:00Z"), (1, 1), "2026-09-09",
    )
    for number in (1, 2)
]  # fmt: skip
_FROM_API = acceptance(
    "SRC-1", 3, "2026-09-10T10:00:00Z",
    ("2026-09-10T10:10:00Z", "2026-09-10T10:20:00Z"), (1, 1), "2026-09-10",
)  # fmt: skip

# Files by dataset and message.
MESSAGES: dict[str, Any] = {
    "FREQ/FREQ_202605060900_1": frequencies(
        **{"2026-05-06T08:59:30Z": 50.02, "2026-05-06T08:59:45Z": 49.98}
    ),
    "FREQ/FREQ_202503300000_1": frequencies(
        **{
            "2025-03-29T23:59:45Z": 49.1,
            "2025-03-30T00:00:00Z": 50.0,
            "2025-03-30T00:59:45Z": 50.1,
            "2025-03-30T01:00:00Z": 50.2,
            "2025-03-30T01:29:45Z": 50.3,
            "2025-03-30T22:59:45Z": 50.4,
            "2025-03-30T23:00:00Z": 49.2,
        }
    ),
    "FREQ/FREQ_202510260000_1": frequencies(
        **{
            "2025-10-25T22:59:45Z": 49.1,
            "2025-10-25T23:00:00Z": 50.0,
            "2025-10-26T00:59:45Z": 50.1,
            "2025-10-26T01:00:00Z": 50.2,
            "2025-10-26T23:59:45Z": 50.4,
            "2025-10-27T00:00:00Z": 49.2,
        }
    ),
    "DISBSAD/DISBSAD_202605060900_1": [
        action("2026-05-06", 1, 1, 10.0, 900.0),
        action("2026-05-06", 1, 2, -4.0, -120.0),
        action("2026-05-06", 48, 1, 0.0, 0.0),
    ],
    # At 08:55 a value of PS is corrected; 09:00 is the newest.
    "FUELINST/FUELINST_202612020900_1": generation(
        "08:55", "09:00", WIND=5000, INTFR=-900, PS=-700
    ),
    "FUELINST/FUELINST_202612020905_2": [
        *generation("09:00", "09:05", WIND=5200, INTFR=-800, PS=-650),
        *generation("08:55", "09:04", PS=-600),
    ],
    "AGWS/AGWS_202605061100_1": [
        estimate("2026-05-06T11:00:00Z", 1, "Solar", 4000.0),
        estimate("2026-05-06T11:00:00Z", 1, "Wind Onshore", 3000.0),
        estimate("2026-05-06T11:30:00Z", 2, "Solar", 4250.5),
    ],
    "MID/MID_202605070210_1": [
        index(1, "APXMIDP", 60.0, 300.0),
        index(1, "N2EXMIDP", 90.0, 100.0),
        index(2, "APXMIDP", 0.0, 0.0),
        index(2, "N2EXMIDP", 0.0, 0.0),
        index(3, "APXMIDP", 50.0, 100.0, 9),
        index(3, "N2EXMIDP", 0.0, 0.0),
    ],
    # The file was sent again; its serial number is text.
    "MID/MID_202605070220_2": [index(3, "APXMIDP", 55.0, 200.0, 10)],
    "DISEBSP/DISEBSP_202605060100_1": [
        price(2, "2026-05-05T02:22:00Z", 80.0, 120.5),
        price(4, "2026-05-05T03:22:00Z", -5.0, -60.0),
        price(6, "2026-05-05T04:22:00Z", 100.0, 3.0),
    ],
    "DISEBSP/DISEBSP_202605060930_2": [
        price(2, "2026-05-06T09:22:00Z", 82.5, 121.0),
        price(4, "2026-05-06T09:22:00Z", -25.0, -61.0),
    ],
    "BOALF/BOALF_202510252230_1": [
        # London's midnight is 23:00 UTC before and 00:00 UTC after this day.
        acceptance(
            number=1,
            span=("2025-10-25T22:50:00Z", "2025-10-25T23:10:00Z"),
            day="2025-10-25",
            **_NIGHT,
        ),
        acceptance(
            number=2,
            span=("2025-10-25T22:40:00Z", "2025-10-25T23:00:00Z"),
            day="2025-10-25",
            **_NIGHT,
        ),
        acceptance(
            number=3,
            span=("2025-10-26T23:50:00Z", "2025-10-27T00:10:00Z"),
            day="2025-10-26",
            **_NIGHT,
        ),
        acceptance(
            number=4,
            span=("2025-10-27T00:00:00Z", "2025-10-27T00:10:00Z"),
            day="2025-10-27",
            **_NIGHT,
        ),
        acceptance(
            number=5,
            span=("2025-10-26T12:00:00Z", "2025-10-26T12:10:00Z"),
            day="2025-10-26",
            **_NIGHT,
        ),
    ],
    # Number 5 is withdrawn.
    "BOALF/BOALF_202510252235_2": [
        acceptance(
            number=5,
            span=("2025-10-26T12:00:00Z", "2025-10-26T12:10:00Z"),
            day="2025-10-26",
            amendmentFlag="DEL",
            **_NIGHT,
        ),
    ],
    # Of two of one time the higher number is the later; the second one is a ramp.
    "BOALF/BOALF_202605080800_1": [
        acceptance(
            "RAMP-1",
            number,
            "2026-05-08T08:00:00Z",
            ("2026-05-08T08:10:00Z", "2026-05-08T08:20:00Z"),
            levels,
            "2026-05-08",
        )
        for number, levels in ((9, (500, 500)), (10, (100, 200)))
    ],
    "PN/PN_202605080800_1": [notification("RAMP-1", None, "2026-05-08", "08")],
    "BOALF/BOALF_202609091000_1": _FROM_IRIS,
    "BOALF/boalf_2026-09-10.json": {
        "metadata": {"datasets": ["BOALF"]},
        "data": [_FROM_IRIS[0], _FROM_API],
    },
    "PN/PN_202511030000_1": [notification("NONAME-1", None, "2025-11-03", "09")],
    "PN/PN_202511030100_2": [
        notification("FFSE02", "2__FFSEN007", "2025-11-03", "09"),
        notification("FFSE02", "2__FFSEN007", "2025-11-03", "10"),
    ],
    "EBOCF/EBOCF_202608050900_1": [
        cashflow("2026-08-03", 1, "2026-08-04T09:00:00Z", 10.0),
        cashflow("2026-08-03", 2, "2026-08-04T09:00:00Z", 20.0),
        cashflow("2026-08-04", 1, "2026-08-05T09:00:00Z", 5.0),
    ],
    "EBOCF/EBOCF_202608060900_2": [
        cashflow("2026-08-03", 1, "2026-08-06T09:00:00Z", 11.0),
    ],
    # The stronger declaration comes first.
    "MELS/MELS_202605060200_1": [limit("MRWD-1", 2, "11:00", "12:00", 200)],
    "MELS/MELS_202605060210_2": [
        limit("MRWD-1", 1, "10:00", "14:00", 430),
        limit("OTHER-1", 1, "09:00", "10:30", 50),
    ],
    "REMIT/REMIT_202605050100_1": [
        # The lower revision is published after the higher one.
        outage("A", 2, "A-1", 300.0, publishTime="2026-05-05T01:00:00Z"),
        outage("A", 1, "A-1", 500.0, publishTime="2026-05-05T02:00:00Z"),
        outage("B", 1, "B-1", 400.0),
        outage("B", 2, "B-1", 400.0, eventStatus="Dismissed"),
        outage("C", 1, "C-1", 120.5, eventEndTime="2026-05-06T12:00:01Z"),
        outage("D", 1, "D-1", 50.0, eventEndTime="2026-05-06T12:00:00Z"),
        outage("E", 1, "E-1", 60.0, eventStartTime="2026-05-06T12:00:01Z"),
        outage("F", 1, "F-1", 70.0),
        outage("F", 2, "F-1", 70.0, eventStatus="Inactive"),
    ],
    "WINDFOR/WINDFOR_202606110000_1": forecast(
        "2026-06-11T00:00:00Z", d11h00=1, d12h00=2, d13h00=3, d14h00=4
    ),
    # It has fewer points: the 14th is not filled from the one before.
    "WINDFOR/WINDFOR_202606120600_2": forecast(
        "2026-06-12T06:00:00Z", d12h06=20, d13h00=30
    ),
    "WINDFOR/WINDFOR_202606121200_3": forecast(
        "2026-06-12T12:00:00Z", d12h12=200, d13h00=300
    ),
}
