"""The bill of a month: quantities times prices, line by line."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from cloud.cost import quantities
from cloud.cost.prices import Price, PriceList
from cloud.cost.quantities import HOURS_A_MONTH, SECONDS_A_MONTH, DrainJob, Feed, Worker

# The worker pool of the bridge in templates/terraform.
BRIDGE_CPUS, BRIDGE_MEMORY_GIB = Decimal(1), Decimal(1)
# There it saves its position in the queue once a minute, in a bucket: three operations.
BRIDGE_SAVES = Decimal(730 * 60 * 3) / 1000
BRIDGE_DISK_GIB = Decimal(10)
EXACTLY_ONCE = "streaming on Dataflow, exactly once"
AT_LEAST_ONCE = "streaming on Dataflow, at least once"
BRIDGES = ("worker-pool", "vm")
# The values of the pipeline's `--write_method`; load jobs are free.
WRITE_METHODS = ("STREAMING_INSERTS", "STORAGE_WRITE_API", "FILE_LOADS")
# The image of the pipeline holds Beam and Google's clients; two releases are kept.
IMAGES_GIB = Decimal(2)
# The bridge logs a line a minute, a drain some ten lines a round.
LOGS_GIB = Decimal("0.2")
# Of templates/terraform/modules/alerts: six on metrics, six on lines of logs; a stream
# has four more.
ALERT_CONDITIONS, STREAM_CONDITIONS = Decimal(12), Decimal(4)


class Line(NamedTuple):
    """One line of a bill.

    Attributes:
        what: What is paid for.
        quantity: The number of units; below zero, units that are free.
        price: The price of one unit.
    """

    what: str
    quantity: Decimal
    price: Price

    @property
    def usd(self) -> Decimal:
        """The amount, not rounded."""
        return self.quantity * self.price.usd

    @property
    def is_free_tier(self) -> bool:
        """Whether it subtracts free units."""
        return self.quantity < 0


class Bill(NamedTuple):
    """A mode of the pipeline, and what it costs a month.

    Attributes:
        title: The name of the mode.
        lines: What is paid for, and then what is free.
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


class Tariff(NamedTuple):
    """The choices that decide which prices apply.

    Attributes:
        prices: The price list.
        region: The region of everything except BigQuery.
        location: The location of the BigQuery dataset.
        bridge: One of `BRIDGES`.
        write_method: One of `WRITE_METHODS`.
    """

    prices: PriceList
    region: str
    location: str
    bridge: str
    write_method: str = "STREAMING_INSERTS"

    def line(self, what: str, quantity: Decimal, name: str) -> Line:
        """A line at the price of this tariff."""
        return Line(what, quantity, self.prices.price(name, self._area(name)))

    def free(self, line: Line) -> Line | None:
        """The part of a line that is free; None if nothing is."""
        free = self.prices.free(line.price.name, self._area(line.price.name))
        if free is None or not line.quantity:
            return None
        quantity = min(line.quantity, free.usd)
        price = line.price
        if price.name.startswith("run_job"):
            # Cloud Run's free tier is a discount at the prices of tier 1.
            price = self.prices.price(price.name, "us-central1")
        return Line(f"free: {line.what}", -quantity, price)

    def _area(self, name: str) -> str:
        return self.location if name.startswith("bigquery") else self.region


def total_usd(lines: Iterable[Line]) -> Decimal:
    """The sum of lines."""
    return sum((line.usd for line in lines), Decimal(0))


def streaming_bill(
    tariff: Tariff, feed: Feed, worker: Worker, *, exactly_once: bool
) -> Bill:
    """The bill of a Dataflow job that is always on."""
    hours = HOURS_A_MONTH
    lines = [
        tariff.line("worker, vCPU", worker.cpus * hours, "dataflow_cpu"),
        tariff.line("worker, memory", worker.memory_gib * hours, "dataflow_memory"),
        tariff.line("worker, disk", worker.disk_gib * hours, "dataflow_disk"),
    ]
    if exactly_once:
        data = quantities.dataflow_gib(feed, worker)
        lines.append(tariff.line("Streaming Engine, data", data, "dataflow_data"))
    else:
        units = quantities.dataflow_unit_hours(feed)
        lines.append(tariff.line("Streaming Engine, units", units, "dataflow_unit"))
    conditions = ALERT_CONDITIONS + STREAM_CONDITIONS
    shared = _shared(tariff, feed, quantities.GATHERED_SECONDS, conditions)
    title = EXACTLY_ONCE if exactly_once else AT_LEAST_ONCE
    return _bill(title, tariff, [*lines, *shared])


