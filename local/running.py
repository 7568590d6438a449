"""`python -m local check`, `refresh`, `drain`, ...: work on a DATA folder.

Each runs a command of another package on the servers and tables of the folder. Options
that it does not know are those of that command.
"""

import argparse
import importlib
import os
from collections.abc import Callable
from typing import NamedTuple

from command import signals
from command.usage import UsageError
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option
from local.pubsub.topics import SUBSCRIPTION

TABLES = ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
NEEDED = ("BIGQUERY_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "PUBSUB_TOPIC")


class OnFolder(NamedTuple):
    """A command of another package, for a DATA folder.

    Attributes:
        command: What follows `python -m`.
        perform: Runs it with further options; returns its exit code.
    """

    command: str
    perform: Callable[[DataFolder, list[str]], int]

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Adds `--data`; other options are passed on."""
        add_data_option(parser)
        parser.set_defaults(rest=[])
        parser.epilog = f"All other options are those of `python -m {self.command}`."

    def run(self, options: argparse.Namespace) -> int:
        return self.perform(DataFolder(options.data, must_exist=True), options.rest)


def _program(package: str) -> Callable[[list[str]], int]:
    """The `main` of the one program that is needed: Beam alone takes seconds."""
    with signals.ending_at_once():
        program: Callable[[list[str]], int] = importlib.import_module(package).main
    return program


def _on_tables(command: str) -> Callable[[DataFolder, list[str]], int]:
    """A command of `sql` that needs the tables alone."""

    def perform(data: DataFolder, options: list[str]) -> int:
        main = _program("sql.__main__")
        with emulator.serving(data) as addresses:
            os.environ |= addresses
            return main([command, *TABLES, *options])

    return perform


def _drain(data: DataFolder, options: list[str]) -> int:
    use_servers(data)
    main = _program("pipeline.command")
    return main(["--drain", "--subscription", SUBSCRIPTION, *TABLES, *options])


def _replay(data: DataFolder, options: list[str]) -> int:
    use_servers(data)
    return _program("bridge.__main__")(["replay", *TABLES, *options])


def _backfill(data: DataFolder, options: list[str]) -> int:
    use_servers(data)
    # Kept with the tables: removed together, they are filled again together.
    journal = ["--journal", str(data.path / "backfill")]
    return _program("bridge.__main__")(["backfill", *TABLES, *journal, *options])


CHECK = OnFolder("sql check", _on_tables("check"))
REFRESH = OnFolder("sql refresh", _on_tables("refresh"))
DRAIN = OnFolder("pipeline --drain", _drain)
REPLAY = OnFolder("bridge replay", _replay)
BACKFILL = OnFolder("bridge backfill", _backfill)


def use_servers(data: DataFolder) -> None:
    """Points this process at the servers that run on a DATA folder.

    Raises:
        UsageError: None run there.
    """
    addresses = (data.state() or {}).get("addresses", {})
    if not all(name in addresses for name in NEEDED):
        raise UsageError(
            f"nothing is up in {data.path}: start it with `make run-local` or `make up`"
        )
    os.environ |= {name: addresses[name] for name in NEEDED}
