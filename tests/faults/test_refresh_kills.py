"""A local BigQuery that is killed while it refreshes what is resolved."""

import time
from pathlib import Path

import pytest

from sql.refresh.resolution import Resolution
from tests.faults.machine_fixture import kill_server
from tests.integration.bigquery_fixture import connected, server
from tests.integration.declarations_fixture import MELS, Feed, at_noon

pytestmark = pytest.mark.faults

# Where the kill meets the statement: at its begin, while it reads, and as it writes.
PARTS = (0.0, 0.5, 0.9)


@pytest.mark.parametrize("part", PARTS)
def test_after_a_kill_the_table_is_as_before_or_up_to_date_and_the_view_right(
    tmp_path: Path, part: float
) -> None:
    with server(tmp_path) as addresses, connected(addresses["host"]) as client:
        feed = Feed(client, "killed")
        feed.arrive(at_noon(100))
        began = time.monotonic()
        assert feed.refresh() == 0
        seconds = time.monotonic() - began
        before = feed.runs()
        feed.arrive(at_noon(50, notificationSequence=9))
        merge = Resolution.of(MELS, feed.path).merge
        client.query(merge)  # it may have ended before the kill: up to date, then
        time.sleep(part * seconds)  # the moment of the kill, whatever it meets
        kill_server(tmp_path)
    with server(tmp_path) as addresses, connected(addresses["host"]) as client:
        feed.client = client
        found = feed.runs()
        assert feed.shown() == feed.defined()
        assert feed.refresh("--rebuild") == 0
        assert found in (before, feed.runs())
