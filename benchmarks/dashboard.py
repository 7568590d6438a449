"""The dashboard: its page Now, beside the same queries alone, four at a time."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.request import urlopen

from google.cloud import bigquery
from playwright.sync_api import Page, sync_playwright

from benchmarks.measurement import Measurement, Target
from benchmarks.run_of_pipeline import run_pipeline
from benchmarks.usage import memory_mb
from benchmarks.warehouse import Warehouse, serving
from command.tables_path import TablesPath
from dashboard.answers import PARALLEL
from dashboard.pages import NOW
from dashboard.warehouse import Warehouse as Tables
from dashboard.warehouse import parameter
from local.ports import private_port
from local.simulator.demo import Demo
from pipeline.registry import Registry, load_registry
from sql.apply import apply_views
from sql.tables import all_tables

DATASET = "dashboard"
# As much of the demo as the page shows: two days and a morning.
NOON = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)
TURNS = 3
VIEWERS = 20
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
WAIT_MILLISECONDS = 120_000
NEW_HZ = 49.713
# A row of FREQ and its entry in the ledger, as the pipeline makes them.
NEW_ROW = f"""
INSERT INTO {DATASET}.bmrs_freq_iris (
  dataset, measurementTime, frequency, ingested_utc, source, message_id, record_id
) VALUES (
  'FREQ', TIMESTAMP '2026-05-06 10:59:58+00', {NEW_HZ}, CURRENT_TIMESTAMP(), 'IRIS',
  'new', 'new'
);
INSERT INTO {DATASET}.iris_ledger (
  minute_utc, dataset, messages, records, `rows`, duplicates, dead_letters, unmapped
) VALUES (CURRENT_TIMESTAMP(), 'FREQ', 1, 1, 1, 0, 0, 0);
"""


class Served(NamedTuple):
    """A dashboard that runs: its address and its process."""

    address: str
    pid: int

    def queries(self) -> int:
        """How many queries of tiles it has sent."""
        with urlopen(f"{self.address}/status") as answer:  # our own server
            return int(json.load(answer)["tile_queries"])


def measure(scale: float) -> Iterator[Measurement]:
    """The page in a browser, its queries alone, and many viewers."""
    turns = max(1, round(TURNS * scale))
    names = [table.name for table in all_tables(_registry())]
    with (
        TemporaryDirectory(prefix="gb-iris-bench-") as name,
        serving(Path(name)) as to,
        to.tables(DATASET, names),
    ):
        _fill(to, Path(name))
        with _dashboard(to, Path(name)) as served, _browser() as page:
            yield from _measured(to, served, page, turns)


def _registry() -> Registry:
    """The datasets that the page shows, and those that its views read besides."""
    names = {name for tile in NOW.tiles for name in tile.datasets}
    names |= {"BOD", "ITSDO", "PN", "TSDF"}
    return Registry([load_registry()[name] for name in sorted(names)])


def _measured(
    to: Warehouse, served: Served, page: Page, turns: int
) -> Iterator[Measurement]:
    _opened(page, served, NOON)  # the browser has the scripts, the server its threads
    bare, first, whole = [], [], []
    for turn in range(1, turns + 1):
        # Another instant is another selection: no answer is there yet.
        at = NOON - dt.timedelta(minutes=turn)
        bare.append(_bare_seconds(to, at))
        shown = _opened(page, served, at)
        first.append(shown[0])
        whole.append(shown[1])
    yield Measurement(
        "page Now, first tile in a browser",
        min(first),
        "s",
        target=Target(1, of="value", at_most=True),
        meaning="from the click to the first picture, with a warm server",
    )
    yield Measurement(
        "page Now, whole in a browser",
        min(whole),
        "s",
        target=Target(3, of="value", at_most=True),
        meaning=f"until all {len(NOW.tiles)} tiles are drawn",
    )
    yield Measurement(
        "page Now, beside its queries",
        min(whole),
        "s",
        f"its queries alone, {PARALLEL} at a time",
        min(bare),
        Target(1.5, at_most=True),
        "what server and browser add",
    )
    yield _viewers(served)
    yield Measurement(
        "a new message until it is on the page",
        _news_seconds(to, served, page),
        "s",
        target=Target(10, of="value", at_most=True),
        meaning="from the insert of its row",
    )
    yield Measurement(
        "dashboard, memory",
        memory_mb(served.pid),
        "MB",
        target=Target(300, of="value", at_most=True),
    )


def _viewers(served: Served) -> Measurement:
    """The queries of twenty viewers who open the page at once, beside those of one."""

    def look(at: dt.datetime, viewers: int) -> int:
        before = served.queries()
        addresses = [
            f"{served.address}/tiles/{tile.name}?at={at:%Y-%m-%dT%H:%MZ}"
            for tile in NOW.tiles
        ]
        with ThreadPoolExecutor(viewers * 2) as pool:
            for answer in pool.map(_read, addresses * viewers):
                assert answer["state"] == "drawn", answer
        return served.queries() - before

    one = look(NOON - dt.timedelta(minutes=31), 1)
    return Measurement(
        f"queries of {VIEWERS} viewers",
        look(NOON - dt.timedelta(minutes=32), VIEWERS),
        "queries",
        "of one viewer",
        one,
        Target(1, at_most=True),
    )


def _read(address: str) -> dict[str, Any]:
    """A tile; on a busy machine it is asked again, as the page does."""
    while True:
        with urlopen(address) as answer:  # our own server
            content: dict[str, Any] = json.load(answer)
        if content["state"] != "waiting":
            return content


def _opened(page: Page, served: Served, at: dt.datetime) -> tuple[float, float]:
    """Opens the page; returns the seconds to the first picture, and to the last."""
    started = time.monotonic()
    page.goto(f"{served.address}/now?at={at:%Y-%m-%dT%H:%MZ}")
    done = page.locator('.tile[aria-busy="false"]')
    done.first.wait_for(state="attached")
    first = time.monotonic() - started
    done.nth(len(NOW.tiles) - 1).wait_for(state="attached")
    return first, time.monotonic() - started


def _bare_seconds(to: Warehouse, at: dt.datetime) -> float:
    """The queries of the page alone, rows read."""
    tables = Tables(to.client, TablesPath(to.client.project, DATASET), is_local=True)

    def ask(place: int) -> int:
        tile = NOW.tiles[place]
        given = (tile.parameters({"at": at}, at) or {}).items()
        config = bigquery.QueryJobConfig(
            query_parameters=[parameter(*item) for item in given]
        )
        return len(
            list(to.client.query_and_wait(tables.fill(tile.sql), job_config=config))
        )

    started = time.monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        assert all(pool.map(ask, range(len(NOW.tiles)))), "a tile without rows"
    return time.monotonic() - started


def _news_seconds(to: Warehouse, served: Served, page: Page) -> float:
    _opened(page, served, NOON)
    to.client.query_and_wait(NEW_ROW)
    started = time.monotonic()
    page.get_by_text(f"{NEW_HZ}").first.wait_for()
    return time.monotonic() - started


def _fill(to: Warehouse, work: Path) -> None:
    """The demo's messages of the datasets that the page shows, as files to rows."""
    registry = _registry()
    folder = work / "demo"
    for _, sample in Demo(clock=lambda: int(NOON.timestamp())).backlog():
        if sample.dataset in registry:
            path = folder / sample.dataset / sample.message_id
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.payload)
    conflicts = apply_views(to.client, DATASET, registry).conflicts
    assert conflicts == [], conflicts
    run_pipeline(work, to.environment, DATASET, f"--files={folder}")


@contextmanager
def _dashboard(to: Warehouse, work: Path) -> Iterator[Served]:
    port = private_port()
    command = ["dashboard", "serve", "--port", str(port), "--dataset", DATASET]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--data", str(work)],
        env=os.environ | to.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("dashboard: "), "the dashboard does not start"
        yield Served(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _browser() -> Iterator[Page]:
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(WAIT_MILLISECONDS)
        yield page
        browser.close()
