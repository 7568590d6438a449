"""Two bridges at one queue: the messages are shared out, and the first one says so."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from bridge.sharing import PROOF_MESSAGES
from tests.integration.bridge_fixture import (
    Bridge,
    PubSub,
    Simulator,
    bridge_of,
    running,
    wait_until,
    write_samples,
)

pytestmark = pytest.mark.integration

LOCK_SECONDS = 1.0
RATE = 300
MESSAGES = 12_000
NOTICE = "another client takes messages from this queue"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder, MESSAGES)
    return folder


def feed(samples: Path, *options: str) -> Simulator:
    pace = ("--rate", str(RATE), "--lock-seconds", str(LOCK_SECONDS))
    return Simulator("--samples", str(samples), *pace, *options)


def health(bridge: Bridge) -> dict[str, Any]:
    return json.loads(bridge.get("/healthz")[1])


def noticed(bridge: Bridge) -> list[dict[str, Any]]:
    return [line for line in bridge.lines if line["message"].startswith(NOTICE)]


def read_until(simulator: Simulator, count: int) -> None:
    wait_until(lambda: simulator.stats()["queue"]["completed"] >= count)


def folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def test_a_second_bridge_is_noticed_and_told_and_its_end_too(
    pubsub: PubSub, samples: Path, tmp_path: Path
) -> None:
    with (
        running(feed(samples)) as simulator,
        bridge_of(simulator, pubsub, folder(tmp_path / "first")) as first,
    ):
        read_until(simulator, PROOF_MESSAGES + 500)
        assert not health(first)["queue_shared"]
        with bridge_of(simulator, pubsub, folder(tmp_path / "second")) as second:
            notice = wait_until(lambda: noticed(first))[0]
            assert notice["level"] == "warning"
            assert "stop the other client" in notice["message"]
            assert health(first)["queue_shared"]
            assert first.get("/healthz")[0] == 200
            assert first.metric("queue_shared") == 1
            assert second.end() == 0
        wait_until(lambda: not health(first)["queue_shared"])
        assert len(noticed(first)) == 1


def test_a_single_bridge_never_says_it_through_faults_and_restarts(
    pubsub: PubSub, samples: Path, tmp_path: Path
) -> None:
    place = folder(tmp_path / "bridge")
    with running(feed(samples)) as simulator:
        with bridge_of(simulator, pubsub, place) as bridge:
            read_until(simulator, PROOF_MESSAGES + 500)
            for fault in ("/drop", "/detach", "/close", "/drop"):
                simulator.control(fault)
                done = simulator.stats()["queue"]["completed"]
                read_until(simulator, done + 200)
            assert noticed(bridge) == []
            assert bridge.end() == 0  # its state says that the queue is gapless
        assert json.loads((place / ".gb-iris/bridge-state.json").read_text())[
            "is_gapless"
        ]
        for number in (signal.SIGKILL, signal.SIGTERM):
            with bridge_of(simulator, pubsub, place) as bridge:
                done = simulator.stats()["queue"]["completed"]
                read_until(simulator, done + 1_000)
                assert noticed(bridge) == []
                assert not health(bridge)["queue_shared"]
                bridge.end(number)


def test_a_queue_that_is_numbered_with_gaps_is_no_reason(
    pubsub: PubSub, samples: Path, tmp_path: Path
) -> None:
    with running(feed(samples)) as simulator:
        simulator.control("/set?number_step=3")
        with bridge_of(simulator, pubsub, folder(tmp_path / "bridge")) as bridge:
            read_until(simulator, PROOF_MESSAGES + 1_500)
            assert noticed(bridge) == []
            assert not health(bridge)["queue_shared"]


def test_a_queue_that_refuses_a_second_client_is_told_in_the_same_words(
    pubsub: PubSub, samples: Path, tmp_path: Path
) -> None:
    with (
        running(feed(samples)) as simulator,
        bridge_of(simulator, pubsub, folder(tmp_path / "first")) as first,
    ):
        wait_until(lambda: first.logged("session opened"))
        simulator.control("/set?one_client=true")
        with bridge_of(simulator, pubsub, folder(tmp_path / "second")) as second:
            failed = wait_until(
                lambda: second.logged("session failed; opening a new one")
            )
            assert "stop the other client" in failed["advice"]
            assert second.get("/healthz")[0] == 503
