"""`python -m local replay`: publishes again what is held back in the local tables.

Options that it does not know are those of `python -m bridge replay`.
"""

import argparse
import os
import sys

from bridge.__main__ import main as bridge
from local import bigquery
from local.data_folder import DataFolder, add_data_option
from local.failure import UserError

NEEDED = ("BIGQUERY_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "PUBSUB_TOPIC")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_data_option(parser)
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    """Publishes to the Pub/Sub of what runs; 2 when the user must mend something."""
    try:
        data = DataFolder(options.data, made=False)
        addresses = (data.state() or {}).get("addresses", {})
        if not all(name in addresses for name in NEEDED):
            raise UserError(
                f"nothing is up in {data.path}: `make run-local` (or `make up`) first"
            )
    except UserError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    os.environ |= {name: addresses[name] for name in NEEDED}
    place = ["--project", bigquery.PROJECT, "--tables", bigquery.DATASET]
    return bridge(["replay", *place, *options.rest])
