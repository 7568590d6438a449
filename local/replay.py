"""`python -m local replay`: publishes again what is held back in the local tables.

Options that it does not know are those of `python -m bridge replay`.
"""

import argparse

from local import bridge_command
from local.bridge_command import configure
from local.data_folder import DataFolder
from local.failure import UserError

__all__ = ["configure", "run"]


def run(options: argparse.Namespace) -> int:
    """Publishes to the Pub/Sub of what runs; 2 when the user must mend something."""
    try:
        data = DataFolder(options.data, made=False)
        return bridge_command.run("replay", data, options.rest)
    except UserError as error:
        return bridge_command.refuse("replay", error)
