"""`python -m sql units`: loads Elexon's reference list of BM units.

The list replaces the one that was loaded before, in the table `gb_reference_units`.
The view `gb_units` prefers its names, fuels and lead parties to those of the feed.
"""

import argparse
import datetime as dt
import sys
from pathlib import Path

from google.cloud import bigquery

from command.usage import FAILED, UsageError
from sql.connection import add_path_options, client_of, existing_tables, path_of
from sql.schemas import schema_field
from sql.tables import REFERENCE_UNITS
from sql.units.reference_list import fetch, read_file, rows_of, units_of

URL = "https://data.elexon.co.uk/bmrs/api/v1/reference/bmunits/all"


def configure(parser: argparse.ArgumentParser) -> None:
    add_path_options(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--file", type=Path, help="the list as a file: the JSON that Elexon answers"
    )
    source.add_argument(
        "--fetch", action="store_true", help="fetch the list from Elexon"
    )
    parser.add_argument(
        "--url",
        default=URL,
        help="the address that --fetch uses (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Replaces the list; 1 if the server of `--fetch` does not answer."""
    try:
        body = fetch(options.url) if options.fetch else read_file(options.file)
    except ConnectionError as error:
        print(f"python -m sql units: {error}", file=sys.stderr)
        return FAILED
    rows = rows_of(units_of(body), dt.datetime.now(dt.UTC))
    client, path = client_of(options), path_of(options)
    if REFERENCE_UNITS.name not in existing_tables(client, path):
        raise UsageError(
            f"there is no table {REFERENCE_UNITS.name}: create it with `python -m sql "
            f"apply --project {path.project} --dataset {path.dataset}`"
        )
    # A load job replaces all rows at once: a query never sees a part of the list.
    job = bigquery.LoadJobConfig(
        schema=[schema_field(column) for column in REFERENCE_UNITS.columns],
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
    )
    client.load_table_from_json(
        rows, f"{path}.{REFERENCE_UNITS.name}", job_config=job
    ).result()
    print(f"{len(rows)} units in {REFERENCE_UNITS.name}")
    return 0
