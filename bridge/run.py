"""Run: the bridge from its start to its end, with all that works beside the relay."""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any

from bridge import health, logs, notices, progress
from bridge.metrics import Metrics
from bridge.publisher import Publisher
from bridge.relay import Relay
from bridge.settings import Settings
from command import signals

log = logging.getLogger(__name__)

# Long enough for one batch and one new session; closing one may take 5 s more, and
# orchestrators kill after 30 s or so.
STOP_SECONDS = 15.0


async def run(settings: Settings) -> int:
    """Relays until SIGTERM or Ctrl-C; returns the exit code.

    Raises:
        UsageError: The health port is in use, or there are no Google credentials.
    """
    redact = logs.Redactor(settings.secrets)
    logs.configure(redact)
    metrics = Metrics()
    state = health.Health(redact, settings.secret_expires)
    async with health.serve(state, metrics, settings.health_port) as port:
        state_file = progress.load(settings.state_file, settings.source)
        topic = Publisher(settings.topic, settings.emulator_host)
        relay = Relay(settings, topic, metrics, state, state_file.progress)
        fields = {**settings.masked(), "HEALTH_PORT": port}
        log.info("bridge started", extra={"fields": fields})
        chores = [notices.summarize(metrics), state_file.keep()]
        if settings.secret_expires:
            metrics.set_secret_expiry(settings.secret_expires)
            chores.append(notices.warn_of_expiry(settings.secret_expires))
        try:
            await _until_stopped(relay, chores)
        finally:
            state_file.save()
    log.info("bridge stopped", extra={"fields": dict(metrics.totals)})
    return 0


async def _until_stopped(relay: Relay, chores: list[Coroutine[Any, Any, None]]) -> None:
    """Relays until a signal; messages in flight then have `STOP_SECONDS` to finish."""
    stopped = asyncio.Event()
    _stop_on_signals(stopped)
    tasks = [asyncio.create_task(chore) for chore in chores]
    running = asyncio.create_task(relay.run())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    relay.stop()
    done, _ = await asyncio.wait([running], timeout=STOP_SECONDS)
    if not done:
        log.warning("stopped with messages in flight; the queue delivers them again")
    for task in (*tasks, running, stopping):
        task.cancel()
    await asyncio.gather(*tasks, running, stopping, return_exceptions=True)
    for task in done:
        task.result()


def _stop_on_signals(stopped: asyncio.Event) -> None:
    def stop(number: signal.Signals) -> None:
        log.info("stopping", extra={"fields": {"signal": number.name}})
        stopped.set()

    signals.on_stop_in_loop(stop)
