"""Metrics: what the embedded Pub/Sub counts, for Prometheus."""

import time
from collections.abc import Iterator

import prometheus_client as prometheus
from aiohttp import web
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bridge.callers import only_own
from local.ports import LOOPBACK
from local.pubsub.message_store import MessageStore

PREFIX = "iris_pubsub_"
MICROSECONDS = 1_000_000


class Metrics(Collector):
    """Counters since the start, and what waits now.

    Attributes:
        registry: Of this server.
        published: Messages that a topic has accepted.
        delivered: Messages sent to subscribers, later deliveries included.
        acknowledged: Acknowledgements received.
    """

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self.published = self._counter("published", "Messages that a topic accepted")
        self.delivered = self._counter("delivered", "Messages sent to subscribers")
        self.acknowledged = self._counter("acknowledged", "Acknowledgements received")
        self.registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What waits in each subscription, delivered and not acknowledged included."""
        label = ["subscription"]
        waiting = GaugeMetricFamily(
            f"{PREFIX}backlog_messages", "Messages not acknowledged", labels=label
        )
        age = GaugeMetricFamily(
            f"{PREFIX}oldest_message_age_seconds", "Of the oldest of them", labels=label
        )
        for name, count, oldest_us in self._store.backlogs():
            short = name.rpartition("/")[2]
            seconds = time.time() - oldest_us / MICROSECONDS if count else 0.0
            waiting.add_metric([short], count)
            age.add_metric([short], max(0.0, seconds))
        yield from (waiting, age)

    def _counter(self, name: str, text: str) -> prometheus.Counter:
        return prometheus.Counter(PREFIX + name, text, registry=self.registry)


async def serve(metrics: Metrics, port: int) -> web.AppRunner:
    """Serves /metrics to this machine, in the loop that uses the store.

    Raises:
        OSError: The port cannot be used.
    """

    async def scrape(_: web.Request) -> web.Response:
        body = prometheus.generate_latest(metrics.registry)
        headers = {"Content-Type": prometheus.CONTENT_TYPE_LATEST}
        return web.Response(body=body, headers=headers)

    app = web.Application(middlewares=[only_own(LOOPBACK)])
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    return runner
