"""The smoke test of a deployment, on local servers, with each fault it must find."""

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest, Forbidden, NotFound
from google.cloud import bigquery
from google.pubsub_v1 import types

from cloud.deployment import Deployment
from cloud.smoke import cleaning, command, trial
from command.usage import UsageError
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, pubsub_server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

PROJECT = "gb-iris"
DATASET = "smoke"
REGISTRY = registry_of("BOALF", "FUELINST", "MID")
TOPIC = f"projects/{PROJECT}/topics/iris-messages"
SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/iris-messages-pipeline"
LETTERS = f"{TOPIC}-dead-letters"
LETTERS_SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/iris-messages-dead-letters"
ROOT = Path(__file__).parents[2]
TABLES = ("bmrs_boalf_iris", "bmrs_fuelinst_iris", "bmrs_mid_iris")


@pytest.fixture(scope="module")
def pubsub(tmp_path_factory):
    with pubsub_server("embedded", tmp_path_factory.mktemp("pubsub")) as server:
        yield server


# The real pipeline, except that its dedup lets every record pass.
FORGETFUL = """
import apache_beam as beam
from pipeline import graph
from pipeline.command import main

class KeepAll(graph.DeduplicateRecords):
    def expand(self, batches):
        keep = beam.Map(lambda batch: batch)
        return batches | keep.with_outputs("ledger", main="rows")

graph.DeduplicateRecords = KeepAll
main()
"""


@pytest.fixture(scope="module")
def forgetful(pubsub, bigquery_host):
    """Topic and subscription of a pipeline that drops no duplicate.

    It is started before the tables are made, and is ready when they are.
    """
    with pytest.MonkeyPatch.context() as patch, Clients(pubsub.host, patch) as clients:
        create(clients, "forgetful")
    hosts = {
        "PUBSUB_EMULATOR_HOST": pubsub.host,
        "BIGQUERY_EMULATOR_HOST": bigquery_host,
    }
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", FORGETFUL, "--drain", "--every=1s"),
            f"--subscription=projects/{PROJECT}/subscriptions/forgetful",
            *(f"--project={PROJECT}", f"--dataset={DATASET}"),
        ],
        cwd=ROOT,
        env={**os.environ, **hosts},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield "--topic", "forgetful", "--subscription", "forgetful"
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def tables(client):
    """The tables and views of a dataset, made once."""
    apply_tables(client, DATASET, list(all_tables(REGISTRY)), "EU")
    assert apply_views(client, DATASET, REGISTRY).conflicts == []
    return client


@pytest.fixture
def topics(pubsub, monkeypatch):
    """Topics and subscriptions as in production; they are deleted afterwards."""
    with Clients(pubsub.host, monkeypatch) as clients:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
        create(clients, "iris-messages", "iris-messages-pipeline")
        yield clients
        for name in (SUBSCRIPTION, LETTERS_SUBSCRIPTION):
            with contextlib.suppress(NotFound):
                clients.subscriber.delete_subscription(subscription=name)
        for name in (TOPIC, LETTERS):
            with contextlib.suppress(NotFound):
                clients.publisher.delete_topic(topic=name)


def create(clients, topic, subscription=None):
    """A topic with its subscription, and those of its dead letters."""
    for name in (topic, f"{topic}-dead-letters"):
        clients.publisher.create_topic(name=f"projects/{PROJECT}/topics/{name}")
    letters = f"{topic}-dead-letters"
    subscribe(clients, letters, letters)
    subscribe(clients, subscription or topic, topic, letters)


def subscribe(clients, name, topic, letters=None):
    request = {
        "name": f"projects/{PROJECT}/subscriptions/{name}",
        "topic": f"projects/{PROJECT}/topics/{topic}",
    }
    if letters:
        request["dead_letter_policy"] = types.DeadLetterPolicy(
            dead_letter_topic=f"projects/{PROJECT}/topics/{letters}",
            max_delivery_attempts=50,
        )
    clients.subscriber.create_subscription(request=request)


@pytest.fixture
def smoke(tables, topics, monkeypatch, capsys):
    """Runs the command; returns its exit code, and its findings by name."""
    monkeypatch.setattr(command, "load_registry", lambda: REGISTRY)
    monkeypatch.setattr(trial, "POLL_SECONDS", 0.5)
    monkeypatch.setattr(trial, "LEDGER_SECONDS", 3.0)

    def run(*options):
        code = command.run(parsed(*options))
        document = json.loads(capsys.readouterr().out)
        return code, {check["name"]: check for check in document["checks"]}

    return run


