"""`python -m local COMMAND`: the servers, the whole system and queries, all local."""

import atexit
import gc
import sys
from collections.abc import Sequence

from command import dispatch, network
from command.dispatch import Command
from command.left_out import leave_out
from command.usage import FAILED
from local.failure import PartFailedError

COMMANDS = {
    "simulator": Command(
        "local.simulator.command", "an IRIS queue on this machine (AMQP 1.0)"
    ),
    "pubsub": Command("local.pubsub.command", "an embedded Pub/Sub server"),
    "bigquery": Command("local.bigquery.command", "a BigQuery server on this machine"),
    "pipeline": Command(
        "local.pipeline", "the pipeline, with a DirectRunner tuned for one machine"
    ),
    "stack": Command("local.stack.command", "the whole system: up, down, env, run"),
    "query": Command("local.query:QUERY", "a SQL statement on the local BigQuery"),
    "tables": Command(
        "local.query:TABLES", "tables, views and columns of the local BigQuery"
    ),
    "shell": Command("local.query:SHELL", "a prompt for the local BigQuery"),
    "dashboard": Command("local.dashboard", "the dashboard of the local BigQuery"),
    "status": Command("local.status.command", "how all parts are, and the feed"),
    "check": Command("local.running:CHECK", "the quality checks on the local BigQuery"),
    "refresh": Command(
        "local.running:REFRESH", "what has arrived, resolved in the local BigQuery"
    ),
    "drain": Command(
        "local.running:DRAIN", "messages from the local Pub/Sub to the local BigQuery"
    ),
    "backfill": Command(
        "local.running:BACKFILL", "messages from Elexon's archive to the local Pub/Sub"
    ),
    "replay": Command(
        "local.running:REPLAY",
        "dead letters from the local BigQuery to the local Pub/Sub",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; returns its exit code.

    Where a server or another part fails: its last log lines, and 1.
    """
    try:
        return dispatch.run("python -m local", __doc__, COMMANDS, arguments)
    except PartFailedError as error:
        print(error.report(), file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    # The collector would go through all libraries once more, as it ends: 0.3 s.
    atexit.register(gc.freeze)
    network.go_past_proxy()
    leave_out("pandas", "IPython")
    if sys.argv[1:2] == ["stack"]:  # it reads some rows now and then, as JSON
        leave_out("numpy", "pyarrow")
    sys.exit(main())
