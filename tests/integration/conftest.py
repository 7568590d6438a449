"""A Pub/Sub with a topic, for tests of what publishes to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import PubSub, pubsub_with_topic


@pytest.fixture
def pubsub(tmp_path: Path) -> Iterator[PubSub]:
    """One that is the test's own."""
    with pubsub_with_topic(tmp_path / "pubsub") as server:
        yield server


@pytest.fixture(scope="module")
def shared_pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    """One for all tests of a file: each takes the messages that it has sent."""
    with pubsub_with_topic(tmp_path_factory.mktemp("pubsub")) as server:
        yield server
