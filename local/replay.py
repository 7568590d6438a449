"""`python -m local replay`: publishes again what is held back in the local tables.

Options that it does not know are those of `python -m bridge replay`.
"""

import argparse

from command.usage import UsageError
from local import command_there
from local.data_folder import DataFolder


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_there.configure(parser, "bridge replay")


def run(options: argparse.Namespace) -> int:
    """Publishes to the Pub/Sub of what runs; 2 when the user must mend something."""
    try:
        data = DataFolder(options.data, made=False)
        return command_there.run("replay", data, options.rest)
    except UsageError as error:
        return command_there.refuse("replay", error)
