"""Quantities: how much of each service a month of IRIS uses. Pure, without prices.

Every function returns a quantity in the unit at the end of its name. A month has 730
hours, as in Google's own examples. Quantities are decimals of 28 digits, and nothing
is rounded here.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

HOURS_A_MONTH = Decimal(730)
SECONDS_A_MONTH = HOURS_A_MONTH * 3600
BYTES_A_GIB = Decimal(2**30)
BYTES_A_TIB = Decimal(2**40)
BYTES_A_STREAMED_UNIT = Decimal(200 * 2**20)

# The smallest size that a request to publish or pull is charged for (Pub/Sub's pricing
# page).
MIN_PUBSUB_BYTES = Decimal(1000)
# Messages that wait for acknowledgement are free for a day (the same page).
FREE_BACKLOG_SECONDS = Decimal(86_400)
# `message_retention_duration` in templates/terraform/modules/messaging.
KEPT_DAYS = Decimal(7)
# A streamed row is charged as 1 KB at least (BigQuery's pricing page).
MIN_STREAMED_ROW_BYTES = Decimal(1024)
# A partition without changes for 90 days becomes long-term storage.
ACTIVE_MONTHS = Decimal(3)
# On Cloud Storage a file is written under a hidden name and then renamed: each is an
# operation of class A (`pipeline/files/raw_archive.py`).
OPERATIONS_A_FILE = Decimal(2)
# On Dataflow a file waits this long for more messages (`pipeline/steps/archive.py`).
GATHERED_SECONDS = Decimal(600)
# Google's documentation of Dataflow has a benchmark of a pipeline from Pub/Sub to
# BigQuery: 58 units an hour for 1 GiB a second.
UNITS_A_GIB_A_SECOND = Decimal(58)


@dataclass(frozen=True)
class Feed:
    """The messages that arrive, and how long they are kept.

    Attributes:
        messages_per_second: The average.
        message_bytes: The size of a body.
        attribute_bytes: The size of attributes, message id and time.
        records_per_message: The average; each record is a row.
        row_bytes: The size of a row by BigQuery's own rules, uncompressed.
        months_kept: The number of months for which rows and archive exist.
        datasets_at_once: The number of datasets with a message within a few minutes:
            each is a file of the raw archive.
    """

    messages_per_second: Decimal = Decimal(2)
    message_bytes: Decimal = Decimal(1200)
    attribute_bytes: Decimal = Decimal(250)
    records_per_message: Decimal = Decimal("4.6")
    row_bytes: Decimal = Decimal(195)
    months_kept: Decimal = Decimal(12)
    datasets_at_once: Decimal = Decimal(30)


@dataclass(frozen=True)
class DrainJob:
    """A drain that starts at a fixed interval.

    Attributes:
        every_seconds: The interval.
        startup_seconds: The time of a run without messages.
        seconds_per_message: The time that each message adds.
        minimum_seconds: The shortest time that Cloud Run charges for a run.
        cpus: vCPU of the job.
        memory_gib: Its memory.
    """

    every_seconds: Decimal = Decimal(300)
    startup_seconds: Decimal = Decimal(15)
    seconds_per_message: Decimal = Decimal("0.0045")
    minimum_seconds: Decimal = Decimal(60)
    cpus: Decimal = Decimal(1)
    memory_gib: Decimal = Decimal(2)


@dataclass(frozen=True)
class Worker:
    """The one worker of a streaming job.

    Attributes:
        cpus: Its vCPU.
        memory_gib: Its memory.
        disk_gib: Its disk.
        passes: How many times a message crosses Streaming Engine.
    """

    cpus: Decimal
    memory_gib: Decimal
    disk_gib: Decimal = Decimal(30)
    passes: Decimal = Decimal(5)


def messages(feed: Feed) -> Decimal:
    """Messages a month."""
    return feed.messages_per_second * SECONDS_A_MONTH


def rows(feed: Feed) -> Decimal:
    """Rows a month."""
    return messages(feed) * feed.records_per_message


def sent_bytes(feed: Feed) -> Decimal:
    """Bytes a month of messages, with attributes, ids and times."""
    return messages(feed) * (feed.message_bytes + feed.attribute_bytes)


def pubsub_tib(feed: Feed) -> Decimal:
    """Pub/Sub throughput: each message is published and delivered once.

    It treats every message as a separate request, which is the most expensive case.
    """
    each = max(feed.message_bytes + feed.attribute_bytes, MIN_PUBSUB_BYTES)
    return 2 * messages(feed) * each / BYTES_A_TIB


def old_backlog_gib(feed: Feed, every_seconds: Decimal) -> Decimal:
    """Messages that wait for longer than a day, as an average over time.

    A message waits for one interval at most. In each interval this part is empty for
    the first day, and then grows until the next drain.
    """
    beyond = max(every_seconds - FREE_BACKLOG_SECONDS, Decimal(0))
    each = feed.message_bytes + feed.attribute_bytes
    waiting_bytes = feed.messages_per_second * each * beyond**2 / (2 * every_seconds)
    return waiting_bytes / BYTES_A_GIB


def acknowledged_gib(feed: Feed) -> Decimal:
    """Acknowledged messages that the subscription keeps, for a seek."""
    return sent_bytes(feed) * KEPT_DAYS * 24 / HOURS_A_MONTH / BYTES_A_GIB


def streamed_units(feed: Feed) -> Decimal:
    """Streaming inserts, in units of 200 MiB."""
    each = max(feed.row_bytes, MIN_STREAMED_ROW_BYTES)
    return rows(feed) * each / BYTES_A_STREAMED_UNIT


def written_gib(feed: Feed) -> Decimal:
    """Data for the Storage Write API: the size of the rows, without a minimum."""
    return rows(feed) * feed.row_bytes / BYTES_A_GIB


def active_gib(feed: Feed) -> Decimal:
    """Rows of the last three months, as stored in the last month."""
    return written_gib(feed) * min(feed.months_kept, ACTIVE_MONTHS)


def long_term_gib(feed: Feed) -> Decimal:
    """Older rows, as stored in the last month."""
    return written_gib(feed) * max(feed.months_kept - ACTIVE_MONTHS, Decimal(0))


def archive_gib(feed: Feed) -> Decimal:
    """The raw archive, as stored in the last month, without its compression."""
    return sent_bytes(feed) * feed.months_kept / BYTES_A_GIB


def archive_thousand_operations(feed: Feed, every_seconds: Decimal) -> Decimal:
    """Operations of class A for files that are written at an interval."""
    intervals = SECONDS_A_MONTH / every_seconds
    at_once = min(feed.datasets_at_once, feed.messages_per_second * every_seconds)
    return intervals * at_once * OPERATIONS_A_FILE / 1000


def drain_runs(job: DrainJob) -> Decimal:
    """Runs a month."""
    return SECONDS_A_MONTH / job.every_seconds


def drain_run_seconds(feed: Feed, job: DrainJob) -> Decimal:
    """The charged time of one run: tenths of a second, and at least the minimum."""
    waiting = feed.messages_per_second * job.every_seconds
    seconds = job.startup_seconds + waiting * job.seconds_per_message
    # Not quantize, which refuses numbers with too many digits.
    rounded = (10 * seconds).to_integral_value(ROUND_CEILING) / 10
    return max(rounded, job.minimum_seconds)


def drain_seconds(feed: Feed, job: DrainJob) -> Decimal:
    """The charged time of all runs of a month."""
    return drain_runs(job) * drain_run_seconds(feed, job)


def dataflow_gib(feed: Feed, worker: Worker) -> Decimal:
    """Data through Streaming Engine; exactly-once mode is billed by data."""
    return sent_bytes(feed) * worker.passes / BYTES_A_GIB


def dataflow_unit_hours(feed: Feed) -> Decimal:
    """Streaming Engine units of at-least-once mode, scaled from the benchmark."""
    gib_per_second = sent_bytes(feed) / SECONDS_A_MONTH / BYTES_A_GIB
    return gib_per_second * UNITS_A_GIB_A_SECOND * HOURS_A_MONTH
