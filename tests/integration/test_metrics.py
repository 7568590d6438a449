"""What each process serves to Prometheus, and what a status makes of it."""

import datetime as dt
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.metrics import Metrics
from command.tables_path import TablesPath
from local.ports import private_port
from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from local.status.parts import bigquery_item, items_of
from sql.__main__ import main as sql
from sql.apply import apply_tables
from sql.status import tables
from sql.status.item import Item, State
from sql.tables import LEDGER, all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.bridge_fixture import wait_until
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import Clients, running_pubsub

pytestmark = pytest.mark.integration

MESSAGES = 3
RECORD = {"dataset": "FREQ", "frequency": 50.0}


def families(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=60) as answer:
        text = answer.read().decode()
    return {one.name: one for one in text_string_to_metric_families(text)}


def value(found: dict[str, Any], name: str, **labels: str) -> float:
    """The only sample of a family that has these labels."""
    [sample] = [
        one
        for one in found[name].samples
        if labels.items() <= one.labels.items() and not one.name.endswith("_created")
    ]
    return float(sample.value)


class Seen(NamedTuple):
    """What was seen of a system in which a drain has written some messages.

    Attributes:
        pages: The page of each process.
        parts: The items of the processes.
        tables: Those of the tables.
        dataset: The BigQuery dataset.
    """

    pages: dict[str, dict[str, Any]]
    parts: dict[str, Item]
    tables: dict[str, Item]
    dataset: str


@pytest.fixture(scope="module")
def seen(client, bigquery_host, request, tmp_path_factory) -> Iterator[Seen]:
    dataset, port = own_dataset(client, request), private_port()
    apply_tables(client, dataset, list(all_tables(registry_of("FREQ"))), "EU")
    options = ("--port", "0", "--metrics-port", "0")
    folder = str(tmp_path_factory.mktemp("pubsub"))
    with running_pubsub(*options, "--data", folder) as (ready, _):
        create_topics(ready["host"])
        with (
            pytest.MonkeyPatch.context() as patch,
            Clients(ready["host"], patch) as clients,
        ):
            for number in range(MESSAGES):
                at = f"2026-05-08T00:00:{15 * number:02}Z"
                body = json.dumps([RECORD | {"measurementTime": at}]).encode()
                clients.publish(TOPIC, body, dataset="FREQ", message_id=f"{number}")
        drain = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline", "--drain", "--every=1s"),
                *(f"--subscription={SUBSCRIPTION}", f"--metrics_port={port}"),
                *("--project=gb-iris", f"--dataset={dataset}"),
            ],
            env=os.environ | {"PUBSUB_EMULATOR_HOST": ready["host"]},
        )
        urls = {
            "pipeline": f"http://127.0.0.1:{port}/metrics",
            "pubsub": f"http://127.0.0.1:{ready['metrics_port']}/metrics",
            "bigquery": f"{bigquery_host}/metrics",
        }
        try:
            wait_until(lambda: written(urls["pipeline"], drain) >= MESSAGES)
            wait_until(
                lambda: value(families(urls["pubsub"]), "iris_pubsub_acknowledged")
            )
            addresses = {
                "PIPELINE_METRICS_URL": urls["pipeline"],
                "PUBSUB_METRICS_URL": urls["pubsub"],
            }
            path, at = TablesPath(client.project, dataset), dt.datetime.now(dt.UTC)
            yield Seen(
                {part: families(url) for part, url in urls.items()},
                {item.part: item for item in items_of(addresses, "logs", at)},
                {item.part: item for item in tables.items_of(client, path, at)},
                dataset,
            )
        finally:
            drain.kill()
            drain.wait()


@pytest.fixture
def pages(seen: Seen) -> dict[str, dict[str, Any]]:
    return seen.pages


def written(url: str, drain: "subprocess.Popen[bytes]") -> float:
    assert drain.poll() is None
    try:
        return value(families(url), "iris_pipeline_rows")
    except OSError:  # it is still loading
        return 0.0


@pytest.mark.parametrize("part", ["pipeline", "pubsub", "bigquery"])
def test_names_begin_with_the_part_and_are_described(pages, part):
    for name, family in pages[part].items():
        assert name.startswith((f"iris_{part}_", "process_")), name
        assert family.documentation, name
    assert "process_resident_memory_bytes" in pages[part]


