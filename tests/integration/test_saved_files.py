"""Answers of the API and messages without a subject, through `python -m pipeline`."""

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from bridge.__main__ import main as bridge
from pipeline.command import main
from pipeline.core.batches import unmapped_row
from pipeline.core.decoding import Message
from pipeline.steps import dedup
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.history_fixture import registry_of
from tests.integration.pubsub_fixture import running_pubsub, wide_clients

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]

SAVED = Path(__file__).parents[1] / "fixtures" / "saved"
REGISTRY = registry_of("FUELINST", "DISEBSP", "FREQ")
PROJECT = "gb-iris"
TOPIC = f"projects/{PROJECT}/topics/saved"
SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/saved"
WIND = {
    "dataset": "FUELINST",
    "publishTime": "2026-05-06T08:35:00Z",
    "startTime": "2026-05-06T08:30:00Z",
    "settlementDate": "2026-05-06",
    "settlementPeriod": 20,
    "fuelType": "WIND",
    "generation": 5000,
}
PUMPED = {**WIND, "fuelType": "PS", "generation": -700}
PRICE = {
    "settlementDate": "2026-05-06",
    "settlementPeriod": 20,
    "startTime": "2026-05-06T08:30:00Z",
    "createdDateTime": "2026-05-07T09:14:32Z",
    "systemSellPrice": 80.0,
    "systemBuyPrice": 80.0,
}
ROWS = {("WIND", 5000.0), ("PS", -700.0)}


def lines(*values, end="\n"):
    return end.join(json.dumps(value) for value in values).encode()


def dumped(value):
    return json.dumps(value).encode()


def answer(*records, **others):
    return {"metadata": {"datasets": ["FUELINST"]}, "data": list(records), **others}


@pytest.fixture
def dataset(client, request):
    name = own_dataset(client, request)
    apply_tables(client, name, list(all_tables(REGISTRY)), "EU")
    return name


class Run:
    """What a run over files has left in the tables."""

    def __init__(self, client, dataset):
        self.client = client
        self.dataset = dataset

    def load(self, files, code=0):
        dedup.forget()
        options = [f"--files={files}", f"--project={PROJECT}"]
        assert main([*options, f"--dataset={self.dataset}"]) == code
        (total,) = self.query(
            "SELECT SUM(records) AS records, SUM(`rows` + duplicates + dead_letters + "
            "unmapped) AS known FROM @iris_ledger"
        )
        assert total["records"] == total["known"]

    def query(self, sql):
        sql = sql.replace("@", f"{self.dataset}.")
        return [dict(row) for row in self.client.query(sql).result()]

    def fuels(self):
        found = self.query("SELECT * FROM @bmrs_fuelinst_iris")
        assert all(row["publishTime"] and row["extra"] is None for row in found)
        return {(row["fuelType"], row["generation"]) for row in found}

    def sources(self):
        found = self.query("SELECT DISTINCT source FROM @bmrs_fuelinst_iris")
        return {row["source"] for row in found}

    def letters(self):
        return self.query(
            "SELECT * FROM @iris_dead_letters ORDER BY message_id, record_index"
        )

    def unmapped(self):
        found = self.query("SELECT message_id FROM @iris_unmapped ORDER BY message_id")
        return [row["message_id"] for row in found]


@pytest.fixture
def run(client, dataset):
    return Run(client, dataset)


def test_saved_answers_and_messages_without_a_subject_become_rows(run):
    run.load(SAVED)
    assert run.fuels() == ROWS | {("COAL", 1.0), ("NUCLEAR", 4000.0)}
    (price,) = run.query("SELECT * FROM @bmrs_disebsp_iris")
    assert (price["systemSellPrice"], price["extra"]) == (80.0, None)
    assert price["source"] == "INSIGHTS_API"
    by_message = "SELECT DISTINCT message_id, source FROM @bmrs_fuelinst_iris"
    assert {row["message_id"]: row["source"] for row in run.query(by_message)} == {
        "fuelinst_2026-05-06.json": "INSIGHTS_API",
        "6f0c2d1e-aaaa-bbbb-cccc-000000000001": "IRIS",
        "FUELINST_202605060835_9.json": "IRIS",
    }
    assert run.letters() == run.unmapped() == []


