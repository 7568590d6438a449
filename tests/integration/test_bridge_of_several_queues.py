"""One bridge for several queues of an account: each has its own session and counts."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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

NAMES = ("iris", "second", "gone")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bridge")


@pytest.fixture(scope="module")
def bridge(
    shared_pubsub: PubSub, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bridge]:
    """Of two queues that exist and one that does not; the feed fills the first."""
    samples = tmp_path_factory.mktemp("samples")
    write_samples(samples, 1)
    options = ("--samples", str(samples), "--queue", "iris,second")
    with running(Simulator(*options)) as queue:
        for name in NAMES[:2]:
            body = base64.b64encode(b"[]").decode()
            message = {"body": body, "message_id": f"of {name}", "subject": "FREQ"}
            queue.control(f"/put?queue={name}", message)
        queue.ready["queue"] = ",".join(NAMES)
        settings = {"IRIS_STATE_FILE": "state.json"}
        with bridge_of(queue, shared_pubsub, folder, **settings) as process:
            wait_until(lambda: process.metric("completed_total") >= 3)
            yield process


def report(bridge: Bridge) -> tuple[int, dict[str, Any]]:
    status, text = bridge.get("/healthz")
    return status, json.loads(text)


def test_messages_of_all_queues_are_published(
    bridge: Bridge, shared_pubsub: PubSub
) -> None:
    ids = {one.attributes["message_id"] for one in shared_pubsub.pull(3)}
    assert ids >= {"of iris", "of second"}


def test_a_queue_that_is_gone_costs_the_others_nothing(bridge: Bridge) -> None:
    status, found = report(bridge)
    assert (status, found["status"]) == (200, "degraded")
    assert found["reason"] == "not healthy: gone"
    reasons = {name: one["reason"] for name, one in found["queues"].items()}
    assert reasons == {
        "iris": None,
        "second": None,
        "gone": "no session with the IRIS queue",
    }


def test_every_metric_names_its_queue(bridge: Bridge) -> None:
    text = bridge.get("/metrics")[1]
    assert 'iris_bridge_completed_total{queue="iris"} 2.0' in text
    assert 'iris_bridge_completed_total{queue="second"} 1.0' in text
    assert 'iris_bridge_received_total{dataset="FREQ",queue="second"} 1.0' in text
    assert 'iris_bridge_healthy{queue="gone"} 0.0' in text
    assert text.count("\nprocess_resident_memory_bytes ") == 1


def test_a_line_of_the_log_names_its_queue(bridge: Bridge) -> None:
    opened = {x["queue"] for x in bridge.lines if x["message"] == "session opened"}
    assert opened == {"iris", "second"}
    failed = [x for x in bridge.lines if x["message"].startswith("session failed")]
    assert {line["queue"] for line in failed} == {"gone"}


def test_each_queue_has_its_own_state_file(bridge: Bridge, folder: Path) -> None:
    wait_until(lambda: len(list(folder.glob("state-*.json"))) >= 2)
    assert {path.name for path in folder.glob("state-*.json")} >= {
        "state-iris.json",
        "state-second.json",
    }
