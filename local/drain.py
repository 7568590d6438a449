"""`python -m local drain`: takes what waits in the local Pub/Sub to the local tables.

Options that it does not know are those of `python -m pipeline --drain`.
"""

import argparse

from command.usage import UsageError
from local import command_there
from local.bigquery import emulator
from local.data_folder import DataFolder
from local.pubsub.topics import SUBSCRIPTION
from pipeline.command import main as pipeline


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    command_there.configure(parser, "pipeline --drain")


def run(options: argparse.Namespace) -> int:
    """Drains the subscription of what runs; 2 when the user must mend something."""
    try:
        command_there.enter(DataFolder(options.data, made=False))
    except UsageError as error:
        return command_there.refuse("drain", error)
    names = ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
    return pipeline(["--drain", "--subscription", SUBSCRIPTION, *names, *options.rest])