FILES = {
    "an answer": ("FUELINST/a.json", dumped(answer(WIND, PUMPED))),
    "an answer without metadata": (
        "FUELINST/a.json",
        dumped({"data": [WIND, PUMPED]}),
    ),
    "an answer, packed": (
        "FUELINST/a.json.gz",
        gzip.compress(dumped(answer(WIND, PUMPED)), mtime=0),
    ),
    "an answer to each page": (
        "FUELINST/a.json",
        dumped([answer(WIND), answer(), answer(PUMPED)]),
    ),
    "answers by line": ("FUELINST/a.jsonl", lines(answer(WIND), answer(PUMPED))),
    "an answer with one record": (
        "FUELINST/a.json",
        dumped([{"data": WIND}, {"data": PUMPED}]),
    ),
    "a stream": ("FUELINST/stream.json", dumped([WIND, PUMPED])),
    "streams by line": ("FUELINST/stream.json", lines([WIND], [], [PUMPED])),
    "lines": ("FUELINST/a.jsonl", lines(WIND, PUMPED)),
    "lines of Windows": ("FUELINST/a.json", lines(WIND, "", PUMPED, end="\r\n\r\n")),
    "lines, packed": ("FUELINST/a.ndjson.gz", gzip.compress(lines(WIND, PUMPED))),
    "beside the folders": ("FUELINST.json", dumped(answer(WIND, PUMPED))),
    "another name": ("fuelinst_2026-05-06.json", dumped([WIND, PUMPED])),
    "another folder": ("downloads/x.json", lines(WIND, PUMPED)),
    "a folder in lower case": ("fuelinst/x.json", dumped(answer(WIND, PUMPED))),
}


@pytest.mark.parametrize("form", FILES)
def test_every_form_becomes_the_same_rows(run, tmp_path, form):
    name, data = FILES[form]
    if form == "lines of Windows":
        data = data.replace(b'""', b"")
    path = tmp_path / "in" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    run.load(tmp_path / "in")
    assert run.fuels() == ROWS
    assert run.sources() == {"INSIGHTS_API"}
    assert run.letters() == run.unmapped() == []


