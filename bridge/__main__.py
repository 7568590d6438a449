"""`python -m bridge`: relays IRIS to Pub/Sub until SIGTERM or Ctrl-C.

Its commands, `python -m bridge COMMAND`, publish messages from elsewhere to the same
topic.
"""

import argparse
import atexit
import gc
import sys
from collections.abc import Sequence

from command import dispatch, network, signals
from command.dispatch import Command
from command.usage import INTERRUPTED, USER_ERROR, OneLineParser, UsageError

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
    "recover": Command("bridge.recover", "publish what the queue itself gave up"),
}

DESCRIPTION = """\
Brings every message of an IRIS queue to a Pub/Sub topic. A message is completed on the
queue only when Pub/Sub has it.

Commands, each with --help:
""" + "\n".join(f"  {PROG} {name:10} {each.purpose}" for name, each in COMMANDS.items())

SETTINGS_HELP = """\
settings, from the environment, else from .env, else from IRIS_SETTINGS_FILE:
  IRIS_CLIENT_ID         get these three at https://bmrs.elexon.co.uk/iris
  IRIS_CLIENT_SECRET
  IRIS_QUEUE_NAME        one queue, or several of the account: name-1,name-2
  IRIS_SECRET_EXPIRES    last day of the secret, YYYY-MM-DD: warns from 30 days before
  IRIS_TENANT_ID         default: Elexon's tenant
  IRIS_NAMESPACE         default: elexon-insights-iris
  IRIS_CONNECTION_STRING of a simulator, instead of the settings above; the queue is
                         IRIS_QUEUE_NAME, by default "iris"
  IRIS_SETTINGS_FILE     settings.json of Elexon's own client, unchanged
  PUBSUB_TOPIC           projects/PROJECT/topics/TOPIC
  PUBSUB_EMULATOR_HOST   host:port of a local Pub/Sub
  IRIS_STATE_FILE        notes how far the queue has been read, so that the bridge can
                         warn after more than 3 days away;
                         default: .gb-iris/bridge-state.json
  HEALTH_PORT            port of /healthz and /metrics; default: 8080, 0: any free port
  HEALTH_HOST            their address; default: 127.0.0.1, this machine alone (in the
                         image: 0.0.0.0)

exit codes: 0 stopped by a signal, or all parts of --check work, 1 failed, 2 a setting
must be corrected
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
        help="try what is configured (settings, network, token, queue, topic), report "
        "on each, and exit",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="of --check, a line for each part (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except UsageError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:  # during a check: the bridge itself ends in order
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    with signals.ending_at_once():  # its libraries take a second to load
        import uvloop

        from bridge import check, run, settings
    found = settings.from_process()
    if options.check:
        return uvloop.run(check.run(found, as_json=options.format == "json"))
    return uvloop.run(run.run(found.complete()))


if __name__ == "__main__":
    # At its end the collector would walk all libraries once more: 0.3 s.
    atexit.register(gc.freeze)
    network.go_past_proxy()
    with signals.ending_at_once():
        import bridge.check
        import bridge.run  # noqa: F401 - loaded, then frozen
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    sys.exit(main())
