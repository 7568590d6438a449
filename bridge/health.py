"""Health: whether the bridge works, and the HTTP server that reports it."""

import errno
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bridge.callers import only_own
from bridge.envelope import rfc3339
from bridge.logs import Redactor
from command.text import one_line
from command.usage import UsageError

# A healthy loop is never still for longer: opening a session may take 20 s, one call
# to the queue 15 s.
MAX_TURN_SECONDS = 30.0
# Locks that are lost for longer than a lock lasts, and nothing settled in between.
MAX_LOST_SECONDS = 60.0

# aiohttp would wait a minute for a client that still reads; a stop has ten seconds.
SHUTDOWN_SECONDS = 0.5


@dataclass
class Health:
    """The state of the loop.

    Attributes:
        session_open: Whether a session with the queue is open, and works.
        last_turn: When the loop last moved, on `clock`, in seconds.
        last_message: When a message was last received.
        queue_shared: Whether another client takes messages from the queue.
        clock_ahead_seconds: How far this machine's clock is ahead of the queue's.
        dead_letters: What the queue itself gave up; None if it is not known.
        advice: What to do about the last session, if it failed.
    """

    redact: Redactor
    secret_expires: date | None = None
    clock: Callable[[], float] = time.monotonic
    session_open: bool = False
    last_turn: float | None = None
    last_message: datetime | None = None
    queue_shared: bool = False
    clock_ahead_seconds: float = 0.0
    dead_letters: int | None = None
    advice: str | None = None
    _first_lost: float | None = None
    _last_lost: float = 0.0
    _last_error: str | None = None
    _last_error_time: datetime | None = None

    def turn(self) -> None:
        """Notes that the loop is running."""
        self.last_turn = self.clock()

    def settled(self) -> None:
        """Notes that the queue has let a message go."""
        self._first_lost = None

    def lost(self) -> None:
        """Notes that the lock of a message was lost: the queue delivers it again."""
        self._last_lost = self.clock()
        if self._first_lost is None:
            self._first_lost = self._last_lost

    def failed(self, error: BaseException) -> str:
        """Notes an error; returns it as one line without secrets."""
        self._last_error = self.redact(one_line(error))
        self._last_error_time = datetime.now(UTC)
        return self._last_error

    def problem(self) -> str | None:
        """Why the bridge is not healthy; None when it is."""
        if not self.session_open:
            return "no session with the IRIS queue"
        still_seconds = self.clock() - (self.last_turn or 0)
        if self.last_turn is None or still_seconds > MAX_TURN_SECONDS:
            return f"the loop has not moved for more than {MAX_TURN_SECONDS:.0f} s"
        first_lost = self._last_lost if self._first_lost is None else self._first_lost
        if self._last_lost - first_lost > MAX_LOST_SECONDS:
            return "messages come and none is completed: their locks are over"
        return None

    def report(self) -> dict[str, Any]:
        """The body of /healthz."""
        problem = self.problem()
        return {
            "status": "unhealthy" if problem else "ok",
            "reason": problem,
            "advice": None if self.session_open else self.advice,
            "last_message": _time(self.last_message),
            "queue_shared": self.queue_shared,
            "clock_ahead_seconds": round(self.clock_ahead_seconds),
            "dead_letters": self.dead_letters,
            "last_error": self._last_error,
            "last_error_time": _time(self._last_error_time),
            "secret_expires": str(self.secret_expires) if self.secret_expires else None,
        }


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


class Reporter(Protocol):
    """What the server reports."""

    def problem(self) -> str | None:
        """Why the bridge should be restarted; None if it should not."""

    def report(self) -> dict[str, Any]:
        """The body of /healthz."""

    def exposition(self) -> bytes:
        """The body of /metrics."""


@asynccontextmanager
async def serve(reporter: Reporter, host: str, port: int) -> AsyncIterator[int]:
    """Serves /healthz and /metrics; yields the port, the one chosen if it is 0.

    Args:
        reporter: What they report.
        host: The address to listen on.
        port: 0 for any free one.

    Raises:
        UsageError: The port is not available.
    """

    async def healthz(request: web.Request) -> web.Response:
        status = 503 if reporter.problem() else 200
        return web.json_response(reporter.report(), status=status)

    async def scrape(request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=reporter.exposition(), headers=headers)

    app = web.Application(middlewares=[only_own(host)])
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(
                f"HEALTH_HOST: {host} is not an address of this machine: set "
                "127.0.0.1, or 0.0.0.0 for other machines"
            ) from None
        raise UsageError(
            f"HEALTH_PORT: cannot listen on {port} ({os.strerror(error.errno or 0)}): "
            "set another port, or 0 for any free one"
        ) from None
