"""Reads how far a running stack is: the queue, the bridge, the ledger."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery import Client
from prometheus_client.parser import text_string_to_metric_families

from local.stack.snapshot import Snapshot
from local.stack.summary import Ledger, read_delays, read_ledger, since

HTTP_SECONDS = 5.0

log = logging.getLogger(__name__)


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
        bridge = read_metrics(_get(f"{self._health_url}/metrics"))
        self.last = Snapshot(
            sent=sent,
            exhausted=exhausted,
            on_queue=queue.get("ready", 0) + queue.get("locked", 0),
            published=int(bridge.get("iris_bridge_published_total", 0)),
            in_flight=int(bridge.get("iris_bridge_in_hand", 0)),
            refused=int(bridge.get("iris_bridge_queue_dead_lettered_total", 0)),
            ledger=self._ledger(),
            backlog=self.last.backlog,
        )
        return self.last

    def finish(self) -> Snapshot:
        """The last snapshot, with the ledger as it is now if BigQuery still answers."""
        try:
            self.last = replace(self.last, ledger=self._ledger())
            delays = read_delays(self._client, self._started)
            self.last = replace(self.last, delays=delays)
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


def read_metrics(text: bytes) -> dict[str, float]:
    """The values without labels of a page in Prometheus's text format."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.labels
    }


def _get(url: str) -> bytes:
    with urlopen(url, timeout=HTTP_SECONDS) as answer:  # noqa: S310 - our own http
        content: bytes = answer.read()
    return content
