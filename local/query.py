"""`python -m local query`: one SQL statement on the local BigQuery.

Rows come as JSON lines on standard output: timestamps in RFC 3339 and UTC, dates in
ISO form, bytes in base64, exact decimals as text, nested records as JSON.
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

from command.usage import UsageError
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option
from local.failure import PartFailedError

FLOAT_NAMES = {math.inf: "Infinity", -math.inf: "-Infinity"}


class QueryError(RuntimeError):
    """The service refuses the statement; the text is its message, in one line."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_data_option(parser)
    parser.add_argument(
        "sql", nargs="?", metavar="SQL", help="default: the environment's SQL"
    )


def run(options: argparse.Namespace) -> int:
    """Prints the rows; 1 when the statement fails, 2 when there is none."""
    sql = os.environ.get("SQL", "") if options.sql is None else options.sql
    try:
        if not sql.strip():
            raise UsageError('no statement: make query SQL="SELECT …"')
        with emulator.serving(DataFolder(options.data, made=False)) as host:
            count = print_rows(rows(emulator.connect(host), sql))
        if not count:
            print("0 rows", file=sys.stderr)
    except UsageError as error:
        print(f"query: {error}", file=sys.stderr)
        return 2
    except (QueryError, PartFailedError) as error:
        print(f"query: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def print_rows(texts: Iterator[str]) -> int:
    """Prints each in a line; gives how many, up to where a reader had enough."""
    count = 0
    for text in texts:
        count += 1
        if not is_read(text + "\n"):
            break
    return count


def is_read(text: str) -> bool:
    """Prints it; False where nobody reads on: `| head`, or a pager that was left."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Else Python fails once more as it ends, with what it could not write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def rows(client: Client, sql: str) -> Iterator[str]:
    """Runs a statement, or a script; gives the rows of its last query as JSON texts.

    Raises:
        QueryError: The service refuses it, or is gone.
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
    """Turns a value of a row into what JSON can say.

    What JSON has no form for is text, as in BigQuery's own JSON exports: NUMERIC,
    because a JSON number would round it, and the floats that are no numbers.
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
