"""Servers for one test alone, which it may kill and stop."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.faults.story_fixture import COUNT, Story
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import PubsubServer, pubsub_server


@pytest.fixture
def dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> str:
    """A dataset with the table of FREQ, and the tables shared by all datasets."""
    name = own_dataset(client, request)
    apply_tables(client, name, list(all_tables(registry_of("FREQ"))), "EU")
    return name


@pytest.fixture
def pubsub(tmp_path: Path) -> Iterator[PubsubServer]:
    """An embedded Pub/Sub."""
    with pubsub_server("embedded", tmp_path / "pubsub") as server:
        yield server


@pytest.fixture
def story(
    client: bigquery.Client,
    dataset: str,
    pubsub: PubsubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Story]:
    """A story of `MESSAGES` messages, if the module has a number."""
    count = getattr(request.module, "MESSAGES", COUNT)
    apply_views(client, dataset, registry_of("FREQ"))
    story = Story(client, dataset, pubsub, tmp_path, monkeypatch, count)
    yield story
    story.end()
