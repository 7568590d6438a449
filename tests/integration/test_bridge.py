"""The bridge between a real queue and a real Pub/Sub, as a process of its own."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import (
    CLEAN,
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
def pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    with running(PubSub(tmp_path_factory.mktemp("pubsub"))) as server:
        server.create_topic()
        yield server


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running(Simulator("--samples", str(SAMPLES))) as server:
        yield server


@pytest.fixture(scope="module")
def bridge(
    simulator: Simulator, pubsub: PubSub, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bridge]:
    with bridge_of(simulator, pubsub, tmp_path_factory.mktemp("bridge")) as process:
        yield process


def test_every_message_arrives_as_it_was(bridge: Bridge, pubsub: PubSub) -> None:
    files = {path.name: path for path in SAMPLES.glob("*/*.json")}
    messages = pubsub.pull(len(files))
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
    bridge: Bridge, simulator: Simulator, pubsub: PubSub
) -> None:
    simulator.put(b"[1]", None, None)
    simulator.put(b"[2]", "n" * 3_000, "../../etc/passwd")
    messages = {one.data: dict(one.attributes) for one in pubsub.pull(2)}
    assert messages[b"[1]"]["dataset"] == "unknown"
    assert messages[b"[1]"]["message_id"].startswith("unknown_")
    assert len(messages[b"[2]"]["message_id"]) == 1_024
    assert messages[b"[2]"]["dataset"] == "../../etc/passwd"


def test_a_large_message_arrives_gzipped(
    bridge: Bridge, simulator: Simulator, pubsub: PubSub
) -> None:
    body = b"[" + b"1," * 5_500_000 + b"1]"
    simulator.put(body, "large", "UOU2T3YW")
    (message,) = pubsub.pull(1)
    assert message.attributes["content_encoding"] == "gzip"
    assert gzip.decompress(message.data) == body


def test_what_can_never_be_published_is_dead_lettered_with_a_reason(
    bridge: Bridge, simulator: Simulator, pubsub: PubSub
) -> None:
    simulator.put(b"", "empty", "FREQ")
    simulator.put(os.urandom(10_000_000), "noise", "FREQ")
    simulator.put(b"[3]", "after", "FREQ")
    (message,) = pubsub.pull(1)
    assert message.attributes["message_id"] == "after"
    wait_until(lambda: bridge.metric("queue_dead_lettered_total") == 2)
    assert simulator.stats()["dead_letter_queue"]["ready"] == 2
    reasons = {
        line["message_id"]: line["reason"]
        for line in bridge.lines
        if line["message"] == "message dead-lettered on the queue"
    }
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
    pubsub: PubSub, tmp_path: Path
) -> None:
    count = 1_000
    ids = write_samples(tmp_path / "samples", count, size_bytes=60_000)
    with (
        running(Simulator("--samples", str(tmp_path / "samples"))) as simulator,
        bridge_of(simulator, pubsub, tmp_path) as bridge,
    ):
        messages = pubsub.pull(count)
        assert {message.attributes["message_id"] for message in messages} == ids
        assert bridge.peak_bytes() < MAX_RSS_BYTES


def test_a_queue_that_turns_it_away_makes_it_unhealthy_until_it_opens(
    simulator: Simulator, pubsub: PubSub, tmp_path: Path
) -> None:
    simulator.control("/set?refuse=true")
    with bridge_of(simulator, pubsub, tmp_path) as bridge:
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


def command(folder: Path, *arguments: str, **settings: str) -> tuple[int, str, str]:
    """Runs the bridge to its end: exit code, output, errors."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=folder,
        env=CLEAN | {"PYTHONPATH": str(ROOT), "PUBSUB_TOPIC": TOPIC} | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_check_says_what_works(
    simulator: Simulator, pubsub: PubSub, tmp_path: Path
) -> None:
    code, output, _ = command(
        tmp_path,
        "--check",
        IRIS_CONNECTION_STRING=simulator.ready["connection_string"],
        PUBSUB_EMULATOR_HOST=pubsub.host,
    )
    assert [line.split(",")[0] for line in output.splitlines()] == [
        "credentials: ok",
        "queue: ok",
        "topic: ok",
    ]
    assert code == 0


def test_check_says_what_does_not_work_and_what_to_do(
    pubsub: PubSub, tmp_path: Path
) -> None:
    code, output, _ = command(
        tmp_path,
        "--check",
        IRIS_CLIENT_ID="client",
        IRIS_CLIENT_SECRET="a-secret-not-to-be-shown",
        IRIS_QUEUE_NAME="iris.0001",
        # Not a real name: nothing may leave this machine.
        IRIS_NAMESPACE="iris.invalid",
        HTTPS_PROXY="http://127.0.0.1:1",
        PUBSUB_TOPIC="projects/local/topics/missing",
        PUBSUB_EMULATOR_HOST=pubsub.host,
    )
    credentials, queue, topic = output.splitlines()
    assert credentials.startswith("credentials: FAILED")
    assert queue.startswith("queue: FAILED")
    assert topic.startswith("topic: FAILED")
    assert "gcloud pubsub topics create projects/local/topics/missing" in topic
    assert "a-secret" not in output
    assert code == 1
