"""A secret that expires while the bridge runs: messages wait, nothing is lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import (
    TOPIC,
    Bridge,
    PubSub,
    pubsub_with_topic,
    wait_until,
    write_samples,
)
from tests.integration.entra_fixture import SECRET, LiveIris, live_iris

pytestmark = pytest.mark.faults

RENEWED = "fFy8Q~renewed.secret"


@pytest.fixture
def first(tmp_path: Path) -> set[str]:
    """The messages that come before the secret expires."""
    return write_samples(tmp_path / "samples", 2)


@pytest.fixture
def iris(first: set[str], tmp_path: Path) -> Iterator[LiveIris]:
    with live_iris(tmp_path, "--samples", str(tmp_path / "samples")) as iris:
        yield iris


@pytest.fixture
def pubsub(tmp_path: Path) -> Iterator[PubSub]:
    with pubsub_with_topic(tmp_path / "pubsub") as server:
        yield server


def put(iris: LiveIris, *names: str) -> None:
    for name in names:
        iris.queue.put(json.dumps([{"id": name}]).encode(), name, "FREQ")


def bridge_with(iris: LiveIris, pubsub: PubSub, folder: Path, secret: str) -> Bridge:
    settings = iris.settings | {"IRIS_CLIENT_SECRET": secret}
    return Bridge(
        folder, **settings, PUBSUB_TOPIC=TOPIC, PUBSUB_EMULATOR_HOST=pubsub.host
    )


@pytest.mark.promise(
    part="cloud",
    fault="the secret expires while the bridge runs",
    happens=(
        "the session goes on until the queue ends it; then messages wait on the queue, "
        "for 3 days"
    ),
    lost="0",
    doubled="0",
    recovery="a new secret, and a start of the bridge",
    sees=(
        "warnings from 30 days before; `IRIS_CLIENT_SECRET has expired` in the log, "
        "`/healthz` answers 503"
    ),
)
def test_messages_wait_for_a_new_secret(
    iris: LiveIris, first: set[str], pubsub: PubSub, tmp_path: Path
) -> None:
    old = bridge_with(iris, pubsub, tmp_path, SECRET)
    try:
        wait_until(lambda: old.metric("completed_total") == 2)
        iris.renew(RENEWED)
        put(iris, "c")  # the session is still that of before
        wait_until(lambda: old.metric("completed_total") == 3)
        iris.queue.control("/drop")
        refused = wait_until(lambda: old.logged("session failed; opening a new one"))
        put(iris, "d", "e")
        advice = wait_until(lambda: expired(old))
        assert advice.startswith("IRIS_CLIENT_SECRET has expired: create a new one")
        assert old.get("/healthz")[0] == 503
        assert old.process.poll() is None
    finally:
        code = old.end()
    assert (code, bool(refused)) == (0, True)
    new = bridge_with(iris, pubsub, tmp_path, RENEWED)
    try:
        messages = pubsub.pull(5)
        wait_until(lambda: iris.queue.stats()["queue"]["completed"] == 5)
    finally:
        assert new.end() == 0
    names = [each.attributes["message_id"] for each in messages]
    assert sorted(names) == sorted([*first, "c", "d", "e"])


def expired(bridge: Bridge) -> str | None:
    """The advice of a line that says that the secret has expired."""
    told = [str(line.get("advice")) for line in bridge.lines if "advice" in line]
    return next((text for text in told if "expired" in text), None)
