"""Reads how far a running stack is: the queue, the bridge, the ledger."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery import Client
from prometheus_client.parser import text_string_to_metric_families

from local.stack.snapshot import Snapshot
from local.stack.summary import Ledger, read_delays, read_ledger, read_reasons, since

HTTP_SECONDS = 5.0

log = logging.getLogger(__name__)


class Published:
    """Counts what a bridge publishes, over its restarts.

    Attributes:
        count: Of all processes so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._process: float | None = None
        self._of_process = 0

    def see(self, count: int, process: float | None) -> None:
        """Notes what a process has published since its start.

        Args:
            count: Its own counter; that of a process that dies is last seen before.
            process: When it was started; None for the one seen last.
        """
        if process not in (None, self._process):
            self._process, self._of_process = process, 0
        if count > self._of_process:
            self.count += count - self._of_process
            self._of_process = count


class Monitor:
    """Reads how far a run has come.

    Attributes:
        last: The last snapshot taken.
    """

    def __init__(
        self, client: Client, health_url: str, control_url: str | None, backlog: int
    ) -> None:
        """Reads the ledger: later counts are relative to it.

        Args:
            client: Of the BigQuery with the ledger.
            health_url: Where the bridge serves its metrics.
            control_url: Where the simulator serves its counters, if there is one.
            backlog: Messages that waited in Pub/Sub at the start.
        """
        self._client = client
        self._health_url = health_url
        self._control_url = control_url
        self._started = datetime.now(UTC)
        self._published = Published()
        self._start = read_ledger(client)
        self.last = Snapshot(backlog=backlog)

    def look(self) -> Snapshot:
        """Takes a snapshot.

        It asks the parts in the order in which a message passes them: one that moves
        on meanwhile may be counted twice, but is never missed.

        Raises:
            OSError: A part does not answer.
            GoogleAPICallError: BigQuery answers with an error.
        """
        queue, sent, exhausted = self._queue()
        trouble = self._trouble()
        bridge = read_metrics(_get(f"{self._health_url}/metrics"))
        self._published.see(
            int(bridge.get("iris_bridge_published_total", 0)),
            bridge.get("process_start_time_seconds"),
        )
        self.last = Snapshot(
            sent=sent,
            exhausted=exhausted,
            on_queue=queue.get("ready", 0) + queue.get("locked", 0),
            sessions=int(bridge.get("iris_bridge_sessions_total", 0)),
            trouble=trouble,
            published=self._published.count,
            in_flight=int(bridge.get("iris_bridge_in_hand", 0)),
            refused=int(bridge.get("iris_bridge_queue_dead_lettered_total", 0)),
            ledger=self._ledger(),
            backlog=self.last.backlog,
        )
        return self.last

    def bridge_ended(self, published: int) -> None:
        """Notes what the bridge says at its end that it has published."""
        self._published.see(published, None)
        self.last = replace(self.last, published=self._published.count, in_flight=0)

    def count(self) -> Snapshot:
        """The last snapshot, with the ledger as it is now: the bridge has ended.

        Raises:
            OSError: BigQuery does not answer.
            GoogleAPICallError: It answers with an error.
        """
        self.last = replace(self.last, ledger=self._ledger())
        return self.last

    def finish(self) -> Snapshot:
        """The last snapshot, with the ledger as it is now if BigQuery still answers."""
        try:
            self.count()
            delays = read_delays(self._client, self._started)
            reasons = read_reasons(self._client, self._started)
            self.last = replace(self.last, delays=delays, reasons=reasons)
        except (OSError, GoogleAPICallError) as error:
            log.warning("the last counts are missing: %s", error)
        return self.last

    def _ledger(self) -> Ledger:
        return since(self._start, read_ledger(self._client))

    def _queue(self) -> tuple[dict[str, int], dict[str, int] | None, bool]:
        if self._control_url is None:
            return {}, None, False
        stats: dict[str, Any] = json.loads(_get(f"{self._control_url}/stats"))
        return stats["queue"], stats["sent"], stats["exhausted"]

    def _trouble(self) -> str | None:
        """Why the bridge has failed to connect to IRIS; None if it has not."""
        try:
            _get(f"{self._health_url}/healthz")
        except HTTPError as answer:
            report: dict[str, str | None] = json.loads(answer.read())
            return report["advice"]
        return None


def read_metrics(text: bytes) -> dict[str, float]:
    """The values of a page in Prometheus's text format, by name.

    One with labels has their values after its name, each after a space.
    """
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _get(url: str) -> bytes:
    with urlopen(url, timeout=HTTP_SECONDS) as answer:  # noqa: S310 - our own http
        content: bytes = answer.read()
    return content
