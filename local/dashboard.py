"""`python -m local dashboard`: the dashboard of a DATA folder.

It is that of `dashboard`, on the folder's BigQuery, which is started if needed.
"""

import argparse
import importlib
import os
from typing import Any

from command import signals
from local.bigquery import emulator
from local.data_folder import DataFolder, add_data_option

OWNER = "make dashboard"
USUAL_PORT = 8050
PURPOSE = "the dashboard"


def configure(parser: argparse.ArgumentParser) -> None:
    add_data_option(parser)
    _load().add_options(parser)


def run(options: argparse.Namespace) -> int:
    """Serves until a signal; returns the exit code."""
    serve = _load()
    data = DataFolder(options.data, must_exist=True)
    with emulator.serving(data) as addresses:
        os.environ |= addresses
        # Without a state the server is that of this process; others use it, too.
        if (state := data.state()) is None:
            data.write_state(OWNER, addresses)
        options.bridge = options.bridge or bridge_url(state)
        options.port = data.port(PURPOSE, options.port, USUAL_PORT, options.host)
        options.data = data.path
        return int(serve.perform(options))


def bridge_url(state: dict[str, Any] | None) -> str | None:
    """Where the bridge of a `make run-local` reports its health; None without one."""
    return state["addresses"].get("BRIDGE_URL") if state else None


def _load() -> Any:
    with signals.ending_at_once():
        return importlib.import_module("dashboard.serve")