def parsed(*options):
    parser = argparse.ArgumentParser()
    command.configure(parser)
    given = ["--project", PROJECT, "--dataset", DATASET, "--format", "json"]
    return parser.parse_args([*given, *options])


def failures(findings):
    return [name for name, each in findings.items() if each["verdict"] == "FAILED"]


def rows_left(client):
    names = (*TABLES, "iris_dead_letters", "iris_unmapped")
    parts = (f"SELECT message_id FROM {DATASET}.{name}" for name in names)
    sql = f"SELECT COUNT(*) AS found FROM ({' UNION ALL '.join(parts)})"
    (row,) = client.query_and_wait(sql)
    return row.found


def test_a_pipeline_that_drops_no_duplicates(forgetful, smoke, tables):
    code, findings = smoke("--timeout", "60s", *forgetful)
    assert (code, failures(findings)) == (1, ["duplicate"])
    assert rows_left(tables) == 0


def test_all_is_well(smoke, tables):
    code, findings = smoke("--timeout", "60s", "--run-drain")
    assert (code, failures(findings)) == (0, [])
    assert findings["rows"]["seen"].startswith("7 of 7")
    assert findings["duplicate"]["seen"].startswith("published twice, there once")
    assert findings["ledger"]["verdict"] == "ok"
    assert findings["cleaning"]["seen"] == "10 rows of this run were removed"
    assert findings["permissions"]["verdict"] == "not known"
    assert rows_left(tables) == 0


def test_nobody_reads(smoke, topics, tables):
    code, findings = smoke("--timeout", "1s")
    assert code == 1
    assert failures(findings) == ["rows", "dead letters", "unmapped message"]
    assert findings["rows"]["seen"].startswith("0 of 7 after ")
    assert findings["cleaning"]["verdict"] == "not known"
    published = topics.pull_until(SUBSCRIPTION, 7)
    assert {m.message.attributes["dataset"] for m in published} == {
        *("BOALF", "FUELINST", "MID", "SMOKE")
    }


def test_dead_letters_that_nobody_keeps(smoke, topics):
    topics.subscriber.delete_subscription(subscription=LETTERS_SUBSCRIPTION)
    code, findings = smoke("--dataset", "nowhere")
    assert code == 1
    assert "keeps nothing" in findings["dead-letter topic"]["seen"]
    assert "--topic iris-messages-dead-letters" in findings["dead-letter topic"]["todo"]


def test_no_topic(smoke, topics):
    topics.publisher.delete_topic(topic=TOPIC)
    code, findings = smoke()
    assert code == 1
    assert failures(findings) == ["topic", "subscription", "publish"]
    assert findings["topic"]["todo"].startswith("gcloud pubsub topics create")


def test_no_subscription(smoke, topics):
    topics.subscriber.delete_subscription(subscription=SUBSCRIPTION)
    code, findings = smoke()
    assert (code, failures(findings)) == (1, ["subscription", "publish"])


def test_a_subscription_of_another_topic(smoke, topics):
    topics.subscriber.delete_subscription(subscription=SUBSCRIPTION)
    subscribe(topics, "iris-messages-pipeline", "iris-messages-dead-letters")
    code, findings = smoke()
    assert (code, failures(findings)) == (
        1,
        ["subscription", "dead-letter topic", "publish"],
    )
    assert LETTERS in findings["subscription"]["seen"]


def test_no_bigquery_dataset(smoke):
    code, findings = smoke("--dataset", "nowhere")
    assert (code, failures(findings)) == (1, ["tables", "publish"])
    assert findings["tables"]["todo"].startswith("python -m sql apply")


def test_tables_of_an_older_registry(smoke, tables, topics):
    """A table, a column and all views are missing: it reports each, sends nothing."""
    older = [each for each in all_tables(REGISTRY) if each.name != "bmrs_mid_iris"]
    columns = [c for c in older[0].columns if c.name != "soFlag"]
    older[0] = dataclasses.replace(older[0], columns=tuple(columns))
    apply_tables(tables, "older", older, "EU")
    code, findings = smoke("--dataset", "older")
    assert (code, failures(findings)) == (1, ["tables", "columns", "views", "publish"])
    assert "bmrs_mid_iris" in findings["tables"]["seen"]
    assert findings["columns"]["seen"] == "bmrs_boalf_iris.soFlag is missing"
    assert topics.nothing_left(SUBSCRIPTION)


