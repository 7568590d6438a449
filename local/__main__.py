"""`python -m local COMMAND`: the parts that exist only on one machine."""

import atexit
import gc
import importlib
import signal
import sys

from command.usage import OneLineParser

COMMANDS = {
    "simulator": "an IRIS queue on this machine (AMQP 1.0)",
    "pubsub": "an embedded Pub/Sub server",
    "bigquery": "a BigQuery server on this machine",
    "pipeline": "the pipeline, with a DirectRunner tuned for one machine",
    "stack": "the whole system: up, down, env, run",
    "query": "one SQL statement on the local BigQuery",
    "check": "the quality checks on the local BigQuery",
    "drain": "what waits in the local Pub/Sub, to the local BigQuery",
    "backfill": "messages of Elexon's archive, published to the local Pub/Sub",
    "replay": "dead letters of the local BigQuery, published to the local Pub/Sub",
}

# Commands that are folders, by the module that has their options.
MODULES = {
    "simulator": "simulator.command",
    "pubsub": "pubsub.embedded",
    "bigquery": "bigquery.emulator",
    "stack": "stack.command",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the module named by the first argument; returns its exit code.

    Each command is a module of this package with `configure(parser)`, which adds its
    options, and `run(options) -> int`. What the parser does not know is refused, unless
    the module says with `options.rest = []` that it passes options on.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = OneLineParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if arguments[:1] == [name]:
            try:
                module = importlib.import_module(f"local.{MODULES.get(name, name)}")
            except KeyboardInterrupt:  # the libraries take a second or two
                return 128 + signal.SIGINT
            module.configure(command)
            command.set_defaults(run=module.run)
    options, rest = parser.parse_known_args(arguments)
    if rest and not hasattr(options, "rest"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return int(options.run(options))


if __name__ == "__main__":
    # The collector would go through all libraries once more, as it ends: 0.3 s.
    atexit.register(gc.freeze)
    sys.exit(main())
