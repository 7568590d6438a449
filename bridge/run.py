"""Run: the bridge from its start to its end, with all that works beside the relays."""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from bridge import health, logs, notices
from bridge.overview import Overview
from bridge.queue_relay import QueueRelay
from bridge.settings import Settings
from command import signals

log = logging.getLogger(__name__)

# Cloud Run kills an instance 10 s after SIGTERM
# (https://cloud.google.com/run/docs/container-contract#worker-pool-lifecycle, read
# 2026-11-29). A batch and its completes take a second; what is not done in this time
# comes again.
STOP_SECONDS = 5.0
# Then links to queues that do not answer are left as they are.
CANCEL_SECONDS = 2.0


async def run(settings: Settings) -> int:
    """Relays until SIGTERM or Ctrl-C; returns the exit code.

    Raises:
        UsageError: The health port is in use, or there are no Google credentials.
    """
    redact = logs.Redactor(settings.secrets)
    logs.configure(redact)
    overview = Overview(redact, settings)
    async with health.serve(
        overview, settings.health_host, settings.health_port
    ) as port:
        queues = [
            QueueRelay(one, settings, *overview.parts[one.queue_name])
            for one in settings.queues
        ]
        fields = {**settings.masked(), "HEALTH_PORT": port}
        log.info("bridge started", extra={"fields": fields})
        chores = [chore for queue in queues for chore in queue.chores()]
        if settings.secret_expires:
            chores.append(notices.warn_of_expiry(settings.secret_expires))
        try:
            await _until_stopped(queues, chores)
        finally:
            for queue in queues:
                queue.state_file.save()
    log.info("bridge stopped", extra={"fields": overview.totals()})
    return 0


async def _until_stopped(
    queues: Sequence[QueueRelay], chores: Sequence[Coroutine[Any, Any, None]]
) -> None:
    """Relays until a signal; messages in flight then have `STOP_SECONDS` to finish."""
    stopped = asyncio.Event()
    _stop_on_signals(stopped)
    tasks = [asyncio.create_task(chore) for chore in chores]
    running = [asyncio.create_task(queue.run()) for queue in queues]
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([*running, stopping], return_when=asyncio.FIRST_COMPLETED)
    for queue in queues:
        queue.stop()
    done, late = await asyncio.wait(running, timeout=STOP_SECONDS)
    if late:
        log.warning("stopped with messages in flight; the queue delivers them again")
    ending = [*tasks, *running, stopping]
    for task in ending:
        task.cancel()
    with suppress(TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await asyncio.gather(*ending, return_exceptions=True)
    for task in done:
        task.result()


def _stop_on_signals(stopped: asyncio.Event) -> None:
    def stop(number: signal.Signals) -> None:
        log.info("stopping", extra={"fields": {"signal": number.name}})
        stopped.set()

    signals.on_stop_in_loop(stop)
