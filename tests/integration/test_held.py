"""`iris_held`: one row for each thing that is held back, and what came of it."""

import base64
import json
import subprocess
import sys
import warnings

import pytest
from google.cloud import bigquery

from bridge.__main__ import main
from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.pubsub_fixture import running_pubsub, wide_clients

pytestmark = pytest.mark.integration

PROJECT = "gb-iris"
REGISTRY = Registry([load_registry()[name] for name in ("FREQ", "UOU2T14D")])
TOPIC = f"projects/{PROJECT}/topics/held"
SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/held"


@pytest.fixture(scope="module")
def pubsub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pubsub")
    with (
        running_pubsub("--port", "0", "--data", str(folder)) as (ready, _),
        wide_clients(ready["host"]) as (publisher, subscriber),
    ):
        publisher.create_topic(name=TOPIC)
        subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)
        yield ready["host"], subscriber


@pytest.fixture
def tables(client, request):
    """Fills the tables of a BigQuery dataset of the test's own; returns its name."""
    name = own_dataset(client, request)
    apply_tables(client, name, list(all_tables(REGISTRY)), "EU")
    assert apply_views(client, name, REGISTRY).conflicts == []

    def fill(**rows):
        for table, values in rows.items():
            place = f"{PROJECT}.{name}.{table}"
            job = bigquery.LoadJobConfig(schema=client.get_table(place).schema)
            client.load_table_from_json(values, place, job_config=job).result()
        return name

    return fill


def letter(name, record=None, attempt=1, replay_of=None, **values):
    """A dead letter: of the whole message, or of the record with this id."""
    attributes = {"message_id": f"m-{name}", "dataset": "FREQ", "source": "IRIS"}
    attributes |= {"replay_of": replay_of} if replay_of else {}
    return {
        "dead_letter_id": name,
        "failed_utc": f"2026-05-06T0{attempt}:00:00Z",
        "stage": "coerce",
        "reason": "WRONG_TYPE",
        "dataset": "FREQ",
        "message_id": f"m-{name}",
        "record_index": None if record is None else 0,
        "record_id": record or None,
        "payload": base64.b64encode(b"{}").decode(),
        "attributes": json.dumps(attributes),
        "attempt": attempt,
        **values,
    }


def unmapped(name, dataset, attempt=1):
    attributes = {"attempt": str(attempt), "replay_of": name} if attempt > 1 else {}
    return {
        "unmapped_id": name,
        "ingested_utc": f"2026-05-06T0{attempt}:00:00Z",
        "dataset": dataset,
        "message_id": f"m-{name}",
        "payload": base64.b64encode(b"[]").decode(),
        "attributes": json.dumps(attributes),
    }


def replayed(root, attempt=2):
    return {
        "root_id": root,
        "held_id": root,
        "publish_id": f"p-{root}-{attempt}",
        "replayed_utc": "2026-05-06T08:00:00Z",
        "attempt": attempt,
    }


def states(client, name):
    sql = f"SELECT root_id, held_id, state FROM {name}.iris_held"
    rows = client.query_and_wait(sql)
    found = {row.root_id: (row.held_id, row.state) for row in rows}
    assert len(found) == rows.total_rows
    return found


def test_what_came_of_records(client, tables):
    name = tables(
        iris_dead_letters=[
            letter("waits", "r1"),
            letter("twice", "r2"),
            letter("twice", "r2"),  # written again after a restart
            letter("sent", "r3"),
            letter("row", "r4"),
            letter("failed", "r5"),
            letter("failed-2", "r5", 2, "failed"),
            letter("sent-again", "r6"),
            letter("sent-again-2", "r6", 2, "sent-again"),
            letter("nan", ""),
            # The record could not even be opened when it came again.
            letter("odd", "r7"),
            letter("odd-2", None, 2, "odd", message_id="m-odd"),
        ],
        iris_replays=[
            *map(replayed, ("sent", "row", "failed", "sent-again", "odd")),
            replayed("sent-again", 3),
        ],
        # A message of which other records are rows says nothing of this one.
        bmrs_freq_iris=[
            {"record_id": "r4", "message_id": "m-row"},
            {"record_id": "other", "message_id": "m-waits"},
            {"record_id": "third", "message_id": "m-odd"},
        ],
    )
    assert states(client, name) == {
        "waits": ("waits", "WAITING"),
        "twice": ("twice", "WAITING"),
        "sent": ("sent", "REPLAYED"),
        "row": ("row", "ROW"),
        "failed": ("failed-2", "FAILED_AGAIN"),
        "sent-again": ("sent-again-2", "REPLAYED"),
        "nan": ("nan", "WAITING"),
        "odd": ("odd-2", "FAILED_AGAIN"),
    }


