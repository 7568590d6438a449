"""`python -m local query`: one SQL statement on the local BigQuery.

Prints rows as JSON lines: timestamps in RFC 3339 and UTC, dates in ISO form, bytes in
base64, exact decimals as text, nested records as JSON.
"""

import argparse
import base64
import json
import math
import os
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.bigquery import Client

from command.usage import FAILED, UsageError
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option

FLOAT_NAMES = {math.inf: "Infinity", -math.inf: "-Infinity"}


class QueryError(RuntimeError):
    """BigQuery refuses the statement; the text is its message, in one line."""


def configure(parser: argparse.ArgumentParser) -> None:
    add_data_option(parser)
    parser.add_argument(
        "sql",
        nargs="?",
        metavar="SQL",
        help="the statement (default: the environment variable SQL)",
    )


def run(options: argparse.Namespace) -> int:
    """Prints the rows; returns 1 when the statement fails."""
    sql = os.environ.get("SQL", "") if options.sql is None else options.sql
    if not sql.strip():
        raise UsageError('there is no statement: write make query SQL="SELECT …"')
    try:
        with emulator.serving(DataFolder(options.data, create=False)) as host:
            count = print_rows(rows(emulator.connect(host), sql))
    except QueryError as error:
        print(f"the statement failed: {error}", file=sys.stderr)
        return FAILED
    if not count:
        print("0 rows", file=sys.stderr)
    return 0


def print_rows(texts: Iterator[str]) -> int:
    """Prints one row a line until the reader has left; returns how many."""
    count = 0
    for text in texts:
        count += 1
        if not is_read(text):
            break
    return count


def is_read(text: str) -> bool:
    """Prints it; False if the reader has left, such as `| head` or a closed pager."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Or Python fails again at its end, when it flushes the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def rows(client: Client, sql: str) -> Iterator[str]:
    """Runs a statement, or a script; yields the rows of its last query as JSON texts.

    Raises:
        QueryError: BigQuery refuses it, or was stopped.
    """
    try:
        for row in client.query_and_wait(sql, retry=None, job_retry=None):
            yield json.dumps(plain(dict(row)), ensure_ascii=False)
    except GoogleAPICallError as error:
        reasons = [problem.get("message") for problem in error.errors or ()]
        text = next((reason for reason in reasons if reason), error.message)
        raise QueryError(" ".join(str(text).split())) from None
    except requests.ConnectionError:
        raise QueryError("the local BigQuery was stopped") from None


def plain(value: Any) -> Any:
    """Turns a value of a row into a JSON value.

    Some become text, as in BigQuery's own JSON exports: NUMERIC, which a JSON number
    would round, and floats that are not finite.
    """
    match value:
        case dict():
            return {name: plain(part) for name, part in value.items()}
        case list():
            return [plain(part) for part in value]
        case datetime() if value.tzinfo:
            return value.isoformat().replace("+00:00", "Z")
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case float() if not math.isfinite(value):
            return FLOAT_NAMES.get(value, "NaN")
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)
