"""A message that a stream on Dataflow refuses becomes rows by a replay and a drain."""

import gzip
import json

import pytest

from bridge.__main__ import main as bridge
from pipeline import subscription
from pipeline.bigquery.inserts import Insert
from pipeline.bigquery.warehouse import Warehouse
from pipeline.command import main as pipeline
from pipeline.core import decoding
from pipeline.core.batches import dead_letter_row
from pipeline.core.decoding import Message, decode, utc_now
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, pubsub_server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

PROJECT, NAME = "gb-iris", "FREQ_202605080300_1.json"
COUNT = 50


@pytest.fixture
def dataset(client, request):
    name = own_dataset(client, request)
    registry = registry_of("FREQ")
    apply_tables(client, name, list(all_tables(registry)), "EU")
    assert apply_views(client, name, registry).conflicts == []
    return name


@pytest.fixture
def clients(tmp_path, monkeypatch):
    with (
        pubsub_server("embedded", tmp_path) as server,
        Clients(server.host, monkeypatch) as clients,
    ):
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        monkeypatch.setattr(subscription, "EMPTY_SECONDS", 0.5)
        yield clients


def message(attributes):
    records = [
        {
            "dataset": "FREQ",
            "measurementTime": f"2026-05-08T00:00:{second:02}Z",
            "frequency": 50.0,
        }
        for second in range(COUNT)
    ]
    return Message(gzip.compress(json.dumps(records).encode()), attributes)


def held_by_a_stream(dataset, message):
    """Writes what a stream on Dataflow writes of a message that is too large."""
    now = utc_now()
    decoded = decode(message, now, refuse_large=True)
    (letter,) = decoded.dead_letters
    row = dead_letter_row(decoded.dataset, message.attributes, letter, now)
    insert = Warehouse(PROJECT, dataset).insert
    rows = {"iris_dead_letters": [Insert(row.insert_id, row.values)]}
    assert insert(rows) == {"iris_dead_letters": []}


def states(client, dataset):
    sql = f"SELECT state, attempt FROM {dataset}.iris_held"
    return [tuple(row.values()) for row in client.query_and_wait(sql)]


def test_it_becomes_rows_by_a_replay_and_a_drain(
    client, dataset, clients, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)  # no .env
    monkeypatch.setattr(decoding, "MAX_SERVICE_BYTES", 1_000)
    topic = clients.topic()
    name = clients.subscription(topic)
    monkeypatch.setenv("PUBSUB_TOPIC", topic)
    replay = ["replay", f"--project={PROJECT}", f"--dataset={dataset}"]
    named = [*replay, "--reason=TOO_LARGE_FOR_SERVICE"]
    attributes = {"dataset": "FREQ", "message_id": NAME, "content_encoding": "gzip"}
    held_by_a_stream(dataset, message(attributes))
    assert states(client, dataset) == [("WAITING", 1)]

    assert bridge(replay) == 0
    assert "1 are too large for a stream on Dataflow" in capsys.readouterr().out
    assert clients.nothing_left(name)

    # By mistake, to the topic that the stream reads: it is held again.
    assert bridge(named) == 0
    (received,) = clients.pull_until(name, 1)
    clients.acknowledge(name, [received])
    again = Message(received.message.data, dict(received.message.attributes))
    held_by_a_stream(dataset, again)
    assert states(client, dataset) == [("FAILED_AGAIN", 2)]

    assert bridge(named) == 0
    drain = [f"--subscription={name}", "--drain", f"--project={PROJECT}"]
    assert pipeline([*drain, f"--dataset={dataset}"]) == 0
    (row,) = client.query_and_wait(
        "SELECT COUNT(*) AS n, COUNT(DISTINCT record_id) AS different, "
        f"ANY_VALUE(message_id) AS name FROM {dataset}.bmrs_freq_iris"
    )
    assert tuple(row.values()) == (COUNT, COUNT, NAME)
    assert [state for state, _ in states(client, dataset)] == ["ROW"]
