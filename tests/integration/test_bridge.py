"""The bridge between a real queue and a real Pub/Sub, as a process of its own."""

import gzip
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import (
    ROOT,
    TOPIC,
    Bridge,
    PubSub,
    Simulator,
    bridge_of,
    running,
    wait_until,
    write_samples,
)

pytestmark = pytest.mark.integration

SAMPLES = ROOT / "local" / "samples"
MAX_RSS_BYTES = 150_000_000


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running(Simulator("--samples", str(SAMPLES))) as server:
        yield server


@pytest.fixture(scope="module")
def bridge(
    simulator: Simulator,
    shared_pubsub: PubSub,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bridge]:
    with bridge_of(
        simulator, shared_pubsub, tmp_path_factory.mktemp("bridge")
    ) as process:
        yield process


def test_every_message_arrives_as_it_was(bridge: Bridge, shared_pubsub: PubSub) -> None:
    files = {path.name: path for path in SAMPLES.glob("*/*.json")}
    messages = shared_pubsub.pull(len(files))
    assert len(messages) == len(files)
    for message in messages:
        path = files[message.attributes["message_id"]]
        assert json.loads(json.loads(message.data)) == json.loads(path.read_bytes())
        attributes = dict(message.attributes)
        assert attributes.pop("enqueued_time").endswith("Z")
        assert attributes == {
            "dataset": path.parent.name,
            "message_id": path.name,
            "publish_id": path.name,
            "delivery_count": "0",
            "source": "IRIS",
        }


def test_it_reports_that_it_is_healthy_and_what_it_did(
    bridge: Bridge, simulator: Simulator
) -> None:
    count = len(list(SAMPLES.glob("*/*.json")))
    wait_until(lambda: bridge.metric("completed_total") >= count)
    status, text = bridge.get("/healthz")
    assert (status, json.loads(text)["status"]) == (200, "ok")
    assert json.loads(text)["last_message"].endswith("Z")
    assert (
        'iris_bridge_received_total{dataset="FUELINST"} 1.0'
        in (bridge.get("/metrics")[1])
    )
    assert bridge.metric("published_total") >= count
    assert bridge.metric("last_message_timestamp_seconds") > 0
    assert simulator.stats()["queue"]["completed"] >= count


def test_messages_without_names_or_with_long_ones_arrive(
    bridge: Bridge, simulator: Simulator, shared_pubsub: PubSub
) -> None:
    simulator.put(b"[1]", None, None)
    simulator.put(b"[2]", "n" * 3_000, "../../etc/passwd")
    messages = {one.data: dict(one.attributes) for one in shared_pubsub.pull(2)}
    assert messages[b"[1]"]["dataset"] == "unknown"
    assert messages[b"[1]"]["message_id"].startswith("unknown_")
    assert len(messages[b"[2]"]["message_id"]) == 1_024
    assert messages[b"[2]"]["dataset"] == "../../etc/passwd"


def test_a_large_message_arrives_gzipped(
    bridge: Bridge, simulator: Simulator, shared_pubsub: PubSub
) -> None:
    body = b"[" + b"1," * 5_500_000 + b"1]"
    simulator.put(body, "large", "UOU2T3YW")
    (message,) = shared_pubsub.pull(1)
    assert message.attributes["content_encoding"] == "gzip"
    assert gzip.decompress(message.data) == body


def dead_lettered(bridge: Bridge, count: int) -> dict[str, str] | None:
    """The reasons that its log has, by message, once there are so many."""
    reasons = {
        line["message_id"]: line["reason"]
        for line in bridge.lines
        if line["message"] == "message dead-lettered on the queue"
    }
    return reasons if len(reasons) == count else None


def test_what_can_never_be_published_is_dead_lettered_with_a_reason(
    bridge: Bridge, simulator: Simulator, shared_pubsub: PubSub
) -> None:
    simulator.put(b"", "empty", "FREQ")
    simulator.put(os.urandom(10_000_000), "noise", "FREQ")
    simulator.put(b"[3]", "after", "FREQ")
    (message,) = shared_pubsub.pull(1)
    assert message.attributes["message_id"] == "after"
    wait_until(lambda: bridge.metric("queue_dead_lettered_total") == 2)
    assert simulator.stats()["dead_letter_queue"]["ready"] == 2
    # Its log is read in a thread of this process, which may be behind the metric.
    reasons = wait_until(lambda: dead_lettered(bridge, 2))
    assert reasons["empty"] == "empty body"
    assert "gzipped" in reasons["noise"]