def test_one_local_server_of_two_is_a_mistake(monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "localhost:1")
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    with pytest.raises(UsageError, match="set both for local servers"):
        command.run(parsed())


def test_a_run_that_is_stopped_says_how_to_clean(smoke, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(trial.arrivals, "look", stop)
    assert command.run(parsed()) == 130
    assert f"--dataset {DATASET} --clean" in capsys.readouterr().err


MARKER = "SMOKE-20260506T030000-0a1b2c"
OLD, LATELY = "2022-03-28", "2026-05-06"


def fill(client, rows):
    table = f"{PROJECT}.{DATASET}.bmrs_mid_iris"
    job = bigquery.LoadJobConfig(schema=client.get_table(table).schema)
    client.load_table_from_json(rows, table, job_config=job).result()


def row(message_id, unit=MARKER, day=OLD):
    return {"message_id": message_id, "dataProvider": unit, "settlementDate": day}


@pytest.fixture
def leftovers(tables):
    """Rows of two runs, and rows that only look like them."""
    later = "SMOKE-20260506T040000-0a1b2c"
    ours = [row(f"{MARKER}_MID_3.json"), row(f"{later}_MID_3.json", later)]
    theirs = [
        row("MID_202605060330_10005.json", "APXMIDP"),
        row("MID_202605060330_10006.json"),
        row(f"{MARKER}_MID_4.json", "APXMIDP"),
        row(f"{MARKER}_MID_5.json", day=LATELY),
        row("SMOKE-_MID_6.json", "SMOKE-"),
    ]
    fill(tables, [*ours, *theirs])
    yield tables
    tables.query(f"DELETE FROM {DATASET}.bmrs_mid_iris WHERE TRUE").result()


def names(client):
    sql = f"SELECT message_id FROM {DATASET}.bmrs_mid_iris"
    return {each.message_id for each in client.query_and_wait(sql)}


DEPLOYMENT = Deployment(PROJECT, dataset=DATASET, local=True)


def test_cleaning_removes_marked_rows_and_nothing_else(leftovers):
    before = names(leftovers)
    outcome = cleaning.clean(leftovers, DEPLOYMENT, REGISTRY)
    assert (outcome.removed, outcome.streamed, outcome.refused) == (2, 0, [])
    gone = before - names(leftovers)
    assert gone == {f"SMOKE-20260506T0{n}0000-0a1b2c_MID_3.json" for n in (3, 4)}


def test_cleaning_after_a_run_leaves_other_runs(leftovers):
    assert cleaning.clean(leftovers, DEPLOYMENT, REGISTRY, MARKER).removed == 1


class Refusing:
    """The client, whose BigQuery answers each DELETE with an error."""

    def __init__(self, client, error):
        self.query_and_wait = client.query_and_wait
        self.list_tables = client.list_tables
        self.error = error

    def query(self, *_args, **_options):
        raise self.error


def test_rows_that_were_streamed_recently_remain_for_later(leftovers):
    words = "UPDATE or DELETE statement over table t would affect rows in the "
    error = BadRequest(f"{words}streaming buffer, which is not supported")
    outcome = cleaning.clean(Refusing(leftovers, error), DEPLOYMENT, REGISTRY)
    assert (outcome.removed, outcome.streamed, outcome.refused) == (0, 2, [])
    finding = cleaning.finding(outcome, DEPLOYMENT, settled=True)
    assert finding.verdict == "not known"
    assert finding.todo.endswith("--clean")


def test_rows_that_nobody_may_remove_are_a_failure(leftovers):
    refusing = Refusing(leftovers, Forbidden("no bigquery.tables.updateData"))
    outcome = cleaning.clean(refusing, DEPLOYMENT, REGISTRY, MARKER)
    assert cleaning.finding(outcome, DEPLOYMENT, settled=True).verdict == "FAILED"


def test_cleaning_where_there_is_no_dataset_is_a_mistake(smoke):
    with pytest.raises(UsageError, match="no BigQuery dataset"):
        command.run(parsed("--clean", "--dataset", "nowhere"))


def test_the_command_removes_what_is_left_and_says_so(leftovers, smoke, capsys):
    options = parsed("--clean")
    assert command.run(options) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 2
