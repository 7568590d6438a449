"""What fails around the bridge, or the bridge itself: nothing is ever lost."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.in_flight import MAX_BATCH_BYTES, MAX_BYTES, MAX_MESSAGES
from tests.faults.machine_fixture import frozen
from tests.integration.bridge_fixture import (
    PubSub,
    Simulator,
    bridge_of,
    pubsub_with_topic,
    running,
    wait_until,
    write_samples,
)

pytestmark = pytest.mark.faults

COUNT = 3_000
# Where enough must be left on the queue, also when a busy machine looks late.
MANY = 10_000


@pytest.fixture
def pubsub(tmp_path: Path) -> Iterator[PubSub]:
    with pubsub_with_topic(tmp_path / "pubsub") as server:
        yield server


@pytest.fixture
def ids(tmp_path: Path) -> set[str]:
    return write_samples(tmp_path / "samples", COUNT)


@pytest.fixture
def many_ids(tmp_path: Path) -> set[str]:
    return write_samples(tmp_path / "samples", MANY)


def simulator_of(folder: Path, *options: str) -> Any:
    return running(Simulator("--samples", str(folder / "samples"), *options))


def is_still(count: Callable[[], int]) -> bool:
    """Whether the count stays what it is for a second."""
    before = count()
    time.sleep(1)  # much longer than an answer that is on its way
    return count() == before


def ids_of(messages: list[Any]) -> set[str]:
    return {message.attributes["message_id"] for message in messages}


@pytest.mark.promise(
    part="bridge",
    fault="the bridge is killed (`kill -9`)",
    happens="IRIS delivers again what was not completed, once its lock has ended",
    lost="0",
    doubled=(
        "what was in flight, at most 500 messages; their records are counted as"
        " duplicates"
    ),
    recovery="the next start, and a lock of 60 s",
    sees=(
        "the bridge is started again (`make run-local`, VM or worker pool); "
        "`Pub/Sub` has some messages twice"
    ),
)
def test_killed_in_mid_run(pubsub: PubSub, ids: set[str], tmp_path: Path) -> None:
    with simulator_of(tmp_path, "--lock-seconds", "3") as simulator:
        with bridge_of(simulator, pubsub, tmp_path) as bridge:
            wait_until(lambda: simulator.completed() > 500)
            bridge.end(signal.SIGKILL)
        with bridge_of(simulator, pubsub, tmp_path) as bridge:
            messages = pubsub.pull(COUNT)
            wait_until(lambda: simulator.completed() == COUNT)
    assert ids_of(messages) == ids
    # At most what was in flight when it was killed.
    assert len(messages) - COUNT <= MAX_MESSAGES


@pytest.mark.promise(
    part="bridge",
    fault="Pub/Sub does not answer",
    happens="messages stay on the queue, locks of those in flight are renewed",
    lost="0",
    doubled="0",
    recovery="within 2 s of its return",
    sees=(
        "`publish failed; trying again` in the log, `publish_failures` among "
        "the metrics"
    ),
)
def test_pubsub_stopped_in_mid_run(
    pubsub: PubSub, many_ids: set[str], tmp_path: Path
) -> None:
    with (
        simulator_of(tmp_path) as simulator,
        bridge_of(simulator, pubsub, tmp_path) as bridge,
    ):
        wait_until(lambda: simulator.completed() > 500)
        pubsub.stop()
        wait_until(lambda: bridge.logged("publish failed; trying again"))
        # Two batches; the queue has more of them.
        wait_until(lambda: bridge.metric("in_hand") == MAX_MESSAGES)
        time.sleep(2)  # the outage itself
        assert bridge.metric("in_hand") == MAX_MESSAGES
        assert bridge.get("/healthz")[0] == 200
        pubsub.start()
        messages = pubsub.pull(MANY)
        wait_until(lambda: simulator.completed() == MANY)
        assert simulator.stats()["queue"]["abandoned"] == 0
    assert ids_of(messages) == many_ids


def test_large_messages_are_received_while_others_wait_for_pubsub(
    pubsub: PubSub, tmp_path: Path
) -> None:
    size_bytes, count = 60_000, 600
    ids = write_samples(tmp_path / "samples", count, size_bytes)
    with (
        simulator_of(tmp_path) as simulator,
        bridge_of(simulator, pubsub, tmp_path) as bridge,
    ):
        wait_until(lambda: simulator.completed() > 100)
        pubsub.stop()
        # More than one batch, and no more than fits.
        wait_until(lambda: bridge.metric("in_hand") * size_bytes > MAX_BATCH_BYTES)
        wait_until(lambda: bridge.logged("publish failed; trying again"))
        assert bridge.metric("in_hand") * size_bytes <= MAX_BYTES
        pubsub.start()
        messages = pubsub.pull(count)
        wait_until(lambda: simulator.completed() == count)
        assert simulator.stats()["queue"]["abandoned"] == 0
    assert ids_of(messages) == ids


@pytest.mark.promise(
    part="bridge",
    fault="Pub/Sub is frozen for longer than a lock",
    happens="locks are renewed",
    lost="0",
    doubled="0",
    recovery="at once",
    sees="`renewed` among the metrics",
)
def test_a_slow_pubsub_is_outlasted_by_renewing_locks(
    pubsub: PubSub, ids: set[str], tmp_path: Path
) -> None:
    with (
        simulator_of(tmp_path, "--lock-seconds", "10") as simulator,
        bridge_of(simulator, pubsub, tmp_path) as bridge,
    ):
        wait_until(lambda: simulator.completed() > 500)
        with frozen(pubsub.process.pid):
            time.sleep(12)  # more than a lock
        messages = pubsub.pull(COUNT)
        wait_until(lambda: simulator.completed() == COUNT)
        assert bridge.metric("renewed_total") > 0
        assert bridge.metric("lock_lost_total") == 0
        assert simulator.stats()["queue"]["lock_expired"] == 0
    assert ids_of(messages) == ids
    assert len(messages) == COUNT


@pytest.mark.promise(
    part="bridge",
    fault="the connection to IRIS is cut, or closed by IRIS",
    happens="a new session; messages in flight are completed in it",
    lost="0",
    doubled="0",
    recovery="some seconds; longer outages: every 30 s at most",
    sees="`session failed; opening a new one` with the reason",
)
def test_links_lost_in_mid_run(pubsub: PubSub, ids: set[str], tmp_path: Path) -> None:
    with (
        simulator_of(tmp_path) as simulator,
        bridge_of(simulator, pubsub, tmp_path) as bridge,
    ):
        for fault in ("/drop", "/detach", "/close"):
            floor = simulator.completed() + 300
            wait_until(lambda n=floor: simulator.completed() > n)
            simulator.control(fault)
            wait_until(lambda n=floor: simulator.completed() > n + 300)
            # Hundreds of completes were in flight: none may open a link of its own. The
            # one connection may not be back yet: some were done before the fault.
            wait_until(lambda: simulator.stats()["connections"] == 1)
        messages = pubsub.pull(COUNT)
        wait_until(lambda: simulator.completed() == COUNT)
        wait_until(lambda: bridge.metric("in_hand") == 0)
        assert bridge.metric("sessions_total") == 4
        # What is on its way as the wire is cut comes when its lock has ended; what came
        # is published once.
        assert bridge.metric("published_total") == COUNT
        assert bridge.metric("lock_lost_total") == 0
    assert ids_of(messages) == ids
    assert len(messages) == COUNT


@pytest.mark.promise(
    part="bridge",
    fault="IRIS accepts and answers nothing",
    happens="each call ends after 3 to 20 s, then a new session",
    lost="0",
    doubled="what was in flight may come again: counted as duplicates",
    recovery="at once",
    sees="`/healthz` answers 503 without a session",
)
def test_a_mute_queue_in_mid_run(pubsub: PubSub, ids: set[str], tmp_path: Path) -> None:
    with (
        simulator_of(tmp_path) as simulator,
        bridge_of(simulator, pubsub, tmp_path),
    ):
        wait_until(lambda: simulator.completed() > 500)
        simulator.control("/set?mute=true")
        time.sleep(4)  # longer than completes may take
        simulator.control("/set?mute=false")
        messages = pubsub.pull(COUNT)
        wait_until(lambda: simulator.completed() == COUNT)
    assert ids_of(messages) == ids


@pytest.mark.promise(
    part="bridge",
    fault="IRIS answers nothing, with no message in flight (a connection died unseen)",
    happens=(
        "after 10 s without a message the queue is asked; without an answer, a new"
        " session"
    ),
    lost="0",
    doubled="0",
    recovery=(
        "a new session within 30 s; what IRIS sent on the dead connection comes after"
        " its lock of 60 s"
    ),
    sees="`/healthz` answers 503 without a session",
)
def test_a_mute_queue_without_a_message_in_flight(
    pubsub: PubSub, ids: set[str], tmp_path: Path
) -> None:
    with (
        simulator_of(tmp_path, "--lock-seconds", "10") as simulator,
        bridge_of(simulator, pubsub, tmp_path) as bridge,
    ):
        assert ids_of(pubsub.pull(COUNT)) == ids
        wait_until(lambda: simulator.completed() == COUNT)
        failures = bridge.metric("session_failures_total")
        simulator.control("/set?mute=true")
        simulator.put(b"[{}]", "FREQ_202605080003_1.json", "FREQ")
        wait_until(lambda: bridge.metric("session_failures_total") > failures)
        wait_until(lambda: bridge.get("/healthz")[0] == 503)
        simulator.control("/set?mute=false")
        assert ids_of(pubsub.pull(1)) == {"FREQ_202605080003_1.json"}


@pytest.mark.promise(
    part="bridge",
    fault="SIGTERM, a new version",
    happens="what is in flight is published and completed",
    lost="0",
    doubled="0",
    recovery="the next start",
    sees="exit code 0 within 15 s",
)
def test_sigterm_in_mid_run_leaves_nothing_locked(
    pubsub: PubSub, ids: set[str], tmp_path: Path
) -> None:
    with simulator_of(tmp_path) as simulator:
        with bridge_of(simulator, pubsub, tmp_path) as bridge:
            wait_until(lambda: simulator.completed() > 500)
            assert bridge.end() == 0
        queue = simulator.stats()["queue"]
        assert queue["locked"] == 0
        assert 500 < queue["completed"] < COUNT
        assert len(pubsub.pull(queue["completed"])) == queue["completed"]


def test_sigterm_while_pubsub_is_still_completes_nothing_that_it_lacks(
    pubsub: PubSub, many_ids: set[str], tmp_path: Path
) -> None:
    with simulator_of(tmp_path, "--lock-seconds", "3") as simulator:
        with bridge_of(simulator, pubsub, tmp_path) as bridge:
            wait_until(lambda: simulator.completed() > 200)
            with frozen(pubsub.process.pid):
                # Answers that were on their way have come once it is full and nothing
                # moves.
                wait_until(lambda: bridge.metric("in_hand") == MAX_MESSAGES)
                wait_until(lambda: is_still(lambda: simulator.completed()))
                assert bridge.end() == 0
            assert bridge.logged(
                "stopped with messages in flight; the queue delivers them again"
            )
        with bridge_of(simulator, pubsub, tmp_path):
            messages = pubsub.pull(MANY)
    assert ids_of(messages) == many_ids
