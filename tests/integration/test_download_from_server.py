"""Downloads from a real server that fails in its own ways."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from bridge.backfill import download
from bridge.backfill.download import (
    Downloader,
    GaveUpError,
    Patience,
    RateLimiter,
    RepeatedFailureError,
    StoppedError,
    TooLargeError,
)
from bridge.backfill.elexon_archive import Blob, blob_url
from bridge.backfill.report import Report
from bridge.backfill.sources import ArchiveSource, Job, SourceError
from bridge.span import Span, parse_moment
from tests.integration.archive_fixture import Archive, archive_server

pytestmark = pytest.mark.integration

UPLOADED = "2026-05-06T02:31:00Z"
BODY = b"0123456789" * 1000
ODD = "ä b%2F?#&..'.json"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_DELAY_SECONDS", 0.01)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with archive_server() as served:
        served.put("FREQ", ODD, BODY, UPLOADED)
        served.put("FREQ", "good", b"[1]", UPLOADED)
        yield served


def run(scenario: Any, seconds: float = 60) -> Any:
    """Runs `scenario(downloader, patience)` in a loop of its own."""

    async def whole() -> Any:
        patience = Patience(seconds)
        downloader = Downloader(RateLimiter(1000), patience, 4)
        try:
            return await asyncio.wait_for(scenario(downloader, patience), 20)
        finally:
            await downloader.close()

    return asyncio.run(whole())


def get(archive: Archive, name: str, **options: int) -> Any:
    def scenario(downloader: Downloader, _: Patience) -> Coroutine[Any, Any, bytes]:
        return downloader.get(blob_url(archive.url, Blob("FREQ", name)), **options)

    return scenario


def test_a_name_of_any_characters_is_found_and_continued(archive: Archive) -> None:
    path = f"/iris-archive/data/FREQ/{ODD}"
    archive.faults[path] = ["truncate"] * 3
    assert run(get(archive, ODD)) == BODY
    ranges = [asked.headers.get("Range") for asked in archive.asked]
    assert ranges == [None, "bytes=5000-", "bytes=7500-", "bytes=8750-"]


def test_where_the_server_knows_no_ranges_it_starts_over(archive: Archive) -> None:
    archive.ignores_range = True
    archive.faults[f"/iris-archive/data/FREQ/{ODD}"] = ["truncate"]
    assert run(get(archive, ODD)) == BODY


def test_a_body_over_the_limit_is_not_read(archive: Archive) -> None:
    with pytest.raises(TooLargeError):
        run(get(archive, ODD, max_bytes=len(BODY) - 1))
    assert len(archive.asked) == 1


def test_what_fails_while_others_succeed_fails_by_itself(archive: Archive) -> None:
    archive.faults["/iris-archive/data/FREQ/bad"] = [500] * 100

    async def scenario(downloader: Downloader, patience: Patience) -> None:
        bad = asyncio.create_task(get(archive, "bad")(downloader, patience))
        while not bad.done():
            await get(archive, "good")(downloader, patience)
        await bad

    with pytest.raises(RepeatedFailureError, match="failed 8 times: HTTP 500"):
        run(scenario)
    assert archive.fetches()["/iris-archive/data/FREQ/bad"] == 8


def test_a_server_that_asks_to_wait_longer_than_the_patience_is_left_alone(
    archive: Archive,
) -> None:
    archive.every = (503, {"Retry-After": "3600"})
    with pytest.raises(GaveUpError, match="asks to wait 3600 s"):
        run(get(archive, "good"))
    assert len(archive.asked) == 1


def test_a_stop_ends_the_wait_for_the_next_try(archive: Archive) -> None:
    archive.every = (503, {"Retry-After": "30"})

    async def scenario(downloader: Downloader, patience: Patience) -> None:
        waiting = asyncio.create_task(get(archive, "good")(downloader, patience))
        while not patience.failures:
            await asyncio.sleep(0.01)
        patience.stopping.set()
        await waiting

    started = time.monotonic()
    with pytest.raises(StoppedError):
        run(scenario)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_refuses_everybody_ends_the_run(
    archive: Archive, status: int
) -> None:
    archive.every = status
    report = Report()

    async def scenario(downloader: Downloader, _: Patience) -> None:
        span = Span(parse_moment("2026-05-06"), parse_moment("2026-05-07"))
        source = ArchiveSource(archive.url, span, [], downloader, report)
        async for _fetched in source.fetch(Job("FREQ", "good")):
            raise AssertionError

    with pytest.raises(SourceError, match=f"refuses to answer: HTTP {status}"):
        run(scenario)
    assert report.total("failed") == 0
