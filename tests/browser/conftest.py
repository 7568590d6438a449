"""What the tests in a browser share: one BigQuery and one browser."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.cloud import bigquery
from playwright.sync_api import Browser

from command.tables_path import DATASET
from local.ports import private_port
from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.browser.dashboard_fixture import Viewer, chromium, dashboard
from tests.integration.bigquery_fixture import chosen, connected
from tests.integration.demo_fixture import store_demo

SENT = (
    *("BOALF", "BOAV", "BOD", "DISEBSP", "EBOCF", "FREQ", "FUELHH", "FUELINST"),
    *("INDO", "ITSDO", "MELS", "MID", "MILS", "NDF", "PN", "REMIT", "TSDF"),
    *("UOU2T14D", "WINDFOR"),
)
# Tables without a row, and without the view of FREQ: enough for some tiles.
BARE = "bare"
WITHOUT_ROWS = ("DISEBSP", "FREQ", "FUELHH", "FUELINST", "MID")


class Server:
    """A local BigQuery that a test can stop and start again, at the same address."""

    def __init__(self, data: Path) -> None:
        self._data, self._port = data, private_port()
        self._process: subprocess.Popen[str] | None = None
        self.host = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        options = ["--data", str(self._data), "--port", str(self._port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local", "bigquery", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert "ready" in self._process.stdout.readline()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("bigquery"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def tables(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[bigquery.Client]:
    """The demo as of noon on 6 May, and a BigQuery dataset without rows."""
    # Only while it is filled: this process has tests of other files before the end.
    with connected(server.host) as client:
        store_demo(client, tmp_path_factory.mktemp("demo"), SENT)
        registry = Registry([load_registry()[name] for name in WITHOUT_ROWS])
        client.create_dataset(BARE)
        apply_tables(client, BARE, list(all_tables(registry)), "EU")
        assert apply_views(client, BARE, registry).conflicts == []
        client.delete_table(f"{client.project}.{BARE}.bmrs_freq_latest")
    yield client


@pytest.fixture(scope="module", autouse=True)
def _connected(server: Server, tables: bigquery.Client) -> Iterator[None]:
    """What a file of tests calls uses this server."""
    with connected(server.host):
        yield


# Playwright's event loop runs in this thread until its end: a test of another file
# could not run one of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dashboards keep what they make."""
    return tmp_path_factory.mktemp("dashboard")


@pytest.fixture(scope="session")
def address(server: Server, tables: bigquery.Client, cache: Path) -> Iterator[str]:
    """A dashboard of the demo."""
    with ExitStack() as opened:
        yield started(opened, server, cache, DATASET)


@pytest.fixture(scope="session")
def bare_address(server: Server, tables: bigquery.Client, cache: Path) -> Iterator[str]:
    """A dashboard of tables without rows."""
    with ExitStack() as opened:
        yield started(opened, server, cache, BARE)


def started(opened: ExitStack, server: Server, cache: Path, dataset: str) -> str:
    """The address of a dashboard, which runs until `opened` is closed."""
    with chosen(server.host):
        return opened.enter_context(dashboard(cache, "--dataset", dataset))


@pytest.fixture
def viewer(browser: Browser) -> Iterator[Callable[..., Viewer]]:
    """Makes viewers, each with a browser context of its own."""
    made: list[Viewer] = []

    def make(address: str, **context: object) -> Viewer:
        made.append(Viewer(browser, address, **context))
        return made[-1]

    yield make
    for each in made:
        each.close()
