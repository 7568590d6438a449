"""Health: whether the bridge works, and the HTTP server that reports it."""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from bridge.envelope import rfc3339
from bridge.logs import Redactor
from bridge.metrics import Metrics
from command.text import one_line
from command.usage import UsageError

# A healthy loop is never still for longer: opening a session may take 20 s, one call
# to the queue 15 s.
MAX_TURN_SECONDS = 30.0

# The probe of a container comes from outside it.
HOST = "0.0.0.0"  # noqa: S104


@dataclass
class Health:
    """The state of the loop.

    Attributes:
        session_open: Whether a session with the queue is open.
        last_turn: When the loop last moved, on `clock`, in seconds.
        last_message: When a message was last received.
        queue_shared: Whether another client takes messages from the queue.
    """

    redact: Redactor
    secret_expires: date | None = None
    clock: Callable[[], float] = time.monotonic
    session_open: bool = False
    last_turn: float | None = None
    last_message: datetime | None = None
    queue_shared: bool = False
    _last_error: str | None = None
    _last_error_time: datetime | None = None

    def turn(self) -> None:
        """Notes that the loop is running."""
        self.last_turn = self.clock()

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
        return None

    def report(self) -> dict[str, Any]:
        """The body of /healthz."""
        problem = self.problem()
        return {
            "status": "unhealthy" if problem else "ok",
            "reason": problem,
            "last_message": _time(self.last_message),
            "queue_shared": self.queue_shared,
            "last_error": self._last_error,
            "last_error_time": _time(self._last_error_time),
            "secret_expires": str(self.secret_expires) if self.secret_expires else None,
        }


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


@asynccontextmanager
async def serve(health: Health, metrics: Metrics, port: int) -> AsyncIterator[int]:
    """Serves /healthz and /metrics; yields the port, the one chosen if it is 0.

    Raises:
        UsageError: The port is not available.
    """

    async def healthz(request: web.Request) -> web.Response:
        report = health.report()
        return web.json_response(report, status=503 if report["reason"] else 200)

    async def scrape(request: web.Request) -> web.Response:
        metrics.healthy.set(health.problem() is None)
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=metrics.exposition(), headers=headers)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await _listen(runner, port)
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        raise UsageError(
            f"HEALTH_PORT: cannot listen on {port} ({os.strerror(error.errno or 0)}): "
            "set another port, or 0 for any free one"
        ) from None
