"""A dashboard on a local BigQuery with a day of the demo, in a real browser."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local.ports import private_port

# Set where the absence of a browser is a failure.
REQUIRED = "BROWSER_REQUIRED"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
# It asks nothing of the network by itself, so that a log of requests is the page's.
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
# A folder for pictures of the pages, such as docs/images.
PICTURES = "DASHBOARD_PICTURES"
# A shared machine is slow; no test is a proof of speed.
PATIENCE_MILLISECONDS = 90_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's chromium."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        text = "no chromium: apt-get install chromium"
        pytest.fail(text) if os.environ.get(REQUIRED) else pytest.skip(text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def dashboard(data: Path, *options: str) -> Iterator[str]:
    """Runs `python -m dashboard serve` on the local BigQuery; yields its address."""
    port = private_port()
    command = ["dashboard", "serve", "--port", str(port), "--data", str(data)]
    process = subprocess.Popen(
        [sys.executable, "-m", *command, *options], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        assert line.startswith("dashboard: http://"), line
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


class Viewer:
    """A page in the browser, and what went wrong on it.

    Attributes:
        page: The page.
        errors: What its console says in earnest.
        hosts: Which hosts it has asked.
    """

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self.address = address
        context.setdefault("viewport", {"width": 1280, "height": 900})
        # Far from London: the page shows London's times all the same.
        context.setdefault("timezone_id", "America/New_York")
        self._context = browser.new_context(**context)
        self._context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.page: Page = self._context.new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda asked: self.hosts.add(asked.url.split("/")[2]))

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def open(self, path: str) -> "Viewer":
        """Opens a page, and waits until no tile waits for its first answer."""
        self.page.goto(self.address + path)
        self.page.wait_for_selector(".tile")
        self.settle()
        return self

    def settle(self) -> None:
        while self.page.locator('.tile[aria-busy="true"]').count():
            self.page.wait_for_timeout(50)  # the tiles are the condition waited for

    def picture(self, name: str) -> None:
        """Keeps what the window shows, if somebody wants pictures."""
        if folder := os.environ.get(PICTURES):
            self.page.wait_for_timeout(1_000)  # what is drawn last
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def tile(self, name: str) -> Any:
        return self.page.locator(f'[data-tile="{name}"]')

    def figure(self, tile: str, label: str) -> Any:
        """The value of a figure in the headline of a tile."""
        pairs = self.tile(tile).locator(".figures > div")
        return pairs.filter(has=self.page.get_by_text(label, exact=True)).locator("dd")

    def close(self) -> None:
        self._context.close()


def queries(address: str) -> int:
    """How many queries of tiles the dashboard has sent."""
    with urllib.request.urlopen(f"{address}/status") as answer:
        return int(json.load(answer)["tile_queries"])
