"""Metrics: what the bridge counts, for Prometheus and for its own summary line."""

import re
from collections import Counter
from datetime import UTC, date, datetime, time

import prometheus_client as prometheus

PREFIX = "iris_bridge_"

# IRIS has 89 datasets. A subject is data from outside: a flood of names must not
# become a flood of time series.
MAX_DATASETS = 200
DATASET_PATTERN = re.compile(r"\w{1,40}", re.ASCII)
OTHER_DATASETS = "other"

COUNTERS = {
    "published": "Messages that Pub/Sub has acknowledged",
    "published_bytes": "Body bytes that Pub/Sub has acknowledged, as sent",
    "completed": "Messages completed on the queue",
    "queue_dead_lettered": "Messages that can never be published, dead-lettered",
    "settled_unseen": "Settled messages whose confirmation was lost",
    "lock_lost": "Locks that were lost: the message comes again, as a duplicate",
    "renewed": "Locks renewed",
    "sessions": "Sessions opened with the queue",
    "session_failures": "Sessions that could not be opened, or ended with an error",
    "publish_failures": "Publish requests that failed, to be tried again",
}


class Metrics:
    """Counters and gauges in a registry of their own.

    Attributes:
        totals: The counters as plain numbers since the start, by name.
    """

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        self.totals: Counter[str] = Counter(
            {"received": 0, **dict.fromkeys(COUNTERS, 0)}
        )
        prometheus.ProcessCollector(registry=self.registry)
        self._counters = {
            name: prometheus.Counter(PREFIX + name, text, registry=self.registry)
            for name, text in COUNTERS.items()
        }
        self._received = prometheus.Counter(
            PREFIX + "received",
            "Messages received from the queue, redeliveries included",
            ["dataset"],
            registry=self.registry,
        )
        self._datasets: set[str] = set()
        # Dashboards know it by this name.
        self.in_flight = self._gauge("in_hand", "Messages received and not yet settled")
        self.last_message = self._gauge(
            "last_message_timestamp_seconds", "When a message was last received"
        )
        self.queue_shared = self._gauge(
            "queue_shared", "1 while another client takes messages from the queue"
        )
        self.clock_ahead = self._gauge(
            "clock_ahead_seconds", "How far this clock is ahead of the queue's; 0: fine"
        )
        self.dead_letters = self._gauge(
            "dead_letters", "Messages in the dead-letter sub-queue, when last counted"
        )
        self.healthy = self._gauge("healthy", "1 if /healthz answers 200")
        self.publish_seconds = prometheus.Histogram(
            PREFIX + "publish_seconds",
            "Time that an acknowledged publish request took",
            registry=self.registry,
        )

    def add(self, name: str, amount: int = 1) -> None:
        """Increases one of `COUNTERS`."""
        self.totals[name] += amount
        self._counters[name].inc(amount)

    def add_received(self, dataset: str) -> None:
        """Counts one received message of a dataset."""
        self.totals["received"] += 1
        self._received.labels(self._label(dataset)).inc()

    def set_secret_expiry(self, expires: date) -> None:
        """Exposes the last day of the client secret, as its midnight in UTC."""
        gauge = self._gauge(
            "secret_expires_timestamp_seconds", "When the IRIS client secret expires"
        )
        gauge.set(datetime.combine(expires, time(), UTC).timestamp())

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return prometheus.generate_latest(self.registry)

    def _gauge(self, name: str, text: str) -> prometheus.Gauge:
        return prometheus.Gauge(PREFIX + name, text, registry=self.registry)

    def _label(self, dataset: str) -> str:
        if dataset not in self._datasets:
            is_name = DATASET_PATTERN.fullmatch(dataset)
            if not is_name or len(self._datasets) >= MAX_DATASETS:
                return OTHER_DATASETS
            self._datasets.add(dataset)
        return dataset
