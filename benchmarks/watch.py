"""A watch on the local BigQuery: the same question again and again, and its answers."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from google.api_core.exceptions import GoogleAPICallError
from requests.exceptions import RequestException

from local.bigquery import emulator

LOOK_SECONDS = 0.2


class Watch(threading.Thread):
    """Asks at a beat.

    Attributes:
        looks: How long each query took, in seconds.

    Args:
        host: The local BigQuery, `http://HOST:PORT`.
        sql: What to ask: of one table, as a wide question is work that delays the rows.
        take: Takes when an answer had come (epoch seconds), and its rows.
    """

    def __init__(
        self, host: str, sql: str, take: Callable[[float, list[Any]], None]
    ) -> None:
        super().__init__(daemon=True)
        self.client = emulator.connect(host)
        self.looks: list[float] = []
        self._sql = sql
        self._take = take
        self._stopped = threading.Event()

    def run(self) -> None:
        """Looks until it is ended."""
        while not self._stopped.wait(LOOK_SECONDS):
            # Busy: the next look tells.
            with contextlib.suppress(GoogleAPICallError, RequestException):
                began = time.monotonic()
                rows = list(self.client.query_and_wait(self._sql))
                self._take(time.time(), rows)
                self.looks.append(time.monotonic() - began)

    def end(self) -> None:
        """Stops looking; returns when it has stopped."""
        self._stopped.set()
        if self.is_alive():
            self.join()


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that this share of the values does not exceed.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
