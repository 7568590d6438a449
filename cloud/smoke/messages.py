"""The messages of a run, and the expected outcome of each. Pure functions.

No real message looks like them, and no query for real data finds them:

- their `message_id` begins with the marker of the run, `SMOKE-<time>-<random>`;
- their BM unit, fuel or data provider is that marker. It is part of the latest key of
  each dataset, so they are never a version of a real record;
- their day is four years ago, in a partition that today's feed does not touch;
- their levels, prices and volumes are 0, so they add nothing to a sum.
"""

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "SMOKE-"
# RE2 (BigQuery) and Python understand it in the same way.
MARKER_PATTERN = r"SMOKE-[0-9]{8}T[0-9]{6}-[0-9a-f]{6}"
# BigQuery accepts streamed rows of the last 1,825 days and the next 366
# (https://github.com/mozilla/gcp-ingestion/pull/2721 quotes it). A future day would be
# the newest day of its table. This day is far from real data, and within the limit.
DAYS_BACK = 1_500
# A subject that Elexon does not use.
UNKNOWN_DATASET = "SMOKE"
# The column of each dataset that holds the marker.
UNIT_COLUMNS = {
    "BOALF": "nationalGridBmUnit",
    "FUELINST": "fuelType",
    "MID": "dataProvider",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected outcome of one message.

    Attributes:
        records: The records that are counted.
        rows: Records that become rows.
        duplicates: Records that are dropped.
        dead_letters: The reason code of each record that becomes a dead letter.
        unmapped: 1 if the whole message is kept since its dataset is unknown.
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
        what: What it tests, for a reader.
        dataset: The IRIS subject.
        message_id: The id under which the tables keep it.
        data: The body.
        expected: Its expected outcome.
    """

    what: str
    dataset: str
    message_id: str
    data: bytes
    expected: Expected

    def attributes(self, enqueued: dt.datetime) -> dict[str, str]:
        """The Pub/Sub attributes, as the bridge sets them."""
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
        marker: The text that marks all of its messages.
        began: When it began.
        day: The settlement day of its records.
        messages: What it publishes, in order.
    """

    marker: str
    began: dt.datetime
    day: dt.date
    messages: tuple[SmokeMessage, ...] = field(repr=False)

    def expected(self, name: str) -> dict[str, int]:
        """Sums of a count of `Expected`, by dataset, without zeros."""
        sums: dict[str, int] = {}
        for message in self.messages:
            value = getattr(message.expected, name)
            count = value if isinstance(value, int) else len(value)
            sums[message.dataset] = sums.get(message.dataset, 0) + count
        return {dataset: count for dataset, count in sums.items() if count}


def new_run(now: dt.datetime | None = None) -> Run:
    """A run with a new marker."""
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
            "an unknown dataset",
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
    """Minutes after noon, which is on the same day in London and in UTC."""
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
    """The expected number of dead letters of a run, by reason code."""
    counts: dict[str, int] = {}
    for message in run.messages:
        for reason in message.expected.dead_letters:
            counts[reason] = counts.get(reason, 0) + 1
    return counts