def test_the_forms_in_a_tar_file_are_the_same_records(run, tmp_path):
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        for index, (name, data) in enumerate(FILES.values()):
            member = tarfile.TarInfo(f"{index}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    run.load(tmp_path / "all.tar.gz")
    assert run.fuels() == ROWS
    (count,) = run.query("SELECT COUNT(*) AS n FROM @bmrs_fuelinst_iris")
    assert count["n"] == 2


def test_what_is_no_record_is_a_dead_letter_and_never_a_row_of_nulls(run, tmp_path):
    errors = {
        "error": {"errors": {"From": ["is required"]}},
        "problem": {"type": "about:blank", "title": "Bad Request", "status": 400},
        "failed": {"data": [], "errors": ["timeout"]},
        "others": {"items": [WIND]},
        "name only": {"dataset": "FUELINST", "note": "nothing"},
        "nothing": {},
    }
    folder = tmp_path / "in" / "FUELINST"
    folder.mkdir(parents=True)
    for name, value in errors.items():
        (folder / f"{name}.json").write_bytes(dumped(value))
    (folder / "empty.json").write_bytes(dumped(answer()))
    (folder / "page.json").write_bytes(b"<html><body>503</body></html>")
    (folder / "table.json").write_bytes(b"dataset,fuelType\nFUELINST,WIND\n")
    cut = lines(WIND, PUMPED) + b'\n{"dataset": "FUELINST", "fue'
    (folder / "with a cut line.jsonl").write_bytes(cut)
    run.load(tmp_path / "in")
    assert run.fuels() == ROWS
    letters = {row["message_id"]: row for row in run.letters()}
    assert {name: row["reason"] for name, row in letters.items()} == {
        **{f"{name}.json": "NO_KNOWN_FIELD" for name in errors},
        "page.json": "INVALID_JSON",
        "table.json": "INVALID_JSON",
        "with a cut line.jsonl": "INVALID_JSON",
    }
    line = letters["with a cut line.jsonl"]
    assert (line["record_index"], line["payload"]) == (2, cut.splitlines()[-1])
    assert json.loads(letters["error.json"]["payload"]) == errors["error"]
    assert "FUELINST" in letters["error.json"]["error"]


def test_half_a_surrogate_pair_costs_neither_the_run_nor_its_record(run, tmp_path):
    folder = tmp_path / "FUELINST"
    folder.mkdir()
    half = dumped({**WIND, "note": "\ud83d", "\ud83d": [1]})
    (folder / "half.json").write_bytes(half)
    (folder / "text.json").write_bytes(dumped({**WIND, "fuelType": "\ud83d"}))
    (folder / "whole.json").write_bytes(dumped([PUMPED]))
    run.load(tmp_path)
    found = run.query("SELECT fuelType, extra FROM @bmrs_fuelinst_iris")
    extra = {
        row["fuelType"]: row["extra"] and json.loads(row["extra"]) for row in found
    }
    assert extra == {"WIND": {"note": "\ud83d", "\ud83d": [1]}, "PS": None}
    (letter,) = run.letters()
    assert (letter["reason"], letter["message_id"]) == ("WRONG_TYPE", "text.json")


def test_files_whose_records_name_no_dataset_or_several_stay_unmapped(run, tmp_path):
    other = {"dataset": "FREQ", "measurementTime": "2026-05-06T08:30:00Z"}
    nameless = {name: WIND[name] for name in WIND if name != "dataset"}
    files = {
        "several.json": dumped([WIND, other]),
        "fuelinst and more.jsonl": lines(WIND, other),
        "some.json": dumped([WIND, nameless]),
        "none.json": dumped([nameless]),
        "unheard.json": dumped([{**WIND, "dataset": "bmrs_fuelinst_iris"}]),
        "a list.json": dumped([{**WIND, "dataset": ["FUELINST"]}]),
        "empty.json": b"[]",
        # IRIS says twice of which dataset it is.
        "NEW/NEW_202605060835_1.json": dumped([WIND]),
    }
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run.load(tmp_path / "in")
    assert run.unmapped() == sorted(Path(name).name for name in files)
    assert run.letters() == []
    assert run.fuels() == set()


def test_the_last_lines_say_what_became_no_row_and_what_was_skipped(
    run, tmp_path, capsys
):
    files = {
        "FREQ/broken": b"[{",
        "NEW/unknown": dumped([{"x": 1}]),
        "FUELINST/good": dumped([WIND]),
        "notes.txt": b"mine",
    }
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run.load(tmp_path / "in")
    said = capsys.readouterr().out.splitlines()
    assert "dead letters: 1 INVALID_JSON of FREQ (docs/dead-letters.md)" in said
    query = f"python -m sql query --project {PROJECT} --dataset {run.dataset} "
    assert any(line.startswith(f'look at them: {query}"SELECT') for line in said)
    assert "messages of unknown datasets: 1 of NEW (docs/registry.md)" in said
    skipped = "1 files are not messages and were skipped: the log names them"
    assert said[-1] == skipped


def test_the_name_of_a_file_or_its_metadata_count_where_records_name_nothing(
    run, tmp_path
):
    (tmp_path / "in").mkdir()
    metadata = {"datasets": ["DISEBSP"]}
    other = {**PRICE, "settlementPeriod": 21}
    files = {
        "disebsp_2026-05-06.json": {"data": [PRICE]},
        "prices.json": {"metadata": metadata, "data": [other]},
    }
    for name, value in files.items():
        (tmp_path / "in" / name).write_bytes(dumped(value))
    run.load(tmp_path / "in")
    rows = run.query("SELECT * FROM @bmrs_disebsp_iris ORDER BY settlementPeriod")
    assert [row["message_id"] for row in rows] == list(files)
    assert {row["source"] for row in rows} == {"INSIGHTS_API"}


@pytest.fixture(scope="module")
def pubsub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pubsub")
    with (
        running_pubsub("--port", "0", "--data", str(folder)) as (ready, _),
        wide_clients(ready["host"]) as (publisher, subscriber),
    ):
        publisher.create_topic(name=TOPIC)
        subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)
        yield ready["host"]


