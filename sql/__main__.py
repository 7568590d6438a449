"""`python -m sql COMMAND`: the SQL of the product, and what is done with it."""

import argparse
import atexit
import gc
import importlib
import sys

from command.output import let_reader_leave
from command.usage import OneLineParser, UsageError

INTERRUPTED = 130
COMMANDS = {
    "render": "write all SQL to a folder; needs no connection",
    "apply": "make tables and views in BigQuery, or bring them up to date",
    "check": "quality checks: fresh, complete, no duplicates, nothing left behind",
    "drift": "show fields and datasets that the registry does not know, and add them",
    "compact": "remove identical rows from tables, one day at a time",
    "docs": "write docs/data.md, the page of all datasets and columns",
}

# Commands that are folders, by the module that has their options.
MODULES = {name: f"{name}.command" for name in ("check", "drift", "compact", "docs")}


def main(arguments: list[str] | None = None) -> int:
    """Runs the module named by the first argument; returns its exit code.

    Each command is a module of this package with `configure(parser)`, which adds its
    options, and `run(options) -> int`. A user's mistake ends with 2, and 1 says that
    BigQuery refuses, each with one line.
    """
    try:
        return _run(_parsed(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return INTERRUPTED


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = OneLineParser(prog="python -m sql", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if arguments[:1] == [name]:
            module = importlib.import_module(f"sql.{MODULES.get(name, name)}")
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    # Google's libraries take a second to load: Ctrl-C may come before they have.
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    try:
        return int(options.run(options))
    except UsageError as error:
        return _fail(str(error), 2)
    except GoogleAuthError as error:
        return _fail(
            f"no credentials for BigQuery ({error}): run "
            "`gcloud auth application-default login`",
            1,
        )
    except (GoogleAPICallError, RetryError, RequestException) as error:
        return _fail(f"BigQuery refused: {str(error).splitlines()[0]}", 1)


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"python -m sql: {text}\n")
    return code


if __name__ == "__main__":
    # The collector would go through all libraries once more, as it ends: 0.3 s.
    atexit.register(gc.freeze)
    let_reader_leave()
    sys.exit(main())
