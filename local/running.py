"""`python -m local check`, `drain`, `replay`, `backfill`: work on a DATA folder.

Each runs a command of another package on the servers and tables of the folder. Options
that it does not know are those of that command.
"""

import argparse
import os
from collections.abc import Callable
from typing import NamedTuple

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
        return self.perform(DataFolder(options.data, create=False), options.rest)


# Each imports the one program that it runs: Beam alone takes seconds.


def _check(data: DataFolder, options: list[str]) -> int:
    from sql.__main__ import main

    with emulator.serving(data) as host:
        os.environ["BIGQUERY_EMULATOR_HOST"] = host
        return main(["check", *TABLES, *options])


def _drain(data: DataFolder, options: list[str]) -> int:
    use_servers(data)
    from pipeline.command import main

    return main(["--drain", "--subscription", SUBSCRIPTION, *TABLES, *options])


def _replay(data: DataFolder, options: list[str]) -> int:
    use_servers(data)
    from bridge.__main__ import main

    return main(["replay", *TABLES, *options])


def _backfill(data: DataFolder, options: list[str]) -> int:
    use_servers(data)
    from bridge.__main__ import main

    # Kept with the tables: removed together, they are filled again together.
    journal = ["--journal", str(data.path / "backfill")]
    return main(["backfill", *TABLES, *journal, *options])


CHECK = OnFolder("sql check", _check)
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
