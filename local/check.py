"""`python -m local check`: the quality checks on the local BigQuery.

Options that it does not know are those of `python -m sql check`.
"""

import argparse
import os
import sys

from command.usage import UsageError
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option
from local.failure import PartFailedError
from sql.__main__ import main as sql


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_data_option(parser)
    parser.set_defaults(rest=[])
    parser.epilog = "All other options are those of `python -m sql check`."


def run(options: argparse.Namespace) -> int:
    """Runs the checks; 1 when one fails, 2 when the user must mend something."""
    place = ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
    try:
        with emulator.serving(DataFolder(options.data, made=False)) as host:
            os.environ["BIGQUERY_EMULATOR_HOST"] = host
            return sql(["check", *place, *options.rest])
    except UsageError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    except PartFailedError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while the server starts
        return 130
