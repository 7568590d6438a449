"""What the queue gave up is counted by the bridge, and published by a command."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusSubQueue

from tests.integration.bridge_fixture import (
    CLEAN,
    ROOT,
    TOPIC,
    PubSub,
    Simulator,
    bridge_of,
    running,
    wait_until,
    write_samples,
)

pytestmark = pytest.mark.integration

COUNT = 3


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    """A queue that gave up all of its messages, after one delivery."""
    write_samples(tmp_path / "samples", COUNT)
    options = ("--samples", str(tmp_path / "samples"), "--max-deliveries", "1")
    with running(Simulator(*options)) as server:
        with (
            ServiceBusClient.from_connection_string(
                server.ready["connection_string"]
            ) as client,
            client.get_queue_receiver(server.ready["queue"]) as receiver,
        ):
            while dead_letters(server) < COUNT:
                for message in receiver.receive_messages(COUNT, 1):
                    receiver.abandon_message(message)
        yield server


def dead_letters(simulator: Simulator) -> int:
    found = simulator.stats()["dead_letter_queue"]
    return int(found["ready"] + found["locked"])


def recover(
    simulator: Simulator, pubsub: PubSub, *options: str
) -> subprocess.CompletedProcess[str]:
    settings = {
        "IRIS_CONNECTION_STRING": simulator.ready["connection_string"],
        "PUBSUB_TOPIC": TOPIC,
        "PUBSUB_EMULATOR_HOST": pubsub.host,
    }
    return subprocess.run(
        [sys.executable, "-m", "bridge", "recover", *options],
        cwd=ROOT,
        env=CLEAN | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def test_they_are_published_and_leave_the_queue(
    simulator: Simulator, pubsub: PubSub
) -> None:
    listed = recover(simulator, pubsub, "--dry-run")
    assert listed.stdout.splitlines() == [
        "iris: 3 dead letters",
        "  FREQ: 3 (MaxDeliveryCountExceeded)",
    ]
    assert dead_letters(simulator) == COUNT
    done = recover(simulator, pubsub)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "iris: 3 published, 0 left\n"
    assert len(pubsub.pull(COUNT)) == COUNT
    assert dead_letters(simulator) == 0
    assert recover(simulator, pubsub).stdout == "iris: 0 published, 0 left\n"


def test_what_can_never_be_published_is_named_and_left(
    simulator: Simulator, pubsub: PubSub
) -> None:
    with ServiceBusClient.from_connection_string(
        simulator.ready["connection_string"]
    ) as client:
        simulator.put(b"", "an empty one", "FREQ")
        with client.get_queue_receiver(simulator.ready["queue"]) as receiver:
            for message in receiver.receive_messages(1, 10):
                receiver.dead_letter_message(message, reason="NotPublishable")
    wait_until(lambda: dead_letters(simulator) == COUNT + 1)
    done = recover(simulator, pubsub)
    assert done.returncode == 1
    assert done.stdout == "iris: 3 published, 1 left\n"
    assert done.stderr.startswith("an empty one: ")


def test_what_another_client_has_taken_is_left(
    simulator: Simulator, pubsub: PubSub
) -> None:
    queue, text = simulator.ready["queue"], simulator.ready["connection_string"]
    with (
        ServiceBusClient.from_connection_string(text) as client,
        client.get_queue_receiver(
            queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER
        ) as receiver,
    ):
        assert receiver.receive_messages(1, 10)
        done = recover(simulator, pubsub)
    assert (done.returncode, done.stdout) == (1, "iris: 2 published, 1 left\n")


def test_the_bridge_counts_them_in_its_health(
    simulator: Simulator, pubsub: PubSub, tmp_path: Path
) -> None:
    with bridge_of(simulator, pubsub, tmp_path) as bridge:
        line = wait_until(lambda: bridge.logged("the queue has dead letters"))
        assert line["dead_letters"] == COUNT
        assert json.loads(bridge.get("/healthz")[1])["dead_letters"] == COUNT
        assert bridge.metric("dead_letters") == COUNT


def test_a_queue_that_refuses_is_one_line(simulator: Simulator, pubsub: PubSub) -> None:
    simulator.control("/set?refuse=true")
    done = recover(simulator, pubsub)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
