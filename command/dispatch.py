"""Dispatch: a command line of several commands, each loaded only when it is used."""

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from command import signals
from command.usage import INTERRUPTED, USER_ERROR, OneLineParser, UsageError


class Command(NamedTuple):
    """A command.

    Attributes:
        module: What has `configure(parser)`, which adds the command's options, and
            `run(options)`, which returns its exit code: `package.module`, or
            `package.module:NAME` for one of several commands in a module.
        purpose: What it does, for `--help`.
    """

    module: str
    purpose: str

    def load(self) -> Any:
        """Imports the module; returns it, or what it has under the name."""
        module, _, name = self.module.partition(":")
        with signals.ending_at_once():  # libraries take seconds to load
            loaded = importlib.import_module(module)
        return getattr(loaded, name) if name else loaded


def run(
    prog: str,
    description: str | None,
    commands: Mapping[str, Command],
    arguments: Sequence[str] | None = None,
) -> int:
    """Runs the command named by the first argument; returns its exit code.

    A user's mistake is one line on standard error and exit code 2, Ctrl-C is 130; other
    errors pass through. A command that passes options on to another program sets
    `rest=[]` as a default: its parser puts unknown options there.

    Args:
        prog: How the user starts the program: `python -m sql`.
        description: What `--help` says before the list of commands.
        commands: By the name that the user types.
        arguments: By default those of the process.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parse(prog, description, commands, arguments)
        return int(options.run(options))
    except UsageError as error:
        print(f"{prog} {arguments[0]}: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED


def _parse(
    prog: str,
    description: str | None,
    commands: Mapping[str, Command],
    arguments: list[str],
) -> argparse.Namespace:
    """Parses the command line; only the named command's options are known."""
    parser = OneLineParser(prog=prog, description=description)
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen: argparse.ArgumentParser = parser
    for name, command in commands.items():
        one = parsers.add_parser(
            name, help=command.purpose, description=command.purpose
        )
        if arguments[:1] == [name]:
            loaded = command.load()
            loaded.configure(one)
            one.set_defaults(run=loaded.run)
            chosen = one
    first = arguments[0] if arguments else ""
    if first.startswith("-") and first not in ("-h", "--help"):
        parser.error(f"{first}: the command comes first, then its options")
    options, rest = parser.parse_known_args(arguments)
    if rest and not hasattr(options, "rest"):
        chosen.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return options
