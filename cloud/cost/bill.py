"""The bill of a month: quantities times prices, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from cloud.cost import quantities
from cloud.cost.prices import Price, PriceList
from cloud.cost.quantities import HOURS_A_MONTH, SECONDS_A_MONTH, DrainJob, Feed, Worker

# What templates/terraform gives the bridge on a worker pool.
BRIDGE_CPUS, BRIDGE_MEMORY_GIB = Decimal(1), Decimal(1)
# There it notes once a minute, in a bucket, how far it has read: three operations.
BRIDGE_NOTES = Decimal(730 * 60 * 3) / 1000
BRIDGE_DISK_GIB = Decimal(10)
EXACTLY_ONCE = "streaming on Dataflow, exactly once"
AT_LEAST_ONCE = "streaming on Dataflow, at least once"
BRIDGES = ("worker-pool", "vm")
# As `--write_method` of the pipeline has them; load jobs are free.
WRITE_METHODS = ("STREAMING_INSERTS", "STORAGE_WRITE_API", "FILE_LOADS")
# The image of the pipeline holds Beam and Google's clients; two releases are kept.
IMAGES_GIB = Decimal(2)
# A line a minute of the bridge, some ten a round of a drain.
LOGS_GIB = Decimal("0.2")
ALERT_CONDITIONS = Decimal(6)


class Line(NamedTuple):
    """One line.

    Attributes:
        what: For a reader.
        quantity: How many units; below zero, units that are free.
        price: For one unit.
    """

    what: str
    quantity: Decimal
    price: Price

    @property
    def usd(self) -> Decimal:
        """What it comes to, not rounded."""
        return self.quantity * self.price.usd

    @property
    def is_free_tier(self) -> bool:
        """Whether it takes off what is free."""
        return self.quantity < 0


class Bill(NamedTuple):
    """A way to run it, and what that costs a month.

    Attributes:
        title: For a reader.
        lines: What is paid for, and what is taken off.
    """

    title: str
    lines: tuple[Line, ...]

    @property
    def usd(self) -> Decimal:
        """The sum."""
        return total_usd(self.lines)

    @property
    def list_usd(self) -> Decimal:
        """The sum without free tiers."""
        return total_usd(line for line in self.lines if not line.is_free_tier)


class Place(NamedTuple):
    """Where it runs.

    Attributes:
        prices: The price list.
        region: Of all but BigQuery.
        location: Of the BigQuery dataset.
        bridge: One of `BRIDGES`.
        write_method: One of `WRITE_METHODS`.
    """

    prices: PriceList
    region: str
    location: str
    bridge: str
    write_method: str = "STREAMING_INSERTS"

    def line(self, what: str, quantity: Decimal, name: str) -> Line:
        """A line at the price of this place."""
        return Line(what, quantity, self.prices.price(name, self._of(name)))

    def free(self, line: Line) -> Line | None:
        """What of a line is free; None for nothing."""
        free = self.prices.free(line.price.name, self._of(line.price.name))
        if free is None or not line.quantity:
            return None
        quantity = min(line.quantity, free.usd)
        price = line.price
        if price.name.startswith("run_job"):
            # Cloud Run's is a discount at the prices of tier 1.
            price = self.prices.price(price.name, "us-central1")
        return Line(f"free: {line.what}", -quantity, price)

    def _of(self, name: str) -> str:
        return self.location if name.startswith("bigquery") else self.region


def total_usd(lines: Iterable[Line]) -> Decimal:
    """The sum of lines."""
    return sum((line.usd for line in lines), Decimal(0))


def streaming_bill(
    place: Place, feed: Feed, worker: Worker, *, exactly_once: bool
) -> Bill:
    """A Dataflow job that is always on."""
    hours = HOURS_A_MONTH
    lines = [
        place.line("worker, vCPU", worker.cpus * hours, "dataflow_cpu"),
        place.line("worker, memory", worker.memory_gib * hours, "dataflow_memory"),
        place.line("worker, disk", worker.disk_gib * hours, "dataflow_disk"),
    ]
    if exactly_once:
        data = quantities.dataflow_gib(feed, worker)
        lines.append(place.line("Streaming Engine, data", data, "dataflow_data"))
    else:
        units = quantities.dataflow_unit_hours(feed)
        lines.append(place.line("Streaming Engine, units", units, "dataflow_unit"))
    shared = _shared(place, feed, quantities.GATHERED_SECONDS)
    title = EXACTLY_ONCE if exactly_once else AT_LEAST_ONCE
    return _bill(title, place, [*lines, *shared])


def drain_bill(place: Place, feed: Feed, job: DrainJob) -> Bill:
    """A Cloud Run job that is started at a beat."""
    seconds = quantities.drain_seconds(feed, job)
    lines = [
        place.line("drain job, vCPU", seconds * job.cpus, "run_job_cpu"),
        place.line("drain job, memory", seconds * job.memory_gib, "run_job_memory"),
        place.line("Cloud Scheduler", Decimal(1), "scheduler_job"),
    ]
    shared = _shared(place, feed, job.every_seconds)
    title = f"a drain every {beat_words(job.every_seconds)}"
    return _bill(title, place, [*lines, *shared])


def writing_lines(place: Place, feed: Feed) -> dict[str, Line]:
    """What the ways into BigQuery cost that are not free, by their name."""
    streamed, written = quantities.streamed_units(feed), quantities.written_gib(feed)
    return {
        "STREAMING_INSERTS": place.line(
            "BigQuery, streaming inserts", streamed, "bigquery_streaming"
        ),
        "STORAGE_WRITE_API": place.line(
            "BigQuery, Storage Write API", written, "bigquery_write_api"
        ),
    }


def beat_words(seconds: Decimal) -> str:
    """A beat for a reader: `5 minutes`, `hour`."""
    for size, word in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds / size)
            return word if count == 1 else f"{count} {word}s"
    return f"{seconds:f} seconds"


def _bill(title: str, place: Place, lines: Sequence[Line]) -> Bill:
    paid = [line for line in lines if line.quantity]
    free = [line for line in map(place.free, _by_price(paid)) if line]
    return Bill(title, (*paid, *free))


def _by_price(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines, those of one price as one: a free tier is for them together."""
    by_price: dict[Price, list[Line]] = {}
    for line in lines:
        by_price.setdefault(line.price, []).append(line)
    for price, same in by_price.items():
        quantity = sum((line.quantity for line in same), Decimal(0))
        yield Line(" and ".join(line.what for line in same), quantity, price)