def test_the_names_of_the_bridge_have_the_same_style():
    text = Metrics().exposition().decode()
    names = [one.name for one in text_string_to_metric_families(text)]
    assert all(name.startswith(("iris_bridge_", "process_")) for name in names)


def test_a_drain_says_what_it_has_written_and_when(pages):
    found = pages["pipeline"]
    assert value(found, "iris_pipeline_messages") == MESSAGES
    assert value(found, "iris_pipeline_rows") == MESSAGES
    assert value(found, "iris_pipeline_rounds") >= 1
    assert value(found, "iris_pipeline_round_failures") == 0
    assert value(found, "iris_pipeline_last_round_timestamp_seconds") > 1.7e9


def test_pubsub_says_what_waits_in_each_subscription(pages):
    found, name = pages["pubsub"], SUBSCRIPTION.rpartition("/")[2]
    assert value(found, "iris_pubsub_published") == MESSAGES
    assert value(found, "iris_pubsub_delivered") >= MESSAGES
    assert value(found, "iris_pubsub_backlog_messages", subscription=name) == 0
    age = value(found, "iris_pubsub_oldest_message_age_seconds", subscription=name)
    assert age == 0


def test_the_local_bigquery_counts_rows_and_statements(pages):
    assert value(pages["bigquery"], "iris_bigquery_inserted_rows") >= MESSAGES
    assert value(pages["bigquery"], "iris_bigquery_statements") > 0


def test_a_port_that_is_no_port_is_refused_in_a_line(capsys):
    from pipeline.command import main

    options = ["--drain", "--project=p", "--subscription=projects/p/subscriptions/s"]
    assert main([*options, "--metrics_port=70000"]) == 2
    assert "--metrics_port must be a port up to 65535" in capsys.readouterr().err


def test_a_status_says_that_pipeline_and_pubsub_work(seen):
    assert seen.parts["Pub/Sub"].says == "0 messages wait"
    assert seen.parts["pipeline"].says.startswith("last round ")
    assert {item.state for item in seen.parts.values()} == {State.OK}


def test_a_status_has_the_counts_of_a_day(seen):
    item = seen.tables["ledger"]
    assert item.says.startswith("24 hours: 3 messages, 3 records = 3 rows + 0 ")
    assert item.figures["messages"] == MESSAGES


def test_a_status_says_that_nothing_is_held_and_all_is_balanced(seen):
    for part in ("balance", "dead letters", "unmapped"):
        assert seen.tables[part].state is State.OK, part


def test_a_status_of_a_project_has_the_tables_and_the_pages_of_the_console(
    seen, capsys
):
    options = ["--project=gb-iris", f"--dataset={seen.dataset}", "--format=json"]
    assert sql(["status", *options]) in (0, 1)
    items = {i["part"]: i for i in json.loads(capsys.readouterr().out)["items"]}
    assert items["ledger"]["figures"]["messages"] == MESSAGES
    assert items["Pub/Sub"]["says"].endswith("/subscription/list?project=gb-iris")


def test_the_local_bigquery_is_a_part_of_a_status(bigquery_host):
    item = bigquery_item(bigquery_host, "log")
    assert item.state is State.OK
    assert item.says.startswith(f"{bigquery_host}, ")


def test_a_status_of_tables_that_are_not_there_says_what_makes_them(client, request):
    path = TablesPath(client.project, own_dataset(client, request))
    [item] = tables.items_of(client, path, dt.datetime.now(dt.UTC))
    assert item.state is State.FAIL
    assert item.advice.startswith("run `python -m sql apply --project gb-iris")


def test_a_status_of_new_tables_says_when_the_first_counts_come(client, request):
    dataset = own_dataset(client, request)
    apply_tables(client, dataset, [LEDGER], "EU")
    path, now = TablesPath(client.project, dataset), dt.datetime.now(dt.UTC)
    item = next(item for item in tables.items_of(client, path, now))
    assert (item.part, item.says) == ("ledger", "nothing was counted yet")
    long_ago = {"minute_utc": "2026-05-08T00:00:00Z", "dataset": "FREQ"}
    assert not client.insert_rows_json(f"{path}.{LEDGER.name}", [long_ago])
    item = next(item for item in tables.items_of(client, path, now))
    assert item.says == "nothing was counted in 10 days"
