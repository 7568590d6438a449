"""`python -m local bigquery`: a BigQuery on this machine.

local-bigquery (MIT) as a process of its own, with what the other parts need to know of
it: how it starts, when it is ready, and how to ask it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from command import signals
from command.tables_path import LOCAL_TABLES
from command.usage import UsageError
from local.bigquery.environment import bigquery_python, server_environment
from local.data_folder import DataFolder, add_data_option
from local.failure import PartFailedError
from local.ports import LOOPBACK, add_host_option, choose_port, port_number
from local.process import POLL_SECONDS, Child, wait_for_event

PROJECT, DATASET = LOCAL_TABLES

USUAL_PORT = 9050
USUAL_GRPC_PORT = 9060
START_SECONDS = 60.0
# It writes its last Parquet file; tables survive a kill too.
STOP_SECONDS = 10.0
# How long its end may go unnoticed.
LOOK_SECONDS = 0.5
PROGRAM = Path(__file__).with_name("patched_server.py")
SOURCES = (PROGRAM, PROGRAM.with_name("dialect.py"))


@dataclass(frozen=True)
class Server:
    """A local BigQuery that was started.

    Attributes:
        host: Its address, `http://HOST:PORT`.
        grpc_port: The port of the Storage Write and Read APIs.
    """

    child: Child
    host: str
    port: int
    grpc_port: int
    project: str

    async def ready(self) -> None:
        """Waits until it answers a query.

        Raises:
            PartFailedError: It ended, or does not answer.
        """
        client = connect(self.host, self.project, dataset=None)
        try:
            await self.child.wait_for(lambda: _answer(client), START_SECONDS)
        except GoogleAPICallError as error:
            raise self.child.failed(f"answers with an error: {error}") from None


def start(
    data: DataFolder,
    port: int | None = None,
    project: str = PROJECT,
    address: str = LOOPBACK,
    grpc_port: int | None = None,
) -> Server:
    """Starts the server; makes its environment if need be.

    Args:
        data: Whose tables to serve.
        port: The port that it must have, if any.
        project: The project of unqualified names.
        address: Where to listen.
        grpc_port: The port that the Storage APIs must have, if any.

    Raises:
        UsageError: The port is taken, or the environment cannot be made.
    """
    chosen = choose_port(port, USUAL_PORT, "BigQuery", address)
    grpc_port = choose_port(grpc_port, USUAL_GRPC_PORT, "BigQuery's gRPC", address)
    command = [str(bigquery_python()), "-P", str(PROGRAM), "--host", address]
    command += ["--port", str(chosen), "--grpc-port", str(grpc_port)]
    # Its folder has no name there: local-bigquery would put it into SQL unquoted, and
    # into the tables' own catalog, so that they could not be moved.
    command += ["--project", project, "--data-dir", "."]
    data.bigquery.mkdir(exist_ok=True)
    log = data.log("bigquery")
    child = Child("BigQuery", command, log, server_environment(), data.bigquery)
    return Server(child, f"http://{address}:{chosen}", chosen, grpc_port, project)


def connect(
    host: str, project: str = PROJECT, dataset: str | None = DATASET
) -> bigquery.Client:
    """Returns a client of a local BigQuery.

    Args:
        host: Its address, `http://HOST:PORT`.
        project: The project of unqualified names.
        dataset: The dataset of unqualified table names, if there is to be one.
    """
    defaults = bigquery.QueryJobConfig()
    if dataset:
        defaults.default_dataset = f"{project}.{dataset}"
    return bigquery.Client(
        project=project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth
        client_options={"api_endpoint": host},
        default_query_job_config=defaults,
    )


def addresses(server: Server) -> dict[str, str]:
    """The server's addresses, by the name of their variable."""
    return {
        "BIGQUERY_EMULATOR_HOST": server.host,
        "BIGQUERY_GRPC_PORT": str(server.grpc_port),
        "BIGQUERY_PROJECT": server.project,
    }


@contextmanager
def serving(data: DataFolder) -> Iterator[str]:
    """The address of a DATA folder's BigQuery: the one that runs, else one for a while.

    Raises:
        UsageError: It cannot be started.
        PartFailedError: It does not come up.
    """
    if host := _running_host(data):
        yield host
        return
    if not data.has_tables:
        raise UsageError(
            f"no tables in {data.path}: `make run-local` or `make up` first"
        )
    with data.owned():
        server = start(data)
        try:
            asyncio.run(server.ready())
            yield server.host
        finally:
            asyncio.run(server.child.stop(STOP_SECONDS))


def _running_host(data: DataFolder) -> str | None:
    """The address of the BigQuery that runs on the folder; waits while it starts."""
    deadline = monotonic() + START_SECONDS
    while (state := data.state()) and monotonic() < deadline:
        if host := state["addresses"].get("BIGQUERY_EMULATOR_HOST"):
            return str(host)
        sleep(POLL_SECONDS)  # the state is the condition waited for
    return None


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add_host_option(parser)
    parser.add_argument(
        "--port", type=port_number, help=f"default: {USUAL_PORT}, or a free one"
    )
    add_data_option(parser)
    parser.add_argument(
        "--project",
        default=PROJECT,
        help="the project of unqualified names (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C; 2 when the user must mend something."""
    try:
        data = DataFolder(options.data)
        with data.owned():
            asyncio.run(_serve(data, options))
    except UsageError as error:
        print(f"bigquery: {error}", file=sys.stderr)
        return 2
    except PartFailedError as error:
        print(*error.log_lines, f"bigquery: {error}", sep="\n", file=sys.stderr)
        return 1
    return 0


async def _serve(data: DataFolder, options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    signals.on_stop_in_loop(lambda _: stopped.set(), signals.ignore)
    server = start(data, options.port, options.project, options.host)
    try:
        await server.ready()
        data.write_state("python -m local bigquery", addresses(server))
        print(json.dumps(_ready_line(server)), flush=True)
        while not stopped.is_set():
            server.child.check()
            await wait_for_event(stopped, LOOK_SECONDS)
    finally:
        await server.child.stop(STOP_SECONDS)


def _ready_line(server: Server) -> Mapping[str, object]:
    return {
        "ready": True,
        "port": server.port,
        "grpc_port": server.grpc_port,
        "host": server.host,
    }


def _answer(client: bigquery.Client) -> bool | None:
    """Asks it something; None when there is nobody yet."""
    try:
        client.query_and_wait("SELECT 1", retry=None, job_retry=None)
    except requests.ConnectionError:
        return None
    return True