def test_sigterm_ends_it_with_nothing_left_locked(
    bridge: Bridge, simulator: Simulator
) -> None:
    assert bridge.end() == 0
    assert bridge.logged("bridge stopped")
    queue = simulator.stats()["queue"]
    assert (queue["ready"], queue["locked"]) == (0, 0)
    text = json.dumps(bridge.lines)
    assert "SharedAccessKey" not in text


def test_full_batches_of_60_kb_stay_within_memory(
    shared_pubsub: PubSub, tmp_path: Path
) -> None:
    count = 1_000
    ids = write_samples(tmp_path / "samples", count, size_bytes=60_000)
    with (
        running(Simulator("--samples", str(tmp_path / "samples"))) as simulator,
        bridge_of(simulator, shared_pubsub, tmp_path) as bridge,
    ):
        messages = shared_pubsub.pull(count)
        assert {message.attributes["message_id"] for message in messages} == ids
        assert bridge.peak_bytes() < MAX_RSS_BYTES


def test_a_queue_that_turns_it_away_makes_it_unhealthy_until_it_opens(
    simulator: Simulator, shared_pubsub: PubSub, tmp_path: Path
) -> None:
    simulator.control("/set?refuse=true")
    with bridge_of(simulator, shared_pubsub, tmp_path) as bridge:
        failed = wait_until(lambda: bridge.logged("session failed; opening a new one"))
        assert failed["advice"]
        status, text = bridge.get("/healthz")
        assert status == 503
        assert "no session" in json.loads(text)["reason"]
        assert json.loads(text)["last_error"]
        simulator.control("/set?refuse=false")
        wait_until(lambda: bridge.get("/healthz")[0] == 200)
        assert bridge.end() == 0


def test_a_missing_topic_is_reported_and_messages_are_kept_until_it_exists(
    simulator: Simulator, tmp_path: Path
) -> None:
    with (
        running(PubSub(tmp_path)) as empty,
        bridge_of(simulator, empty, tmp_path) as bridge,
    ):
        simulator.put(b"[1]", "held", "FREQ")
        failed = wait_until(lambda: bridge.logged("publish failed; trying again"))
        assert f"gcloud pubsub topics create {TOPIC}" in failed["advice"]
        assert bridge.metric("in_hand") == 1
        empty.create_topic()
        (message,) = empty.pull(1)
        assert message.attributes["message_id"] == "held"
        wait_until(lambda: bridge.metric("completed_total") == 1)


def test_a_queue_that_refuses_it_is_never_an_open_session(
    simulator: Simulator, shared_pubsub: PubSub, tmp_path: Path
) -> None:
    bridge = Bridge(
        tmp_path,
        IRIS_CONNECTION_STRING=simulator.ready["connection_string"],
        IRIS_QUEUE_NAME="another",
        PUBSUB_TOPIC=TOPIC,
        PUBSUB_EMULATOR_HOST=shared_pubsub.host,
    )
    try:
        wait_until(lambda: bridge.metric("session_failures_total") > 1)
        status, text = bridge.get("/healthz")
        assert status == 503
        assert json.loads(text)["advice"].startswith("IRIS_QUEUE_NAME is wrong: ")
        assert bridge.metric("sessions_total") == 0
        assert not bridge.logged("session opened")
    finally:
        assert bridge.end() == 0


def test_a_second_signal_ends_it_at_once(simulator: Simulator, tmp_path: Path) -> None:
    with (
        running(PubSub(tmp_path)) as without_topic,
        bridge_of(simulator, without_topic, tmp_path) as bridge,
    ):
        simulator.put(b"[1]", "stuck", "FREQ")
        wait_until(lambda: bridge.metric("in_hand") == 1)
        bridge.process.send_signal(signal.SIGTERM)
        wait_until(lambda: bridge.logged("stopping"))
        assert bridge.end(signal.SIGINT) == 128 + signal.SIGINT
