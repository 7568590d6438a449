"""`python -m bridge`: relays IRIS to Pub/Sub until SIGTERM or Ctrl-C.

Its commands, `python -m bridge COMMAND`, publish to the same topic what comes from
elsewhere.
"""

import argparse
import asyncio
import atexit
import gc
import logging
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

import uvloop

from bridge import absence, check, health, logs, notices, settings
from bridge.metrics import Metrics
from bridge.relay import Relay
from command import dispatch, signals
from command.dispatch import Command
from command.usage import USER_ERROR, OneLineParser, UsageError

log = logging.getLogger("bridge")

# Long enough for one batch and one new session; closing one may take 5 s more, and
# orchestrators kill after 30 s or so.
STOP_SECONDS = 15.0

# A batch of 500 is some ten thousand objects alive together. With Python's threshold of
# 700 the collector walks them at every step and takes a tenth of the speed.
GC_THRESHOLD = 100_000

PROG = "python -m bridge"
COMMANDS = {
    "backfill": Command(
        "bridge.backfill.command", "publish messages from Elexon's archive"
    ),
    "replay": Command(
        "bridge.replay.command", "publish dead letters and unmapped messages again"
    ),
}

DESCRIPTION = """\
Takes every message of an IRIS queue to a Pub/Sub topic. A message is completed on the
queue only when Pub/Sub has it.

Commands, each with --help:
""" + "\n".join(f"  {PROG} {name:10} {each.purpose}" for name, each in COMMANDS.items())

SETTINGS_HELP = """\
settings, from the environment, else from .env, else from IRIS_SETTINGS_FILE:
  IRIS_CLIENT_ID         these three come from https://bmrs.elexon.co.uk/iris
  IRIS_CLIENT_SECRET
  IRIS_QUEUE_NAME
  IRIS_SECRET_EXPIRES    last day of the secret, YYYY-MM-DD: warns from 30 days before
  IRIS_TENANT_ID         default: Elexon's
  IRIS_NAMESPACE         default: elexon-insights-iris
  IRIS_CONNECTION_STRING a simulator in place of the above; its queue is "iris" if
                         IRIS_QUEUE_NAME does not say otherwise
  IRIS_SETTINGS_FILE     the settings.json of Elexon's own client, as it is
  PUBSUB_TOPIC           projects/PROJECT/topics/TOPIC
  PUBSUB_EMULATOR_HOST   host:port of a local Pub/Sub
  IRIS_STATE_FILE        how far the queue has been read, to tell after more than 3 days
                         away what has expired; default .gb-iris/bridge-state.json
  HEALTH_PORT            of /healthz and /metrics; default 8080, 0 for any free one

exit codes: 0 stopped as asked, 1 failed, 2 a setting must be corrected
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        return dispatch.run(PROG, DESCRIPTION, COMMANDS, arguments)
    parser = OneLineParser(
        prog=PROG,
        description=DESCRIPTION,
        epilog=SETTINGS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="try credentials, queue and topic, say what works, and end",
    )
    options = parser.parse_args(arguments)
    try:
        chosen = settings.from_process()
        return uvloop.run(check.run(chosen) if options.check else _relay(chosen))
    except UsageError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return USER_ERROR


async def _relay(chosen: settings.Settings) -> int:
    redact = logs.Redactor(chosen.secrets)
    logs.configure(redact)
    metrics = Metrics()
    state = health.Health(redact, chosen.secret_expires)
    async with health.serve(state, metrics, chosen.health_port) as port:
        watch = absence.load(chosen.state_file, chosen.source)
        relay = Relay(chosen, metrics, state, watch)
        fields = {**chosen.masked(), "HEALTH_PORT": port}
        log.info("bridge started", extra={"fields": fields})
        await _until_stopped(relay, chosen, metrics, watch)
    log.info("bridge stopped", extra={"fields": dict(metrics.totals)})
    return 0


async def _until_stopped(
    relay: Relay, chosen: settings.Settings, metrics: Metrics, watch: absence.Watch
) -> None:
    """Relays until a signal; then gives what is in hand `STOP_SECONDS` to finish."""
    stopped = asyncio.Event()
    _stop_on_signals(stopped)
    chores: list[Coroutine[Any, Any, None]] = [
        notices.summarize(metrics),
        watch.keep(),
    ]
    if chosen.secret_expires:
        metrics.set_secret_expiry(chosen.secret_expires)
        chores.append(notices.warn_of_expiry(chosen.secret_expires))
    tasks = [asyncio.create_task(chore) for chore in chores]
    running = asyncio.create_task(relay.run())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
    relay.stop()
    done, _ = await asyncio.wait([running], timeout=STOP_SECONDS)
    if not done:
        log.warning("stopped with messages in hand; the queue delivers them again")
    for task in (*tasks, running, stopping):
        task.cancel()
    await asyncio.gather(*tasks, running, stopping, return_exceptions=True)
    watch.save()
    for task in done:
        task.result()


def _stop_on_signals(stopped: asyncio.Event) -> None:
    def stop(number: signal.Signals) -> None:
        log.info("stopping", extra={"fields": {"signal": number.name}})
        stopped.set()

    signals.on_stop_in_loop(stop)


if __name__ == "__main__":
    # The collector would go through all libraries once more, as it ends: 0.3 s.
    atexit.register(gc.freeze)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    sys.exit(main())
