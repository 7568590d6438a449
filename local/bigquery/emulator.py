"""The local BigQuery, local-bigquery (MIT), as a process of its own.

How to start it, how to wait until it is ready, and how to query it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from command.tables_path import LOCAL_TABLES
from command.usage import UsageError
from local.bigquery.environment import bigquery_python, server_environment
from local.data_folder import DataFolder
from local.ports import LOOPBACK
from local.process import POLL_SECONDS, Child

PROJECT, DATASET = LOCAL_TABLES

USUAL_PORT = 9050
USUAL_GRPC_PORT = 9060
START_SECONDS = 60.0
# For its last Parquet file; tables survive a kill too.
STOP_SECONDS = 10.0
PROGRAM = Path(__file__).with_name("patched_server.py")
# What decides how tables and views are stored.
SOURCES = sorted(PROGRAM.parent.rglob("*.py"))


@dataclass(frozen=True)
class Server:
    """A local BigQuery that was started.

    Attributes:
        host: Its address, `http://HOST:PORT`.
        grpc_port: The port of the Storage Write and Read APIs.
        project: The project of table names without one.
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
    """Starts the server; installs it first if needed.

    Args:
        data: The folder with the tables.
        port: The port that the user gave, if any.
        project: The project of table names without one.
        address: Where to listen.
        grpc_port: The port of the Storage APIs that the user gave, if any.

    Raises:
        UsageError: The port is taken, or the server cannot be installed.
    """
    data.bigquery.mkdir(parents=True, exist_ok=True)
    chosen = data.port("BigQuery", port, USUAL_PORT, address)
    grpc_port = data.port("BigQuery's gRPC", grpc_port, USUAL_GRPC_PORT, address)
    command = [str(bigquery_python()), "-P", str(PROGRAM), "--host", address]
    command += ["--port", str(chosen), "--grpc-port", str(grpc_port)]
    # It works in its folder, as ".": local-bigquery would put a path into SQL unquoted,
    # and into the tables' own catalog, so that they could not be moved.
    command += ["--project", project, "--data-dir", "."]
    log = data.log("bigquery")
    child = Child("BigQuery", command, log, server_environment(), data.bigquery)
    return Server(child, f"http://{address}:{chosen}", chosen, grpc_port, project)


def connect(
    host: str, project: str = PROJECT, dataset: str | None = DATASET
) -> bigquery.Client:
    """Returns a client of a local BigQuery.

    Args:
        host: Its address, `http://HOST:PORT`.
        project: The project of table names without one.
        dataset: The dataset of table names without one; None for no default.
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
def serving(data: DataFolder) -> Iterator[dict[str, str]]:
    """The addresses of a DATA folder's BigQuery; if none runs, one is started for now.

    They are by the name of their variable.

    Raises:
        UsageError: It cannot be started.
        PartFailedError: It does not become ready.
    """
    if running := _running(data):
        yield running
        return
    if not data.has_tables:
        raise UsageError(
            f"there are no tables in {data.path}: `make run-local` or `make up` "
            "creates them"
        )
    with data.owned():
        server = start(data)
        try:
            asyncio.run(server.ready())
            yield addresses(server)
        finally:
            asyncio.run(server.child.stop(STOP_SECONDS))


def _running(data: DataFolder) -> dict[str, str] | None:
    """The addresses of the BigQuery that runs on the folder; waits while it starts."""
    deadline = monotonic() + START_SECONDS
    while (state := data.state()) and monotonic() < deadline:
        found: dict[str, str] = state["addresses"]
        if "BIGQUERY_EMULATOR_HOST" in found:
            return found
        sleep(POLL_SECONDS)  # the state is the condition waited for
    return None


def _answer(client: bigquery.Client) -> bool | None:
    """Sends a query; None while nothing listens."""
    try:
        client.query_and_wait(
            "SELECT 1", retry=None, job_retry=None, api_timeout=START_SECONDS
        )
    except (requests.ConnectionError, requests.Timeout):
        return None
    return True
