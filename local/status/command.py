"""`python -m local status`: how all parts are, and the feed, on a DATA folder.

Each part is asked at its own address. The tables are asked, too: a BigQuery is started
for that if none runs. The exit code is 1 if something is wrong.
"""

import argparse
import datetime as dt
import importlib
import os
from collections.abc import Iterator
from typing import Any

from command import signals
from command.tables_path import LOCAL_TABLES
from command.usage import UsageError
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option
from local.failure import PartFailedError


def configure(parser: argparse.ArgumentParser) -> None:
    add_data_option(parser)
    _load("sql.status.command").add_options(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the status; 1 if something is wrong."""
    data = DataFolder(options.data, must_exist=True)
    at = dt.datetime.now(dt.UTC)
    items = [*_parts(data, at), *_tables(data, at)]
    code: int = _load("sql.status.command").report(items, at, options.format)
    return code


def _parts(data: DataFolder, at: dt.datetime) -> Iterator[Any]:
    item = _load("sql.status.item")
    state = data.state()
    if state is None:
        advice = "`make run-local` starts all of them, and goes on with what waits"
        says = f"nothing runs on {data.path}"
        yield item.Item("parts", item.State.OFF, says, advice)
        return
    says = f"`{state['owner']}` (process {state['pid']}) runs on {data.path}"
    yield item.Item("parts", item.State.OK, says)
    logs = str(data.path / "logs")
    addresses = state["addresses"]
    yield from _load("local.status.parts").items_of(addresses, logs, at)


def _tables(data: DataFolder, at: dt.datetime) -> Iterator[Any]:
    """Those of the tables; one that says why, if they cannot be asked."""
    from google.api_core.exceptions import GoogleAPICallError
    from requests import RequestException

    from command.text import first_line
    from pipeline.bigquery.client import connect

    item = _load("sql.status.item")
    try:
        with emulator.serving(data) as addresses:
            os.environ |= addresses
            host = addresses["BIGQUERY_EMULATOR_HOST"]
            server = _load("local.status.parts").bigquery_item(
                host, str(data.log("bigquery"))
            )
            yield server
            if server.state is item.State.FAIL:
                return
            client = connect(LOCAL_TABLES.project)
            yield from _load("sql.status.tables").items_of(client, LOCAL_TABLES, at)
    except UsageError as error:
        yield item.Item("BigQuery", item.State.OFF, str(error))
    except (GoogleAPICallError, RequestException, OSError, PartFailedError) as error:
        says = f"does not answer: {first_line(error)}"
        advice = f"see {data.log('bigquery')}"
        yield item.Item("BigQuery", item.State.FAIL, says, advice)


def _load(module: str) -> Any:
    with signals.ending_at_once():  # Google's libraries take a second
        return importlib.import_module(module)