def drain(run):
    dedup.forget()
    options = [f"--subscription={SUBSCRIPTION}", "--drain", f"--project={PROJECT}"]
    assert main([*options, f"--dataset={run.dataset}"]) == 0


def states(run):
    held = run.query("SELECT message_id, state FROM @iris_held")
    return {row["message_id"]: row["state"] for row in held}


def test_a_replay_makes_rows_of_what_waits_without_a_subject(
    run, pubsub, monkeypatch, capsys
):
    """The pipeline before this one left these messages in `iris_unmapped`."""
    monkeypatch.setenv("PUBSUB_TOPIC", TOPIC)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    assert apply_views(run.client, run.dataset, REGISTRY).conflicts == []
    nameless = {name: WIND[name] for name in WIND if name != "dataset"}
    freq = {"dataset": "FREQ", "measurementTime": "2026-05-06T08:30:00Z"}
    bad = {**PUMPED, "generation": "many"}
    bodies = {
        "string": dumped(json.dumps([WIND])),
        "array": dumped([PUMPED]),
        "bad record": dumped([{**WIND, "generation": 1}, bad]),
        "packed": gzip.compress(dumped([{**WIND, "generation": 2}])),
        "disagree": dumped([WIND, freq]),
        "names none": dumped([nameless]),
        "unheard": dumped([{**WIND, "dataset": "' OR TRUE --"}]),
        "some": dumped([WIND, nameless]),
    }
    waiting = [
        unmapped_row(Message(body, {"dataset": "unknown", "message_id": name}), NOW)
        for name, body in bodies.items()
    ]
    table = run.client.get_table(f"{run.dataset}.iris_unmapped")
    values = [row.values for row in waiting]
    assert run.client.insert_rows_json(table, values) == []

    hopeless = dict.fromkeys(("disagree", "names none", "unheard"), "UNKNOWN_DATASET")
    waits = dict.fromkeys(("string", "array", "bad record", "packed", "some"))
    assert states(run) == {**hopeless, **dict.fromkeys(waits, "WAITING")}
    assert bridge(["replay", "--dataset", run.dataset]) == 0
    assert "3 are of datasets that are not in the registry" in capsys.readouterr().out
    drain(run)
    assert run.fuels() == ROWS | {("WIND", 1.0), ("WIND", 2.0)}
    (letter,) = run.letters()
    assert (letter["dataset"], letter["record_index"]) == ("FUELINST", 1)
    assert json.loads(letter["attributes"])["dataset"] == "FUELINST"
    assert {row["source"] for row in run.query("SELECT source FROM @bmrs_fuelinst_iris")
            } == {"IRIS"}  # fmt: skip
    after = run.query("SELECT kind, message_id, state FROM @iris_held")
    assert {(r["kind"], r["message_id"]): r["state"] for r in after} == {
        **{("UNMAPPED", name): state for name, state in hopeless.items()},
        **{("UNMAPPED", name): "ROW" for name in waits},
        ("UNMAPPED", "some"): "FAILED_AGAIN",
        ("DEAD_LETTER", "bad record"): "FAILED_AGAIN",
    }


NOW = "2026-05-06T09:00:00Z"


def test_a_refused_record_of_an_answer_is_replayed_as_one_of_the_api(
    run, pubsub, monkeypatch, tmp_path
):
    monkeypatch.setenv("PUBSUB_TOPIC", TOPIC)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub)
    assert apply_views(run.client, run.dataset, REGISTRY).conflicts == []
    nameless = {name: WIND[name] for name in WIND if name != "dataset"}
    shutil.copytree(SAVED / "DISEBSP", tmp_path / "in" / "downloads")
    body = dumped(answer({**nameless, "generation": "many"}, nameless))
    (tmp_path / "in" / "downloads" / "x.json").write_bytes(body)
    run.load(tmp_path / "in")
    (letter,) = run.letters()
    attributes = json.loads(letter["attributes"])
    assert attributes["dataset"] == "FUELINST"
    assert attributes["source"] == "INSIGHTS_API"
    assert bridge(["replay", "--dataset", run.dataset]) == 0
    drain(run)
    assert states(run) == {"x.json": "FAILED_AGAIN"}
    assert run.unmapped() == []