def test_a_record_that_a_load_job_did_not_take_is_no_whole_message(client, tables):
    """Its letter names the record, and not which one of the message it was."""
    name = tables(
        iris_dead_letters=[
            letter("waits", "r1", record_index=None),
            letter("row", "r2", record_index=None),
            letter("failed", "r3", record_index=None),
            letter("failed-2", "r3", 2, "failed"),
        ],
        iris_replays=[replayed("row"), replayed("failed")],
        bmrs_freq_iris=[
            {"record_id": "r2", "message_id": "m-row"},
            {"record_id": "other", "message_id": "m-waits"},
            {"record_id": "third", "message_id": "m-failed"},
        ],
    )
    assert states(client, name) == {
        "waits": ("waits", "WAITING"),
        "row": ("row", "ROW"),
        "failed": ("failed-2", "FAILED_AGAIN"),
    }


def test_what_came_of_whole_messages(client, tables):
    name = tables(
        iris_dead_letters=[
            letter("waits"),
            letter("row"),
            letter("opened"),
            # Two of its records failed by themselves, and one of those again.
            letter("part-1", "r1", 2, "opened"),
            letter("part-2", "r2", 2, "opened"),
            letter("part-2-2", "r2", 3, "part-2"),
            letter("unread", None, 2, "new-1", dataset="UOU2T14D"),
        ],
        iris_unmapped=[
            unmapped("new-1", "UOU2T14D"),
            unmapped("new-2", "UOU2T14D"),
            unmapped("new-3", "UOU2T14D"),
            unmapped("new-4", "UOU2T14D"),
            unmapped("new-4", "UOU2T14D", 2),
            unmapped("nobody", "NEW"),
        ],
        iris_replays=[
            *map(replayed, ("row", "opened", "new-1", "new-2", "new-3", "new-4")),
            replayed("part-2", 3),
        ],
        bmrs_freq_iris=[{"record_id": "x", "message_id": "m-row"}],
        bmrs_uou2t14d_iris=[{"record_id": "y", "message_id": "m-new-2"}],
    )
    assert states(client, name) == {
        "waits": ("waits", "WAITING"),
        "row": ("row", "ROW"),
        "opened": ("opened", "OPENED"),
        "part-1": ("part-1", "FAILED_AGAIN"),
        "part-2": ("part-2-2", "FAILED_AGAIN"),
        "new-1": ("unread", "FAILED_AGAIN"),
        "new-2": ("new-2", "ROW"),
        "new-3": ("new-3", "REPLAYED"),
        "new-4": ("new-4", "FAILED_AGAIN"),
        "nobody": ("nobody", "UNKNOWN_DATASET"),
    }


def test_a_replay_sends_each_record_once_and_says_what_it_cannot_send(
    client, tables, pubsub, monkeypatch, capsys
):
    host, subscriber = pubsub
    name = tables(
        iris_dead_letters=[
            letter("one", "r1"),
            letter("the same record", "r1"),
            letter("two", "r2", dataset="it's `odd`; --"),
            letter("in flight", "r3"),
            letter("a row", "r4"),
            letter("too large", None, payload=None),
        ],
        iris_unmapped=[unmapped("new", "UOU2T14D")],
        iris_replays=[replayed("in flight")],
        bmrs_freq_iris=[{"record_id": "r4", "message_id": "x"}],
    )
    monkeypatch.setenv("PUBSUB_TOPIC", TOPIC)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)

    def replay(*options):
        assert main(["replay", "--dataset", name, *options]) == 0
        return capsys.readouterr().out, roots(subscriber)

    nothing = ("no dead letter or unmapped message matches\n", [])
    assert replay("--iris-dataset", "' OR TRUE --") == nothing
    assert replay("--since", "2026-05-07")[1] == []
    assert replay("--reason", "NOT_FINITE", "--until", "2026-05-07")[1] == []
    assert replay("--iris-dataset", "it's `odd`; --")[1] == ["two"]
    said, sent = replay()
    assert sent == ["new", "one"]
    assert "1 have the same record as another one" in said
    assert "2 were replayed before and are not rows yet" in said
    assert "1 were too large for a row" in said
    assert replay()[1] == []
    said, sent = replay("--again")
    assert sent == ["in flight", "new", "one", "two"]
    rows = client.query_and_wait(f"SELECT publish_id FROM {name}.iris_replays")
    published = [row.publish_id for row in rows]
    assert len(published) == len(set(published)) == 1 + 3 + 4


