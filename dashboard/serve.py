"""`python -m dashboard serve`: the pages on an address of this machine."""

import argparse
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from command import signals
from command.quantity import between, positive
from command.tables_path import DATASET, add_dataset_option, project_id
from command.usage import UsageError
from dashboard.budget import Budget
from dashboard.scripts import Scripts
from dashboard.server import application
from dashboard.viewing import Viewing, utc_now
from dashboard.warehouse import Warehouse
from gb_iris.connection import connect
from sql.query.question import size_bytes

LOOPBACK = "127.0.0.1"
USUAL_PORT = 8050
# How a viewer on this machine may call it.
OWN_NAMES = ("localhost", LOOPBACK, "[::1]", "::1")
LOCAL_SECONDS = 2.0
PROJECT_SECONDS = 60.0
# A month of such days is within the TiB that BigQuery reads for nothing.
DAILY = "30GB"
# A day of the largest datasets is a tenth of that.
QUERY = "3GB"


def configure(parser: argparse.ArgumentParser) -> None:
    add_place_options(parser)
    add_options(parser)


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Adds what says where the tables are."""
    parser.add_argument(
        "--project", type=project_id, help="a Google Cloud project (default: local)"
    )
    add_dataset_option(parser)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("DATA") or ".local"),
        metavar="DIR",
        help="folder of the local tables, and of what the dashboard keeps "
        "(default: .local)",
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what does not depend on where the tables are."""
    parser.add_argument(
        "--host", default=LOOPBACK, help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which viewers may reach it, besides localhost; repeatable",
    )
    parser.add_argument(
        "--port",
        type=between(1, 65_535, int),
        help=f"port to listen on (default: {USUAL_PORT})",
    )
    parser.add_argument(
        "--bridge",
        type=_url,
        metavar="URL",
        help="where the bridge reports its health, such as http://127.0.0.1:8080",
    )
    parser.add_argument(
        "--every",
        type=positive,
        metavar="SECONDS",
        help="the least time between two queries of a tile (default: "
        f"{LOCAL_SECONDS:g} on this machine, {PROJECT_SECONDS:g} in a project)",
    )
    add_limits(parser)
    parser.set_defaults(project=None, dataset=DATASET)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Adds what a project may be billed."""
    for name, text, meaning in (
        ("budget", DAILY, "of all queries in a day; then tiles ask less often"),
        ("max-bytes", QUERY, "of one query, which BigQuery refuses otherwise"),
    ):
        parser.add_argument(
            f"--{name}",
            type=size_bytes,
            default=size_bytes(text),
            metavar="SIZE",
            help=f"in a project, the most bytes {meaning} (default: {text})",
        )


def run(options: argparse.Namespace) -> int:
    """Serves until a signal; returns the exit code."""
    options.port = options.port or USUAL_PORT
    return perform(options)


def perform(options: argparse.Namespace) -> int:
    """Serves on the port of the options."""
    listening = _listen(options.host, options.port)
    warehouse = warehouse_of(options)
    viewing = Viewing(
        warehouse, pace_of(warehouse, options.every), options.bridge or ""
    )
    hosts = [*OWN_NAMES, *options.allowed_host]
    app = application(viewing, Scripts(options.data / "dashboard"), hosts)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=2
    )
    port = listening.getsockname()[1]
    print(f"dashboard: http://{options.host}:{port} (stop with Ctrl-C)", flush=True)
    # uvicorn ends in order, and then raises the signal once more.
    with signals.stopping(signals.ignore, signals.ignore):
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def warehouse_of(options: argparse.Namespace) -> Warehouse:
    """The tables that the options name."""
    chosen = options.project or os.environ.get("BIGQUERY_EMULATOR_HOST")
    found = connect(options.project, options.dataset, None if chosen else options.data)
    is_local = bool(found.retry)
    budget = None if is_local else _budget(options)
    return Warehouse(found.client, found.path, is_local=is_local, budget=budget)


def pace_of(warehouse: Warehouse, every: float | None) -> Callable[[], float]:
    """The least time between two queries of a tile, in seconds, at any moment."""
    if warehouse.budget:
        return warehouse.budget.least_seconds
    return lambda: every or LOCAL_SECONDS


def _budget(options: argparse.Namespace) -> Budget:
    return Budget(
        options.data / "dashboard" / "billed.json",
        options.budget,
        options.max_bytes,
        options.every or PROJECT_SECONDS,
        utc_now,
    )


def _url(text: str) -> str:
    if not re.match(r"https?://[^/]", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address, such as http://127.0.0.1:8080"
        )
    return text


def _listen(host: str, port: int) -> socket.socket:
    """The socket of the server: a port that is taken is reported before all else.

    Raises:
        UsageError: The address cannot be used.
    """
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from None