def drain_bill(tariff: Tariff, feed: Feed, job: DrainJob) -> Bill:
    """The bill of a Cloud Run job that is started at an interval."""
    seconds = quantities.drain_seconds(feed, job)
    lines = [
        tariff.line("drain job, vCPU", seconds * job.cpus, "run_job_cpu"),
        tariff.line("drain job, memory", seconds * job.memory_gib, "run_job_memory"),
        tariff.line("Cloud Scheduler", Decimal(1), "scheduler_job"),
    ]
    shared = _shared(tariff, feed, job.every_seconds, ALERT_CONDITIONS)
    title = f"a drain every {interval_words(job.every_seconds)}"
    return _bill(title, tariff, [*lines, *shared])


def writing_lines(tariff: Tariff, feed: Feed) -> dict[str, Line]:
    """The cost of each write method that is not free, by its name."""
    streamed, written = quantities.streamed_units(feed), quantities.written_gib(feed)
    return {
        "STREAMING_INSERTS": tariff.line(
            "BigQuery, streaming inserts", streamed, "bigquery_streaming"
        ),
        "STORAGE_WRITE_API": tariff.line(
            "BigQuery, Storage Write API", written, "bigquery_write_api"
        ),
    }


def interval_words(seconds: Decimal) -> str:
    """An interval for a reader: `5 minutes`, `hour`."""
    for size, word in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds / size)
            return word if count == 1 else f"{count} {word}s"
    return f"{seconds:f} seconds"


def _bill(title: str, tariff: Tariff, lines: Sequence[Line]) -> Bill:
    paid = [line for line in lines if line.quantity]
    free = [line for line in map(tariff.free, _by_price(paid)) if line]
    return Bill(title, (*paid, *free))


def _by_price(lines: Iterable[Line]) -> Iterator[Line]:
    """One line for each price: its free tier is for all lines together."""
    by_price: dict[Price, list[Line]] = {}
    for line in lines:
        by_price.setdefault(line.price, []).append(line)
    for price, same in by_price.items():
        quantity = sum((line.quantity for line in same), Decimal(0))
        yield Line(" and ".join(line.what for line in same), quantity, price)


def _shared(
    tariff: Tariff, feed: Feed, every_seconds: Decimal, conditions: Decimal
) -> Iterator[Line]:
    """What every mode needs."""
    yield from _bridge(tariff)
    yield tariff.line(
        "Pub/Sub, publish and deliver", quantities.pubsub_tib(feed), "pubsub_throughput"
    )
    old = quantities.old_backlog_gib(feed, every_seconds)
    yield tariff.line("Pub/Sub, messages older than a day", old, "pubsub_backlog")
    kept = quantities.acknowledged_gib(feed)
    yield tariff.line("Pub/Sub, acknowledged and kept 7 days", kept, "pubsub_backlog")
    writing = writing_lines(tariff, feed)
    if tariff.write_method in writing:
        yield writing[tariff.write_method]
    yield tariff.line(
        "BigQuery, active storage", quantities.active_gib(feed), "bigquery_active"
    )
    yield tariff.line(
        "BigQuery, long-term storage",
        quantities.long_term_gib(feed),
        "bigquery_long_term",
    )
    yield tariff.line("raw archive", quantities.archive_gib(feed), "storage_standard")
    operations = quantities.archive_thousand_operations(feed, every_seconds)
    yield tariff.line("raw archive, writing", operations, "storage_class_a")
    yield tariff.line("container images", IMAGES_GIB, "artifact_storage")
    yield tariff.line("secret", Decimal(1), "secret_version")
    yield tariff.line("logs", LOGS_GIB, "logging")
    yield tariff.line("alerts", conditions, "alert_condition")


def _bridge(tariff: Tariff) -> Iterator[Line]:
    if tariff.bridge == "vm":
        yield tariff.line("bridge, e2-micro", HOURS_A_MONTH, "e2_micro")
        yield tariff.line("bridge, disk", BRIDGE_DISK_GIB, "vm_disk")
        yield tariff.line("bridge, address", HOURS_A_MONTH, "vm_address")
        return
    cpu_seconds = SECONDS_A_MONTH * BRIDGE_CPUS
    memory_seconds = SECONDS_A_MONTH * BRIDGE_MEMORY_GIB
    yield tariff.line("bridge, vCPU", cpu_seconds, "run_worker_pool_cpu")
    yield tariff.line("bridge, memory", memory_seconds, "run_worker_pool_memory")
    yield tariff.line("bridge, saved position", BRIDGE_SAVES, "storage_class_a")
