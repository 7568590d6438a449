"""A bridge whose clock differs from the queue's: it completes every message.

The simulator's clock is shifted, and the bridge has that of this machine.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import (
    PubSub,
    Simulator,
    bridge_of,
    running,
    wait_until,
    write_samples,
)

pytestmark = pytest.mark.faults

COUNT = 600
DAY_SECONDS = 86_400


@pytest.fixture
def pubsub(tmp_path: Path) -> Iterator[PubSub]:
    with running(PubSub(tmp_path / "pubsub")) as server:
        server.create_topic()
        yield server


@pytest.fixture
def ids(tmp_path: Path) -> set[str]:
    return write_samples(tmp_path / "samples", COUNT)


@pytest.fixture
def simulator(ids: set[str], tmp_path: Path) -> Iterator[Simulator]:
    samples = str(tmp_path / "samples")
    with running(Simulator("--samples", samples, "--rate", "300")) as server:
        yield server


def all_is_completed_once(simulator: Simulator, pubsub: PubSub, ids: set[str]) -> None:
    messages = pubsub.pull(COUNT)
    wait_until(lambda: simulator.stats()["queue"]["completed"] == COUNT)
    assert {each.attributes["message_id"] for each in messages} == ids
    assert len(messages) == COUNT
    assert simulator.stats()["dead_letter_queue"]["ready"] == 0


@pytest.mark.promise(
    part="bridge",
    fault="the clock is ahead, by minutes or days",
    happens="ends of locks are moved to this clock, and the queue decides",
    lost="0",
    doubled="0",
    recovery="no outage",
    sees=(
        "`this machine's clock is about N s ahead of the queue's`, "
        "`clock_ahead_seconds` in `/healthz`; `bridge --check` says it"
    ),
)
@pytest.mark.parametrize("ahead_seconds", [120, 4 * DAY_SECONDS])
def test_with_a_clock_that_is_ahead_each_message_is_published_and_completed_once(
    simulator: Simulator,
    pubsub: PubSub,
    ids: set[str],
    tmp_path: Path,
    ahead_seconds: float,
) -> None:
    simulator.control(f"/set?clock_seconds={-ahead_seconds}")
    with bridge_of(simulator, pubsub, tmp_path) as bridge:
        all_is_completed_once(simulator, pubsub, ids)
        assert bridge.metric("lock_lost_total") == 0
        said = [x["message"] for x in bridge.lines if x["level"] == "warning"]
        assert len(said) == 1
        assert said[0].startswith("this machine's clock is about ")
        assert abs(bridge.metric("clock_ahead_seconds") - ahead_seconds) < 60
        assert bridge.get("/healthz")[0] == 200


@pytest.mark.promise(
    part="bridge",
    fault="the clock jumps ahead and back",
    happens="nothing",
    lost="0",
    doubled="0",
    recovery="no outage",
    sees="the same, until it is right",
)
def test_a_clock_that_jumps_ahead_and_back_in_mid_run_costs_nothing(
    simulator: Simulator, pubsub: PubSub, ids: set[str], tmp_path: Path
) -> None:
    with bridge_of(simulator, pubsub, tmp_path) as bridge:
        all_is_completed_once(simulator, pubsub, ids)
        for count, clock_seconds in ((COUNT + 1, -300), (COUNT + 2, 0)):
            simulator.control(f"/set?clock_seconds={clock_seconds}")
            simulator.put(b"[]", f"FREQ_202605080002_{count}.json", "FREQ")
            wait_until(lambda n=count: simulator.completed() == n)
            is_ahead = clock_seconds < 0
            assert (bridge.metric("clock_ahead_seconds") > 0) == is_ahead
        assert len(pubsub.pull(2)) == 2
        assert bridge.metric("lock_lost_total") == 0


def test_locks_are_renewed_while_pubsub_is_away_with_a_clock_that_is_ahead(
    simulator: Simulator, pubsub: PubSub, ids: set[str], tmp_path: Path
) -> None:
    """A lock is renewed after half of its minute."""
    simulator.control("/set?clock_seconds=-300")
    pubsub.stop()
    with bridge_of(simulator, pubsub, tmp_path) as bridge:
        wait_until(lambda: bridge.metric("renewed_total") > 0)
        pubsub.start()
        all_is_completed_once(simulator, pubsub, ids)
        assert bridge.metric("lock_lost_total") == 0


@pytest.mark.promise(
    part="bridge",
    fault="the clock is behind",
    happens="nothing",
    lost="0",
    doubled="0",
    recovery="no outage",
    sees="`bridge --check` says it",
)
def test_with_a_clock_that_is_behind_each_message_is_published_and_completed_once(
    simulator: Simulator, pubsub: PubSub, ids: set[str], tmp_path: Path
) -> None:
    simulator.control("/set?clock_seconds=120")
    with bridge_of(simulator, pubsub, tmp_path):
        all_is_completed_once(simulator, pubsub, ids)
