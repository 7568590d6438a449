"""The messages of a run, and what is to become of each. Pure functions.

No real message looks like them, and no query for real things finds them:

- their `message_id` begins with the marker of the run, `SMOKE-<time>-<random>`;
- their BM unit, fuel or data provider is that marker, which is part of the latest key
  of each dataset, so that they are the version of nothing real;
- their day lies four years back, in a partition that a feed of today does not touch;
- their levels, prices and volumes are 0, so that they add nothing to a sum.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "SMOKE-"
# RE2 and Python read it alike.
MARKER_PATTERN = r"SMOKE-[0-9]{8}T[0-9]{6}-[0-9a-f]{6}"
# BigQuery takes streamed rows of the last 1,825 days and the next 366
# (https://github.com/mozilla/gcp-ingestion/pull/2721 has its words). A coming day would
# be the newest of its table; what is older than this is far from both.
DAYS_BACK = 1_500
# A subject that Elexon does not have.
UNKNOWN_DATASET = "SMOKE"
# The column of each dataset that holds the marker.
UNIT_COLUMNS = {
    "BOALF": "nationalGridBmUnit",
    "FUELINST": "fuelType",
    "MID": "dataProvider",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to become of one message.

    Attributes:
        records: The records that are counted.
        rows: Those that become rows.
        duplicates: Those that are dropped.
        dead_letters: Reason codes of those that are held back.
        unmapped: Whether the message as a whole is kept for a dataset nobody knows.
    """

    records: int
    rows: int = 0
    duplicates: int = 0
    dead_letters: tuple[str, ...] = ()
    unmapped: int = 0


@dataclass(frozen=True, slots=True)
class SmokeMessage:
    """One message as it is published.

    Attributes:
        what: What it tries, for a person.
        dataset: The IRIS subject.
        message_id: The name that the tables keep of it.
        data: The body.
        expected: What is to become of it.
    """

    what: str
    dataset: str
    message_id: str
    data: bytes
    expected: Expected

    def attributes(self, enqueued: dt.datetime) -> dict[str, str]:
        """The Pub/Sub attributes, as the bridge gives them."""
        stamp = enqueued.astimezone(dt.UTC).isoformat(timespec="milliseconds")
        return {
            "dataset": self.dataset,
            "message_id": self.message_id,
            "publish_id": self.message_id,
            "source": "IRIS",
            "delivery_count": "0",
            "enqueued_time": stamp.removesuffix("+00:00") + "Z",
        }


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the smoke test.

    Attributes:
        marker: What all of its messages carry.
        began: When it began.
        day: The settlement day of its records.
        messages: What it publishes, in order.
    """

    marker: str
    began: dt.datetime
    day: dt.date
    messages: tuple[SmokeMessage, ...] = field(repr=False)

    def expected(self, name: str) -> dict[str, int]:
        """Sums of a count of `Expected`, by dataset, where there are any."""
        sums: dict[str, int] = {}
        for message in self.messages:
            value = getattr(message.expected, name)
            count = value if isinstance(value, int) else len(value)
            sums[message.dataset] = sums.get(message.dataset, 0) + count
        return {dataset: count for dataset, count in sums.items() if count}


def new_run(now: dt.datetime | None = None) -> Run:
    """A run with a marker of its own."""
    began = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    marker = f"{PREFIX}{began:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    day = began.date() - dt.timedelta(days=DAYS_BACK)
    return Run(marker, began, day, _messages(marker, day))


def _messages(marker: str, day: dt.date) -> tuple[SmokeMessage, ...]:
    boalf = [_boalf(marker, day, number) for number in (1, 2)]
    broken_field = _boalf(marker, day, 3) | {"levelFrom": "not a number"}
    fuel = [_fuelinst(marker, day, minute) for minute in (0, 5)]
    prices = [_mid(marker, day, period) for period in (1, 2)]
    twice = _message(
        marker, "FUELINST", 2, "two records", _json(fuel), Expected(2, rows=2)
    )
    copy = SmokeMessage(
        "the same message again",
        twice.dataset,
        twice.message_id,
        twice.data,
        Expected(2, duplicates=2),
    )
    return (
        _message(marker, "BOALF", 1, "two records", _json(boalf), Expected(2, rows=2)),
        twice,
        copy,
        _message(marker, "MID", 3, "two records", _json(prices), Expected(2, rows=2)),
        _message(
            marker,
            "BOALF",
            4,
            "one good record, one with text for a number",
            _json([_boalf(marker, day, 4), broken_field]),
            Expected(2, rows=1, dead_letters=("WRONG_TYPE",)),
        ),
        _message(
            marker,
            "MID",
            5,
            "a body that is cut off",
            _json(prices)[:-20],
            Expected(1, dead_letters=("INVALID_JSON",)),
        ),
        _message(
            marker,
            UNKNOWN_DATASET,
            6,
            "a dataset that nobody knows",
            _json([{"dataset": UNKNOWN_DATASET, "value": 0}]),
            Expected(1, unmapped=1),
        ),
    )


def _message(
    marker: str, dataset: str, number: int, what: str, data: bytes, expected: Expected
) -> SmokeMessage:
    name = f"{marker}_{dataset}_{number}.json"
    return SmokeMessage(what, dataset, name, data, expected)


def _json(records: list[dict[str, Any]]) -> bytes:
    return json.dumps(records, indent=2).encode()


def _at(day: dt.date, minutes: int) -> str:
    """So long after noon, which is on the same day in London and in UTC."""
    noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
    return (noon + dt.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _boalf(marker: str, day: dt.date, number: int) -> dict[str, Any]:
    return {
        "dataset": "BOALF",
        "settlementDate": day.isoformat(),
        "settlementPeriodFrom": 25,
        "settlementPeriodTo": 25,
        "timeFrom": _at(day, 0),
        "timeTo": _at(day, 30),
        "levelFrom": 0,
        "levelTo": 0,
        "acceptanceNumber": number,
        "acceptanceTime": _at(day, -10),
        "deemedBoFlag": False,
        "soFlag": False,
        "amendmentFlag": "ORI",
        "storFlag": False,
        "rrFlag": False,
        "nationalGridBmUnit": marker,
        "bmUnit": marker,
    }


def _fuelinst(marker: str, day: dt.date, minutes: int) -> dict[str, Any]:
    return {
        "dataset": "FUELINST",
        "publishTime": _at(day, minutes + 5),
        "startTime": _at(day, minutes),
        "settlementDate": day.isoformat(),
        "settlementPeriod": 25,
        "fuelType": marker,
        "generation": 0,
    }


def _mid(marker: str, day: dt.date, period: int) -> dict[str, Any]:
    return {
        "dataset": "MID",
        "startTime": _at(day, 30 * period),
        "dataProvider": marker,
        "settlementDate": day.isoformat(),
        "settlementPeriod": 24 + period,
        "price": 0.0,
        "volume": 0.0,
    }


def by_reason(run: Run) -> Mapping[str, int]:
    """How many dead letters of each reason code a run makes."""
    counts: dict[str, int] = {}
    for message in run.messages:
        for reason in message.expected.dead_letters:
            counts[reason] = counts.get(reason, 0) + 1
    return counts
