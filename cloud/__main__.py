"""`python -m cloud COMMAND`: what runs from your machine to have gb-iris in the cloud.

Each command is a module of this package with `configure(parser)`, which adds its
options, and `run(options) -> int`.
"""

import argparse
import atexit
import gc
import importlib
import sys
from collections.abc import Sequence

from command.output import let_reader_leave
from command.usage import OneLineParser, UsageError

USER_ERROR = 2
INTERRUPTED = 130

COMMANDS = {
    "images": "build the images of pipeline and bridge with Cloud Build",
    "template": "the same, and publish the Dataflow flex template",
    "launch": "start, update or drain the streaming job",
    "smoke": "check a deployment with a few messages, from topic to views",
    "cost": "what a month costs",
}

HELP = "\n".join(
    f"  python -m cloud {name:9} {text}" for name, text in COMMANDS.items()
)

# Commands that are folders, by the module that has their options.
MODULES = {"cost": "cost.command", "smoke": "smoke.command"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = OneLineParser(
        prog="python -m cloud",
        description=f"Commands, each with --help:\n{HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    name = parser.parse_args(arguments[:1]).command
    parser = OneLineParser(prog=f"python -m cloud {name}", description=COMMANDS[name])
    try:
        module = importlib.import_module(f"cloud.{MODULES.get(name, name)}")
        module.configure(parser)
        return int(module.run(parser.parse_args(arguments[1:])))
    except UsageError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    # The collector would go through all libraries once more, as it ends: 0.3 s.
    atexit.register(gc.freeze)
    let_reader_leave()
    sys.exit(main())