def test_a_record_that_is_under_way_is_not_sent_for_another_letter_of_it(
    client, tables, pubsub, monkeypatch, capsys
):
    host, subscriber = pubsub
    name = tables(
        iris_dead_letters=[
            letter("one", "r1"),
            letter("two", "r1", reason="INSERT_REJECTED"),
            letter("three", "r2", reason="INSERT_REJECTED"),
            letter("waits", "r2"),
        ],
        iris_replays=[replayed("one")],
    )
    monkeypatch.setenv("PUBSUB_TOPIC", TOPIC)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    assert main(["replay", "--dataset", name, "--reason", "INSERT_REJECTED"]) == 0
    assert roots(subscriber) == ["three"]
    assert "1 have the same record as another one" in capsys.readouterr().out


def test_what_pubsub_does_not_accept_is_not_recorded(
    client, tables, pubsub, monkeypatch, capsys
):
    name = tables(iris_dead_letters=[letter("one", "r1")])
    monkeypatch.setenv("PUBSUB_TOPIC", f"{TOPIC}-nowhere")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub[0])
    assert main(["replay", "--dataset", name]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "gcloud pubsub topics create" in line
    assert states(client, name) == {"one": ("one", "WAITING")}


def test_a_missing_view_is_one_line_and_code_2(client, pubsub, monkeypatch, capsys):
    monkeypatch.setenv("PUBSUB_TOPIC", TOPIC)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub[0])
    assert main(["replay", "--dataset", "nowhere"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "python -m sql apply --project gb-iris --dataset nowhere" in line


def test_a_replay_that_is_killed_loses_nothing_and_sends_no_other_message(
    client, tables, pubsub, monkeypatch, capsys
):
    host, subscriber = pubsub
    names = [f"l-{number}" for number in range(4_000)]
    name = tables(iris_dead_letters=[letter(each, f"r-{each}") for each in names])
    monkeypatch.setenv("PUBSUB_TOPIC", TOPIC)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    command = ["replay", "--dataset", name]
    process = subprocess.Popen([sys.executable, "-m", "bridge", *command])
    sql = f"SELECT COUNT(*) AS n FROM {name}.iris_replays"
    while not (written := next(iter(client.query_and_wait(sql))).n):
        assert process.poll() in (None, 0)
    process.kill()  # after the first of four requests or more
    process.wait()
    assert main(command) == 0
    sent = received(subscriber)
    assert {attributes["replay_of"] for attributes in sent} == set(names)
    assert len({attributes["publish_id"] for attributes in sent}) == len(names)
    # What was written down before the kill was not sent again.
    assert len(sent) <= 2 * len(names) - written
    assert main(command) == 0
    assert received(subscriber) == []


def roots(subscriber):
    """What came to the topic, by the root of each."""
    return sorted(attributes["replay_of"] for attributes in received(subscriber))


def received(subscriber):
    """The attributes of what came to the topic."""
    found = []
    with warnings.catch_warnings():  # deprecated in the service, not in emulators
        warnings.simplefilter("ignore", DeprecationWarning)
        while pulled := subscriber.pull(
            subscription=SUBSCRIPTION, max_messages=1000, return_immediately=True
        ).received_messages:
            found += [dict(each.message.attributes) for each in pulled]
            subscriber.acknowledge(
                subscription=SUBSCRIPTION, ack_ids=[each.ack_id for each in pulled]
            )
    return found