def _shared(place: Place, feed: Feed, every_seconds: Decimal) -> Iterator[Line]:
    """What every way needs."""
    yield from _bridge(place)
    yield place.line(
        "Pub/Sub, publish and deliver", quantities.pubsub_tib(feed), "pubsub_throughput"
    )
    old = quantities.old_backlog_gib(feed, every_seconds)
    yield place.line("Pub/Sub, what waits for over a day", old, "pubsub_backlog")
    writing = writing_lines(place, feed)
    if place.write_method in writing:
        yield writing[place.write_method]
    yield place.line(
        "BigQuery, active storage", quantities.active_gib(feed), "bigquery_active"
    )
    yield place.line(
        "BigQuery, long-term storage",
        quantities.long_term_gib(feed),
        "bigquery_long_term",
    )
    yield place.line("raw archive", quantities.archive_gib(feed), "storage_standard")
    operations = quantities.archive_thousand_operations(feed, every_seconds)
    yield place.line("raw archive, writing", operations, "storage_class_a")
    yield place.line("container images", IMAGES_GIB, "artifact_storage")
    yield place.line("secret", Decimal(1), "secret_version")
    yield place.line("logs", LOGS_GIB, "logging")
    yield place.line("alerts", ALERT_CONDITIONS, "alert_condition")


def _bridge(place: Place) -> Iterator[Line]:
    if place.bridge == "vm":
        yield place.line("bridge, e2-micro", HOURS_A_MONTH, "e2_micro")
        yield place.line("bridge, disk", BRIDGE_DISK_GIB, "vm_disk")
        yield place.line("bridge, address", HOURS_A_MONTH, "vm_address")
        return
    cpu_seconds = SECONDS_A_MONTH * BRIDGE_CPUS
    memory_seconds = SECONDS_A_MONTH * BRIDGE_MEMORY_GIB
    yield place.line("bridge, vCPU", cpu_seconds, "run_worker_pool_cpu")
    yield place.line("bridge, memory", memory_seconds, "run_worker_pool_memory")
    yield place.line("bridge, note of its reading", BRIDGE_NOTES, "storage_class_a")
