"""A watch on the local BigQuery: the same query again and again, and its answers."""

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
    """Sends a query every `LOOK_SECONDS`.

    Attributes:
        looks: How long each query took, in seconds.

    Args:
        host: The local BigQuery, `http://HOST:PORT`.
        sql: The query, of one table: a larger query would delay the rows.
        take: Called with the time of an answer (epoch seconds) and its rows.
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
            # It is busy: the next query will see it.
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
    """The smallest value that this share of the values does not exceed.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
