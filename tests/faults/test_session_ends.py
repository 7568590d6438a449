"""A session with the queue that ends in any way leaves no connection behind."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import (
    Bridge,
    PubSub,
    Simulator,
    bridge_of,
    running,
    wait_until,
)

pytestmark = pytest.mark.faults

# After a fault, this many are completed by a new session.
COUNT = 100
# The dead-letter sub-queue is looked at on a connection of its own, for a moment.
MOMENT_SECONDS = 15.0


@pytest.fixture(scope="module")
def parts(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Simulator, Bridge]]:
    """A bridge that relays the demo: messages are in flight whenever a fault comes."""
    with (
        running(PubSub(tmp_path_factory.mktemp("pubsub"))) as pubsub,
        running(Simulator("--rate", "60")) as simulator,
    ):
        pubsub.create_topic()
        with bridge_of(simulator, pubsub, tmp_path_factory.mktemp("bridge")) as bridge:
            relayed(bridge)
            yield simulator, bridge


def relayed(bridge: Bridge) -> None:
    done = bridge.metric("completed_total")
    wait_until(lambda: bridge.metric("completed_total") > done + COUNT)


def connections(pid: int, port: int) -> int:
    """How many connections to a port a process holds, in whatever state."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    count = 0
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            there = int(words[2].rpartition(":")[2], 16)
            count += there == port and words[9] in inodes
    return count


@pytest.mark.parametrize("fault", ["drop", "detach", "close"])
def test_only_the_connection_of_the_new_session_is_left(
    parts: tuple[Simulator, Bridge], fault: str
) -> None:
    simulator, bridge = parts
    for _ in range(2):
        simulator.control(f"/{fault}")
        relayed(bridge)
    port = simulator.ready["port"]
    wait_until(lambda: connections(bridge.process.pid, port) == 1, MOMENT_SECONDS)


def test_none_is_left_of_a_queue_that_did_not_answer(
    parts: tuple[Simulator, Bridge],
) -> None:
    simulator, bridge = parts
    failures = bridge.metric("session_failures_total")
    simulator.control("/set?mute=true")
    # One session that was open, and one that could not be opened.
    wait_until(lambda: bridge.metric("session_failures_total") >= failures + 2)
    simulator.control("/set?mute=false")
    relayed(bridge)
    port = simulator.ready["port"]
    wait_until(lambda: connections(bridge.process.pid, port) == 1, MOMENT_SECONDS)
