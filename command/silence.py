"""Silence: a BigQuery that accepts a request, and answers nothing.

Google's client waits without a limit, if its caller sets none, and says nothing: on a
connection that has died unseen it would wait forever.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from command import network

# The service answers each request within some seconds, and one that waits for a job
# within ten: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query.
# Its client sends a request again that has timed out.
SERVICE_SECONDS = 60.0
# The local one answers a statement when that has ended, which may take minutes. But it
# answers other questions meanwhile.
QUIET_SECONDS = 15.0
LOOK_SECONDS = 5.0

log = logging.getLogger(__name__)

Client = TypeVar("Client")


def attended(client: Client, host: str | None) -> Client:
    """The client, which says in the log when BigQuery has long not answered a request.

    Args:
        client: Google's client of BigQuery.
        host: What `BIGQUERY_EMULATOR_HOST` says; None for the service, whose requests
            then have a limit, too.
    """
    session: Any = client._http  # type: ignore[attr-defined] # there is no public way
    session.request = _Attended(session.request, host).request
    return client


class _Attended:
    """The requests of a session that have no answer yet."""

    def __init__(self, send: Callable[..., Any], host: str | None) -> None:
        self._send, self._host = send, host
        self._open: dict[object, float] = {}
        self._silent_since: float | None = None
        self._is_watched = False

    def request(self, *arguments: Any, **named: Any) -> Any:
        """Sends a request."""
        if self._host is None and named.get("timeout") is None:
            named["timeout"] = SERVICE_SECONDS
        if not self._is_watched:
            self._is_watched = True
            threading.Thread(target=self._watch, daemon=True, name="silence").start()
        this = object()
        self._open[this] = time.monotonic()
        try:
            answer = self._send(*arguments, **named)
        finally:
            del self._open[this]
        if (since := self._silent_since) is not None:
            self._silent_since = None
            log.warning(
                "BigQuery answers again, after %.0f s", time.monotonic() - since
            )
        return answer

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)  # nobody waits for this thread
            oldest = min(list(self._open.values()), default=None)
            if oldest is None or self._silent_since is not None:
                continue
            if time.monotonic() - oldest < QUIET_SECONDS:
                continue
            if self._host is None or not network.answers(
                self._host, network.BUSY_SECONDS
            ):
                self._silent_since = oldest
                log.warning(
                    "%s has not answered for %.0f s: waiting for it",
                    f"BigQuery at {self._host}" if self._host else "BigQuery",
                    time.monotonic() - oldest,
                )
