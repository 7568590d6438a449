"""A wrong registry is corrected, and what it refused becomes rows, once."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.pubsub.topics import SUBSCRIPTION, TOPIC, create_topics
from pipeline.bigquery.client import connect
from tests.integration.bigquery_fixture import running_bigquery
from tests.integration.pubsub_fixture import running_pubsub, wide_clients

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
PROJECT, TABLES = "gb-iris", "story"
PACKAGES = ("bridge", "command", "local", "pipeline", "sql")
GOOD, REMITS, UNMAPPED = 200, 12, 3
CAPACITIES = ("normalCapacity", "availableCapacity", "unavailableCapacity")
DEADLINE_SECONDS = 150

REMIT = {
    "mrid": "11XRWENPLC-----F-NGET-RMT-00181250",
    "revisionNumber": 1,
    "publishTime": "2026-05-06T09:31:05Z",
    "createdTime": "2026-05-06T09:31:05Z",
    "messageType": "UnavailabilitiesOfElectricityFacilities",
    "eventType": "Production unavailability",
    "unavailabilityType": "Planned",
    "affectedUnit": "DIDCB6",
    "fuelType": "Fossil Gas",
    "normalCapacity": 710,
    "availableCapacity": 0,
    "unavailableCapacity": 710,
    "eventStatus": "Active",
    "eventStartTime": "2026-05-09T04:00:00Z",
    "outageProfile": [
        {
            "startTime": "2026-05-09T04:00:00.000Z",
            "endTime": "2026-05-10T04:00:00.000Z",
            "capacity": 0,
        }
    ],
    "dataset": "REMIT",
}


class Installation:
    """A copy of the packages, whose registry can be edited, and its two servers."""

    def __init__(self, folder, bigquery, pubsub):
        self.folder = folder
        for name in PACKAGES:
            shutil.copytree(ROOT / name, folder / name)
        self.registry = folder / "pipeline" / "datasets"
        for file in self.registry.glob("*.yaml"):
            if file.stem not in ("REMIT", "FREQ", "FUELINST"):
                file.unlink()
        self.client = connect(PROJECT)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("IRIS_")},
            "BIGQUERY_EMULATOR_HOST": bigquery,
            "PUBSUB_EMULATOR_HOST": pubsub,
            "PUBSUB_TOPIC": TOPIC,
            "PYTHONPATH": "",
        }

    def command(self, *arguments):
        return {
            "args": [sys.executable, "-m", *arguments],
            "cwd": self.folder,
            "env": self.environment,
            "text": True,
        }

    def run(self, *arguments, code=0):
        done = subprocess.run(**self.command(*arguments), capture_output=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def apply(self):
        return self.run("sql", "apply", "--project", PROJECT, "--dataset", TABLES)

    def replay(self, *options):
        return self.run("bridge", "replay", "--dataset", TABLES, *options)

    def query(self, sql):
        job = self.client.query(sql.replace("@", f"{PROJECT}.{TABLES}."))
        return [dict(row) for row in job.result()]

    def held(self):
        return self.query("SELECT * EXCEPT (payload, attributes) FROM @iris_held")

    def states(self):
        return Counter((row["reason"], row["state"]) for row in self.held())

    @contextmanager
    def pipeline(self):
        """The pipeline of this copy, from its first message to a clean end."""
        options = ["--subscription", SUBSCRIPTION, "--streaming"]
        options += ["--project", PROJECT, "--dataset", TABLES]
        process = subprocess.Popen(
            **self.command("local", "pipeline", *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert json.loads(process.stdout.readline())["ready"]
            yield
            process.terminate()
            assert process.wait(DEADLINE_SECONDS) == 0
        finally:
            process.kill()
            process.communicate()

    def ledger(self):
        names = ("messages", "records", "rows", "duplicates", "dead_letters")
        sums = ", ".join(f"SUM(`{n}`) AS `{n}`" for n in (*names, "unmapped"))
        (row,) = self.query(f"SELECT {sums} FROM @iris_ledger")
        return {name: number or 0 for name, number in row.items()}

    def wait_for(self, messages):
        """Waits until this many messages, from the first on, are where they belong."""
        end = time.monotonic() + DEADLINE_SECONDS
        while (
            (found := self.ledger())["messages"] < messages
            or not is_balanced(found)
            or not self.is_written(found)
        ):
            assert time.monotonic() < end, found
            time.sleep(0.2)  # the ledger and the tables are the condition waited for
        assert found["messages"] == messages
        return found

    def is_written(self, ledger):
        """Whether the tables have what the ledger of a stream may count before."""
        (row,) = self.query(
            "SELECT (SELECT COUNT(*) FROM @iris_dead_letters) AS dead_letters, "
            "(SELECT COUNT(*) FROM @iris_unmapped) AS unmapped"
        )
        return all(row[name] >= ledger[name] for name in ("dead_letters", "unmapped"))


def is_balanced(ledger):
    ends = ("rows", "duplicates", "dead_letters", "unmapped")
    return ledger["records"] == sum(ledger[name] for name in ends)


def sample(dataset):
    (file,) = sorted((SAMPLES / dataset).iterdir())[:1]
    return json.loads(file.read_text())


def good_messages():
    """Messages of other datasets, each with a value of its own."""
    frequencies, fuels = sample("FREQ"), sample("FUELINST")
    for number in range(GOOD):
        records = copy.deepcopy(frequencies if number % 2 else fuels)
        key = "frequency" if number % 2 else "generation"
        for index, record in enumerate(records):
            record[key] = number * 100 + index + (0.5 if number % 2 else 0)
        yield records[0]["dataset"], f"good-{number}", records


def remit_messages():
    """A record whose capacities are whole, and one as REMIT sends them from now on."""
    for number in range(REMITS):
        whole = {**REMIT, "mrid": f"whole-{number}"}
        fractional = {
            **REMIT,
            "mrid": f"fractional-{number}",
            "availableCapacity": 205.8 + number,
            "unavailableCapacity": 504.2 - number,
            "outageReasonCode": f"R{number}",
        }
        yield "REMIT", f"remit-{number}", [whole, fractional]


def unmapped_messages():
    for number in range(UNMAPPED):
        records = sample("MID")
        for record in records:
            record["price"] = number + 0.25
        yield "MID", f"mid-{number}", records


def publish(host, messages):
    with wide_clients(host) as (publisher, _):
        futures = [
            publisher.publish(
                TOPIC,
                body if isinstance(body, bytes) else json.dumps(body).encode(),
                dataset=dataset,
                message_id=name,
                publish_id=name,
                enqueued_time="2026-05-06T09:31:07.123Z",
                source="IRIS",
            )
            for dataset, name, body in messages
        ]
        for future in futures:
            future.result(timeout=20)
        publisher.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    connect.cache_clear()
    with (
        running_bigquery(folder / "bigquery") as bigquery,
        running_pubsub("--port", "0", "--data", str(folder)) as (ready, _),
    ):
        create_topics(ready["host"])
        yield bigquery, ready["host"]
    connect.cache_clear()


@pytest.fixture(scope="module")
def story(servers, tmp_path_factory):
    """All steps from the wrong registry to the last replay, and what each showed."""
    installation = Installation(tmp_path_factory.mktemp("copy"), *servers)
    story = {"installation": installation}
    remit = installation.registry / "REMIT.yaml"
    right = remit.read_text()
    wrong = right
    for name in CAPACITIES:
        line = f"name: {name}, type: FLOAT64"
        assert line in wrong
        wrong = wrong.replace(line, line.replace("FLOAT64", "INT64"))
    remit.write_text(wrong)
    installation.apply()
    with installation.pipeline():
        good, remits = list(good_messages()), list(remit_messages())
        mixed = good[:100] + remits + good[100:] + list(unmapped_messages())
        publish(servers[1], [*mixed, ("FREQ", "broken", b"[{")])
        sent = GOOD + REMITS + UNMAPPED + 1
        story["first ledger"] = installation.wait_for(sent)
    story["first states"] = installation.states()

    remit.write_text(right)
    shutil.copy(ROOT / "pipeline" / "datasets" / "MID.yaml", installation.registry)
    story["apply"] = installation.apply()
    story["corrected states"] = installation.states()
    story["dry run"] = installation.replay("--dry-run")
    story["states after it"] = installation.states()
    with installation.pipeline():
        story["replay"] = installation.replay("--reason", "wrong_type")
        story["unmapped replay"] = installation.replay("--iris-dataset", "MID")
        story["ledger"] = installation.wait_for(sent + REMITS + UNMAPPED)
        story["states"] = installation.states()
        story["second replay"] = installation.replay("--reason", "WRONG_TYPE")
        story["broken replay"] = installation.replay()
        installation.wait_for(sent + REMITS + UNMAPPED + 1)
    # A letter that came in at the same moment may have kept BigQuery from marking the
    # others; the next run does it.
    installation.replay("--reason", "WRONG_TYPE")
    story["last replay"] = installation.replay("--dry-run")
    story["last states"] = installation.states()
    return story


@pytest.fixture
def installation(story):
    return story["installation"]


def published(text):
    """The figure under `published` in the line of totals."""
    return int(re.search(r"^total\s+\S+\s+(\S+)", text, re.MULTILINE)[1])


def test_the_wrong_registry_costs_neighbours_nothing(story):
    rows = sum(len(records) for _, _, records in good_messages()) + REMITS
    ledger = story["first ledger"]
    assert (ledger["rows"], ledger["duplicates"]) == (rows, 0)
    assert (ledger["dead_letters"], ledger["unmapped"]) == (REMITS + 1, UNMAPPED)
    assert story["first states"] == {
        ("WRONG_TYPE", "WAITING"): REMITS,
        ("INVALID_JSON", "WAITING"): 1,
        ("UNMAPPED", "UNKNOWN_DATASET"): UNMAPPED,
    }


def test_apply_follows_the_corrected_columns_and_keeps_their_rows(story, installation):
    widened = f"bmrs_remit_iris: {', '.join(CAPACITIES)} widened to FLOAT64"
    assert widened in story["apply"]
    table = installation.client.get_table(f"{PROJECT}.{TABLES}.bmrs_remit_unified")
    kinds = {field.name: field.field_type for field in table.schema}
    assert {kinds[name] for name in CAPACITIES} == {"FLOAT"}
    whole = installation.query(
        "SELECT normalCapacity FROM @bmrs_remit_unified WHERE mrid LIKE 'whole-%'"
    )
    assert whole == [{"normalCapacity": 710.0}] * REMITS


def test_a_dry_run_publishes_nothing(story):
    assert story["states after it"] == story["corrected states"]
    assert published(story["dry run"]) == 0
    assert f"{REMITS + UNMAPPED + 1} would be published" in story["dry run"]


def test_every_record_is_a_row_once_with_its_new_field(story, installation):
    rows = installation.query(
        "SELECT mrid, availableCapacity, extra, message_id, source, enqueued_utc "
        "FROM @bmrs_remit_iris WHERE mrid LIKE 'fractional-%'"
    )
    assert {row["mrid"]: row["availableCapacity"] for row in rows} == {
        f"fractional-{number}": 205.8 + number for number in range(REMITS)
    }
    assert len(rows) == REMITS
    for row in rows:
        number = row["mrid"].removeprefix("fractional-")
        assert json.loads(row["extra"]) == {"outageReasonCode": f"R{number}"}
        assert (row["message_id"], row["source"]) == (f"remit-{number}", "IRIS")
        assert row["enqueued_utc"].isoformat() == "2026-05-06T09:31:07.123000+00:00"
    twice = installation.query(
        "SELECT record_id FROM @bmrs_remit_iris GROUP BY record_id HAVING COUNT(*) > 1"
    )
    assert twice == []


def test_messages_of_a_dataset_that_became_known_are_rows(story, installation):
    rows = installation.query("SELECT price FROM @bmrs_mid_iris ORDER BY price")
    each = len(sample("MID"))
    assert [row["price"] for row in rows] == [
        number + 0.25 for number in range(UNMAPPED) for _ in range(each)
    ]


def test_the_ledger_is_balanced_and_the_view_shows_what_came_of_each(story):
    assert is_balanced(story["ledger"])
    assert published(story["replay"]) == REMITS
    assert published(story["unmapped replay"]) == UNMAPPED
    rows = {("WRONG_TYPE", "ROW"): REMITS, ("UNMAPPED", "ROW"): UNMAPPED}
    assert story["states"] == {**rows, ("INVALID_JSON", "WAITING"): 1}
    assert story["last states"] == {**rows, ("INVALID_JSON", "FAILED_AGAIN"): 1}


def test_a_second_replay_publishes_nothing_that_is_a_row(story):
    assert published(story["second replay"]) == 0
    assert published(story["broken replay"]) == 1
    assert "1 would be published" in story["last replay"]


def test_a_failure_again_is_one_with_what_failed_first(story, installation):
    (broken,) = (row for row in installation.held() if row["message_id"] == "broken")
    assert (broken["attempt"], broken["replays"]) == (2, 1)
    letters = installation.query(
        "SELECT dead_letter_id, replayed_utc, attempt FROM @iris_dead_letters "
        "WHERE message_id = 'broken' ORDER BY attempt"
    )
    assert [letter["attempt"] for letter in letters] == [1, 2]
    assert broken["root_id"] == letters[0]["dead_letter_id"]
    assert broken["held_id"] == letters[1]["dead_letter_id"]
    assert letters[0]["replayed_utc"] == broken["replayed_utc"]
    assert letters[1]["replayed_utc"] is None
