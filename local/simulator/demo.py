"""The demo feed: endless new messages of all datasets, with today's times.

They are real samples moved to the present where a dataset has samples, and generated
messages elsewhere.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from local.simulator.generator import generate_message
from local.simulator.sample_folder import Sample, SampleFolder
from local.simulator.settlement_clock import (
    half_hour_start,
    period_start,
    settlement_period,
)
from pipeline.registry import Dataset

SHIPPED_SAMPLES = Path(__file__).parents[1] / "samples"

FIRST_SERIAL = 10_000
RECORDS = 3
"""Records of a generated message: enough to be an array."""

JITTER = 0.002
"""The largest relative change of a measured value: no two messages are equal."""

_INSTANTS = frozenset(
    {
        *("publishTime", "measurementTime", "acceptanceTime", "notificationTime"),
        *("createdDateTime", "createdTime", "time"),
    }
)
"""Times of an event, to the second; other times are the bounds of half-hours."""

_MINUTE_IN_NAME = re.compile(r"_(\d{12})_")


def demo_messages(
    registry: Mapping[str, Dataset],
    rng: random.Random,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[Sample]:
    """Yields messages of one dataset after the other, without end."""
    templates: dict[str, list[Sample]] = {}
    for sample in SampleFolder(SHIPPED_SAMPLES).read():
        templates.setdefault(sample.dataset, []).append(sample)
    for serial, dataset in enumerate(itertools.cycle(registry.values()), FIRST_SERIAL):
        now = clock()
        if shipped := templates.get(dataset.name):
            yield refresh(dataset, rng.choice(shipped), now, serial, rng)
        else:
            message = generate_message(dataset, now, serial, rng, RECORDS)
            yield Sample(dataset.name, *message)


def refresh(
    dataset: Dataset, sample: Sample, now: datetime, serial: int, rng: random.Random
) -> Sample:
    """A sample as if it were published now.

    Times of events move by the exact age of the sample. Bounds of half-hours move by
    whole half-hours, and settlement dates and periods with them. Measured values change
    by up to `JITTER`.

    Raises:
        ValueError: The sample's name has no time of publication.
    """
    found = _MINUTE_IN_NAME.search(sample.message_id)
    if found is None:
        raise ValueError(f"sample '{sample.message_id}' has no time in its name")
    published = datetime.strptime(found[1], "%Y%m%d%H%M").replace(tzinfo=UTC)
    move = _Move(now.replace(microsecond=0) - published, published)
    records = [
        _refresh_record(dataset, record, move, rng)
        for record in orjson.loads(sample.payload)
    ]
    name = f"{dataset.name}_{now.astimezone(UTC):%Y%m%d%H%M}_{serial}.json"
    return Sample(dataset.name, name, orjson.dumps(records))


class _Move:
    """A step in time: exact, in whole half-hours, and in days."""

    def __init__(self, exact: timedelta, origin: datetime) -> None:
        self.exact = exact
        self.half_hours = half_hour_start(origin + exact) - half_hour_start(origin)
        self.days = timedelta(days=self.half_hours.days)

    def time(self, text: str, name: str) -> str:
        step = self.exact if name in _INSTANTS else self.half_hours
        return f"{datetime.fromisoformat(text) + step:%Y-%m-%dT%H:%M:%SZ}"

    def date(self, text: str) -> str:
        return (date.fromisoformat(text) + self.days).isoformat()

    def period(self, day: str, period: int) -> tuple[str, int]:
        start = period_start(date.fromisoformat(day), period) + self.half_hours
        moved, number = settlement_period(start)
        return moved.isoformat(), number


def _refresh_record(
    dataset: Dataset, record: dict[str, Any], move: _Move, rng: random.Random
) -> dict[str, Any]:
    fresh = dict(record)
    for column in dataset.columns:
        value = record.get(column.name)
        if value is None:
            continue
        if column.type == "TIMESTAMP":
            fresh[column.name] = move.time(value, column.name)
        elif column.unit == "half-hour index":
            day, period = move.period(record["settlementDate"], value)
            fresh["settlementDate"], fresh[column.name] = day, period
        elif column.type == "DATE" and fresh[column.name] == value:
            fresh[column.name] = move.date(value)
        elif column.unit is not None and column.type in ("INT64", "FLOAT64"):
            changed = value * (1 + JITTER * (2 * rng.random() - 1))
            fresh[column.name] = round(changed, 3 if column.type == "FLOAT64" else None)
    return fresh
