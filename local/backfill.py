"""`python -m local backfill`: publishes Elexon's archive to the local Pub/Sub.

Options that it does not know are those of `python -m bridge backfill`.
"""

import argparse

from command.usage import UsageError
from local import command_there
from local.data_folder import DataFolder


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_there.configure(parser, "bridge backfill")


def run(options: argparse.Namespace) -> int:
    """Publishes to the Pub/Sub of what runs; 2 when the user must mend something."""
    try:
        data = DataFolder(options.data, made=False)
        # With its tables goes what is known to be in them.
        journal = ["--journal", str(data.path / "backfill")]
        return command_there.run("backfill", data, [*journal, *options.rest])
    except UsageError as error:
        return command_there.refuse("backfill", error)
