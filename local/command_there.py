"""Commands on what runs in a DATA folder: its Pub/Sub and its tables."""

import argparse
import os
import sys

from bridge.__main__ import main as bridge
from command.usage import UsageError
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option

NEEDED = ("BIGQUERY_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "PUBSUB_TOPIC")


def configure(parser: argparse.ArgumentParser, command: str) -> None:
    """Adds `--data`; options that it does not know are the command's."""
    add_data_option(parser)
    parser.set_defaults(rest=[])
    parser.epilog = f"All other options are those of `python -m {command}`."


def run(command: str, data: DataFolder, options: list[str]) -> int:
    """Runs `python -m bridge COMMAND` there; gives its exit code.

    Args:
        command: Its name.
        data: Where the stack runs.
        options: What it is told besides the place of the tables.

    Raises:
        UsageError: Nothing runs there.
    """
    enter(data)
    place = ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
    return bridge([command, *place, *options])


def enter(data: DataFolder) -> None:
    """Points this process at the servers that run in a DATA folder.

    Raises:
        UsageError: Nothing runs there.
    """
    addresses = (data.state() or {}).get("addresses", {})
    if not all(name in addresses for name in NEEDED):
        raise UsageError(
            f"nothing is up in {data.path}: `make run-local` (or `make up`) first"
        )
    os.environ |= {name: addresses[name] for name in NEEDED}


def refuse(command: str, error: UsageError) -> int:
    """Says what the user must mend; gives the exit code for it."""
    print(f"{command}: {error}", file=sys.stderr)
    return 2
