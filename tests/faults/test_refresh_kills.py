"""A refresh that is killed in its middle: the command, or the local BigQuery."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from google.cloud import bigquery

from sql.refresh.resolution import Resolution
from tests.faults.machine_fixture import kill_server
from tests.integration.bigquery_fixture import connected, server
from tests.integration.declarations_fixture import MELS, PROJECT, Feed, at_noon

pytestmark = pytest.mark.faults

# Where the kill meets the statement: at its begin, while it reads, and as it writes.
PARTS = (0.0, 0.5, 0.9)
# `python -m sql`, which dies when BigQuery has its statement and has not answered.
DIES = """
import os, signal, sys
from sql.apply import conflicts
def dies(client, statement):
    client.query(statement)
    os.kill(os.getpid(), signal.SIGKILL)
conflicts.run = dies
from sql.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.promise(
    part="local BigQuery",
    fault="it is killed in a refresh",
    happens="the table is as before, or up to date",
    lost="0",
    doubled="0",
    recovery="the next refresh; the view is right without it",
    sees="nothing",
)
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


@pytest.mark.promise(
    part="cloud",
    fault="the scheduled refresh is killed while BigQuery works on its statement",
    happens="BigQuery ends the statement; the next refresh meets it, or comes after it",
    lost="0",
    doubled="0",
    recovery="the next refresh; the view is right without it",
    sees="a failed execution",
)
def test_after_a_refresh_that_was_killed_the_next_one_resolves_everything_once(
    bigquery_host: str, client: bigquery.Client
) -> None:
    feed = Feed(client, "killed_command")
    feed.arrive(*(at_noon(100, nationalGridBmUnit=f"U-{each}") for each in range(5)))
    command = [sys.executable, "-c", DIES, "refresh", "--project", PROJECT]
    killed = subprocess.run(
        [*command, "--dataset", feed.dataset],
        env=os.environ | {"BIGQUERY_EMULATOR_HOST": bigquery_host},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert feed.refresh() == 0
    assert feed.shown() == feed.defined()
    found = feed.runs()
    assert feed.refresh("--rebuild") == 0
    assert found == feed.runs()
