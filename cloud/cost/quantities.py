"""Quantities: how much of each thing a month of IRIS takes. Pure, without prices.

Every function gives a quantity in the unit that its name ends with. A month has 730
hours, as in Google's own examples. Quantities are decimals of 28 digits, and nothing
is rounded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

HOURS_A_MONTH = Decimal(730)
SECONDS_A_MONTH = HOURS_A_MONTH * 3600
BYTES_A_GIB = Decimal(2**30)
BYTES_A_TIB = Decimal(2**40)
BYTES_A_STREAMED_UNIT = Decimal(200 * 2**20)

# A request to publish or pull counts for so much at least (Pub/Sub's pricing page).
MIN_PUBSUB_BYTES = Decimal(1000)
# What waits for acknowledgement is free for a day (the same page).
FREE_BACKLOG_SECONDS = Decimal(86_400)
# A streamed row counts for 1 KB at least (BigQuery's pricing page).
MIN_STREAMED_ROW_BYTES = Decimal(1024)
# A partition that nobody changed for 90 days is long-term storage.
ACTIVE_MONTHS = Decimal(3)
# On Cloud Storage a file is written under a hidden name and then renamed: each is an
# operation of class A (`pipeline/files/raw_archive.py`).
OPERATIONS_A_FILE = Decimal(2)
# On Dataflow a file waits so long for more messages (`pipeline/steps/archive.py`).
GATHERED_SECONDS = Decimal(600)
# Google's documentation of Dataflow has a benchmark of a pipeline from Pub/Sub to
# BigQuery: 58 units an hour for 1 GiB a second.
UNITS_A_GIB_A_SECOND = Decimal(58)


@dataclass(frozen=True)
class Feed:
    """What comes, and how long it is kept.

    Attributes:
        messages_per_second: On average.
        message_bytes: The body of a message.
        attribute_bytes: Attributes, message id and time beside it.
        records_per_message: Each record is a row.
        row_bytes: A row in BigQuery's own sizes, uncompressed.
        months_kept: How many months of rows and archive there are.
        datasets_at_once: How many datasets have a message in a few minutes: each is a
            file of the raw archive.
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
    """A drain that is started again and again.

    Attributes:
        every_seconds: The beat.
        startup_seconds: What a run takes whatever there is to do.
        seconds_per_message: What each message adds.
        minimum_seconds: What Cloud Run charges for a run at least.
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
        passes: How often a message crosses Streaming Engine.
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
    """Bytes a month of messages with all that travels beside their bodies."""
    return messages(feed) * (feed.message_bytes + feed.attribute_bytes)


def pubsub_tib(feed: Feed) -> Decimal:
    """Pub/Sub throughput: each message is published and delivered once.

    It takes every message to be a request of its own, which is the most it can be.
    """
    each = max(feed.message_bytes + feed.attribute_bytes, MIN_PUBSUB_BYTES)
    return 2 * messages(feed) * each / BYTES_A_TIB


def old_backlog_gib(feed: Feed, every_seconds: Decimal) -> Decimal:
    """What waits for longer than is free, at any moment on average.

    A message waits for up to a beat; what is older than a day at the end of one grows
    from nothing to all that came before.
    """
    beyond = max(every_seconds - FREE_BACKLOG_SECONDS, Decimal(0))
    each = feed.message_bytes + feed.attribute_bytes
    waiting_bytes = feed.messages_per_second * each * beyond**2 / (2 * every_seconds)
    return waiting_bytes / BYTES_A_GIB


def streamed_units(feed: Feed) -> Decimal:
    """Streaming inserts, in units of 200 MiB."""
    each = max(feed.row_bytes, MIN_STREAMED_ROW_BYTES)
    return rows(feed) * each / BYTES_A_STREAMED_UNIT


def written_gib(feed: Feed) -> Decimal:
    """What the Storage Write API would take: rows as large as they are."""
    return rows(feed) * feed.row_bytes / BYTES_A_GIB


def active_gib(feed: Feed) -> Decimal:
    """Rows of the last three months, in the last month."""
    return written_gib(feed) * min(feed.months_kept, ACTIVE_MONTHS)


def long_term_gib(feed: Feed) -> Decimal:
    """Rows older than that."""
    return written_gib(feed) * max(feed.months_kept - ACTIVE_MONTHS, Decimal(0))


def archive_gib(feed: Feed) -> Decimal:
    """The raw archive, in the last month; its compression is not counted."""
    return sent_bytes(feed) * feed.months_kept / BYTES_A_GIB


def archive_thousand_operations(feed: Feed, every_seconds: Decimal) -> Decimal:
    """Operations of class A for files that are written at a beat."""
    beats = SECONDS_A_MONTH / every_seconds
    at_once = min(feed.datasets_at_once, feed.messages_per_second * every_seconds)
    return beats * at_once * OPERATIONS_A_FILE / 1000


def drain_runs(job: DrainJob) -> Decimal:
    """Runs a month."""
    return SECONDS_A_MONTH / job.every_seconds


def drain_run_seconds(feed: Feed, job: DrainJob) -> Decimal:
    """What is charged for one run, in tenths of a second, and for the minimum."""
    waiting = feed.messages_per_second * job.every_seconds
    seconds = job.startup_seconds + waiting * job.seconds_per_message
    # Not quantize, which refuses what has too many digits.
    rounded = (10 * seconds).to_integral_value(ROUND_CEILING) / 10
    return max(rounded, job.minimum_seconds)


def drain_seconds(feed: Feed, job: DrainJob) -> Decimal:
    """What is charged for all runs of a month."""
    return drain_runs(job) * drain_run_seconds(feed, job)


def dataflow_gib(feed: Feed, worker: Worker) -> Decimal:
    """What crosses Streaming Engine in exactly-once mode, billed by data."""
    return sent_bytes(feed) * worker.passes / BYTES_A_GIB


def dataflow_unit_hours(feed: Feed) -> Decimal:
    """Streaming Engine units in at-least-once mode, in proportion to the benchmark."""
    gib_per_second = sent_bytes(feed) / SECONDS_A_MONTH / BYTES_A_GIB
    return gib_per_second * UNITS_A_GIB_A_SECOND * HOURS_A_MONTH
