"""`--files` through load jobs: every record once, however often it is run."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline

from benchmarks import corpus
from pipeline.bigquery import load_locks, loads
from pipeline.bigquery.inserts import Insert
from pipeline.bigquery.loads import Loaded
from pipeline.bigquery.spool import Spool
from pipeline.bigquery.warehouse import Warehouse
from pipeline.command import main
from pipeline.core.batches import RowBatch
from pipeline.core.decoding import typed_record
from pipeline.core.identity import record_id
from pipeline.graph import Plan, build
from pipeline.registry import load_registry
from pipeline.steps import dedup
from pipeline.steps.load_rows import LoadRows
from pipeline.steps.sources import ReadFiles
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.bridge_fixture import wait_until
from tests.integration.bucket_fixture import serve_buckets
from tests.integration.history_fixture import registry_of
from tests.integration.unreliable_bigquery import Fault, failing
from tests.unit.pipeline.bigquery.rows_fixture import generated_rows

pytestmark = pytest.mark.integration
SAMPLES = Path(__file__).parents[2] / "local" / "samples"
DATASETS = ("FREQ", "BOALF", "REMIT")
# Of a message: its rows share these.
METADATA = ("ingested_utc", "source", "message_id", "enqueued_utc")
LETTERS = "iris_dead_letters"


@pytest.fixture
def dataset(client, request):
    name = own_dataset(client, request)
    apply_tables(client, name, list(all_tables(registry_of(*DATASETS))), "EU")
    return name


@pytest.fixture
def folder(tmp_path):
    """A few messages of three datasets, one of them twice, and one nobody knows."""
    for file in corpus.backlog(300):
        if file.dataset in (*DATASETS, "FUTURE1"):
            path = tmp_path / "in" / file.dataset / file.message_id
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.body)
    for name in DATASETS:
        source = SAMPLES / name
        if source.exists():
            shutil.copytree(source, tmp_path / "in" / name, dirs_exist_ok=True)
    again = next((tmp_path / "in" / "FREQ").iterdir())
    shutil.copy(again, again.with_name("FREQ_203001010000_again.json"))
    return tmp_path / "in"


def load(capsys, dataset, files, *more, code=0):
    """Runs the pipeline as a new process would; gives what it says at its end."""
    dedup.forget()
    options = [f"--files={files}", "--project=gb-iris", f"--dataset={dataset}", *more]
    assert main(options) == code
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return said.out


def figures(client, dataset):
    """Rows and distinct records of the three tables."""
    parts = " UNION ALL ".join(
        f"SELECT record_id FROM {dataset}.bmrs_{name.lower()}_iris" for name in DATASETS
    )
    (row,) = client.query(
        f"SELECT COUNT(*) AS n, COUNT(DISTINCT record_id) AS d FROM ({parts}) AS x"
    ).result()
    return row.n, row.d


def ledger(client, dataset):
    names = ("messages", "records", "rows", "duplicates", "dead_letters", "unmapped")
    sums = ", ".join(f"SUM(`{name}`) AS `{name}`" for name in names)
    (row,) = client.query(f"SELECT {sums} FROM {dataset}.iris_ledger").result()
    return dict(row.items())


def tables(client, dataset):
    return {table.table_id for table in client.list_tables(dataset)}


def test_a_second_run_adds_nothing_and_says_how_much_was_there(
    client, dataset, folder, capsys
):
    first = load(capsys, dataset, folder)
    rows, distinct = figures(client, dataset)
    assert rows == distinct > 20
    counted = ledger(client, dataset)
    assert counted["messages"] == sum(p.is_file() for p in folder.rglob("*"))
    assert counted["rows"] == rows
    assert counted["duplicates"] >= 1
    assert counted["unmapped"] == len(list((folder / "FUTURE1").iterdir()))
    assert f"{rows:,} rows" in first
    assert "already" not in first

    second = load(capsys, dataset, folder)
    assert figures(client, dataset) == (rows, rows)
    assert f"{rows:,} of the duplicates were in the tables already" in second
    both = ledger(client, dataset)
    outcomes = ("rows", "duplicates", "dead_letters", "unmapped")
    assert both["records"] == sum(both[name] for name in outcomes)
    assert not [name for name in tables(client, dataset) if "staging" in name]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("POST .*/jobs"), id="job"),
        pytest.param(Fault("GET .*/queries/.*fields=", "quotaExceeded"), id="rows"),
    ],
)
def test_a_question_that_bigquery_does_not_answer_is_asked_again(
    client, bigquery_host, dataset, folder, monkeypatch, capsys, fault
):
    monkeypatch.setattr(loads, "JOB_TIMEOUT_SECONDS", 2.0)
    load(capsys, dataset, folder)
    rows, _ = figures(client, dataset)
    with failing(bigquery_host, fault) as to_come:
        said = load(capsys, dataset, folder)
    assert not to_come
    assert f"{rows:,} of the duplicates were in the tables already" in said
    assert figures(client, dataset) == (rows, rows)


def test_only_what_is_new_is_added_beside_rows_of_the_same_days(
    client, dataset, folder, capsys
):
    some = sorted((folder / "FREQ").iterdir())[:2]
    held = folder.parent / "held"
    held.mkdir()
    for path in some:
        path.rename(held / path.name)
    load(capsys, dataset, folder)
    before, _ = figures(client, dataset)
    for path in some:
        (held / path.name).rename(path)
    load(capsys, dataset, folder)
    after, distinct = figures(client, dataset)
    assert before < after == distinct


def test_a_tar_archive_gives_the_rows_of_its_folder(client, dataset, folder, capsys):
    archive = folder.parent / "backlog.tar.gz"
    with tarfile.open(archive, "w:gz") as written:
        written.add(folder, "backlog")
    load(capsys, dataset, archive)
    rows, _ = figures(client, dataset)
    said = load(capsys, dataset, folder)
    assert f"{rows:,} of the duplicates were in the tables already" in said
    assert figures(client, dataset) == (rows, rows)


def test_two_processes_write_the_rows_and_the_ledger_of_one(
    client, dataset, folder, capsys
):
    archive = folder.parent / "backlog.tar"
    with tarfile.open(archive, "w") as written:
        written.add(folder, "backlog")
    said = load(capsys, dataset, folder, "--workers=2")
    rows, distinct = figures(client, dataset)
    assert rows == distinct > 0
    counts = ledger(client, dataset)
    assert f"{counts['messages']:,} messages: {counts['records']:,} records" in said
    assert counts["records"] == rows + counts["duplicates"] + counts["unmapped"]
    assert counts["messages"] == sum(path.is_file() for path in folder.rglob("*"))
    # An archive is read by both, and each message of it is counted once.
    load(capsys, dataset, archive, "--workers=2")
    assert figures(client, dataset) == (rows, rows)
    again = {
        "rows": counts["rows"],
        "duplicates": counts["records"] + counts["duplicates"],
    }
    again["duplicates"] -= counts["unmapped"]
    expected = {name: 2 * count for name, count in counts.items()} | again
    assert ledger(client, dataset) == expected


def test_many_workers_give_the_same_rows_with_one_load_job_a_table(
    client, dataset, folder, bigquery_data, monkeypatch, capsys
):
    """The graph as a service runs it, on three threads of Beam's own runner."""
    buckets = bigquery_data / "bigquery" / "gcs"
    serve_buckets(monkeypatch, buckets)
    warehouse = Warehouse(client.project, dataset)
    plan = Plan(
        ReadFiles(str(folder), spread=True),
        "by_grouping",
        24,
        LoadRows(warehouse.load, "gs://temp/rows", spread=True),
        warehouse.insert,
        bounded=True,
    )
    many = ["--direct_num_workers=3", "--direct_running_mode=multi_threading"]
    options = PipelineOptions(many)
    with test_pipeline.TestPipeline(runner="FnApiRunner", options=options) as pipeline:
        build(pipeline, plan)
    rows, distinct = figures(client, dataset)
    assert rows == distinct > 20
    jobs = Counter(
        job.destination.table_id
        for job in client.list_jobs()
        if job.job_type == "load" and job.destination.dataset_id == dataset
    )
    assert set(jobs.values()) == {1}
    assert not list((buckets / "temp").rglob("*.parquet"))
    said = load(capsys, dataset, folder)
    assert f"{rows:,} of the duplicates were in the tables already" in said


def test_the_raw_archive_of_a_run_gives_its_rows_again(client, dataset, folder, capsys):
    archive = folder.parent / "archive"
    load(capsys, dataset, folder, f"--archive_prefix={archive}")
    rows, _ = figures(client, dataset)
    before = ledger(client, dataset)
    said = load(capsys, dataset, archive)
    assert f"{rows:,} of the duplicates were in the tables already" in said
    assert figures(client, dataset) == (rows, rows)
    assert ledger(client, dataset)["messages"] == 2 * before["messages"]


def test_an_archive_that_is_cut_off_is_said_so_and_is_no_success(
    client, dataset, folder, capsys
):
    archive = folder.parent / "cut.tar.gz"
    with tarfile.open(archive, "w:gz") as written:
        written.add(folder, "backlog")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    said = load(capsys, dataset, archive, code=1)
    assert "1 dead letters" in said
    rows, distinct = figures(client, dataset)
    assert rows == distinct > 0
    (letter,) = client.query(f"SELECT * FROM {dataset}.iris_dead_letters").result()
    assert (letter.reason, letter.payload) == ("UNREADABLE", None)
    assert letter.error.startswith(f"{archive}: cannot be read to its end")


def test_a_run_that_fails_says_so_in_one_line_and_can_be_repeated(
    client, dataset, folder, capsys
):
    client.query(f"ALTER TABLE {dataset}.iris_ledger DROP COLUMN entry_id").result()
    load(capsys, dataset, folder, code=1)
    rows, _ = figures(client, dataset)
    client.query(
        f"ALTER TABLE {dataset}.iris_ledger ADD COLUMN entry_id STRING"
    ).result()
    said = load(capsys, dataset, folder)
    assert f"{rows:,} of the duplicates were in the tables already" in said
    assert figures(client, dataset) == (rows, rows)


def test_files_archive_and_load_jobs_on_cloud_storage(
    client, dataset, folder, bigquery_data, monkeypatch, capsys
):
    # Where the local BigQuery has the objects that a load job names.
    buckets = bigquery_data / "bigquery" / "gcs"
    serve_buckets(monkeypatch, buckets)
    shutil.copytree(folder, buckets / "saved" / "in")
    (buckets / "saved" / "in" / "README.md").write_text("no message")
    (buckets / "saved" / "in" / "FREQ" / ".half.json.tmp").write_text("no message")
    messages = sum(path.is_file() for path in folder.rglob("*"))
    more = ("--archive_prefix=gs://saved/archive", "--temp_location=gs://saved/temp")
    load(capsys, dataset, "gs://saved/in", *more)
    rows, distinct = figures(client, dataset)
    assert rows == distinct > 20
    assert ledger(client, dataset)["messages"] == messages
    said = load(capsys, dataset, "gs://saved/archive/*/*/*.avro", more[1])
    assert f"{rows:,} of the duplicates were in the tables already" in said
    assert figures(client, dataset) == (rows, rows)
    assert not [path for path in (buckets / "saved/temp").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["REMIT", "EBOCF", "FREQ"])  # lists, RECORDs, neither
def test_loaded_rows_are_those_that_insert_all_stores(
    client, request, tmp_path, caplog, name
):
    place, one = own_dataset(client, request), load_registry()[name]
    apply_tables(client, place, list(all_tables({name: one})), "EU")
    warehouse = Warehouse(client.project, place)
    nested = {column.name for column in one.columns if column.type == "RECORD"}
    *rows, last = generated_rows(one)
    rows.append({key: value for key, value in last.items() if key not in nested})
    everything = f"SELECT * FROM {place}.{one.table} ORDER BY record_id"

    inserts = [Insert(row["record_id"], row) for row in rows]
    assert not any(warehouse.insert({one.table: inserts}).values())
    inserted = [dict(row) for row in client.query(everything).result()]
    client.query(f"DELETE FROM {place}.{one.table} WHERE TRUE").result()
    spool = Spool(str(tmp_path))
    metadata = {name: rows[0].get(name) for name in METADATA}
    records = [
        typed_record(
            name,
            row["record_id"],
            {key: row[key] for key in row if key not in (*METADATA, "record_id")},
            position,
        )
        for position, row in enumerate(rows)
    ]
    spool.add(RowBatch(name, metadata, {}, records))
    assert list(warehouse.load(spool.rest())) == [(one, Loaded(20, refused=[]))]
    assert "inserting row by row" not in caplog.text
    assert [dict(row) for row in client.query(everything).result()] == inserted


def test_loads_know_the_rows_that_were_inserted(client, dataset, folder, capsys):
    load(capsys, dataset, folder, "--write_method=STREAMING_INSERTS")
    rows, _ = figures(client, dataset)
    said = load(capsys, dataset, folder)
    assert f"{rows:,} of the duplicates were in the tables already" in said


def test_rows_that_a_table_does_not_take_are_dead_letters_and_cost_no_neighbour(
    client, dataset, folder, capsys
):
    client.query(f"ALTER TABLE {dataset}.bmrs_freq_iris DROP COLUMN frequency").result()
    said = load(capsys, dataset, folder)
    counted = ledger(client, dataset)
    letters = list(
        client.query(
            f"SELECT reason, dataset, payload, record_id "
            f"FROM {dataset}.iris_dead_letters"
        ).result()
    )
    assert len(letters) == counted["dead_letters"] > 0
    assert {(row.reason, row.dataset) for row in letters} == {
        ("INSERT_REJECTED", "FREQ")
    }
    record = json.loads(letters[0].payload)
    assert record["frequency"] > 0
    # By which a replay finds that it has become a row meanwhile.
    assert letters[0].record_id == record_id("FREQ", record)
    assert counted["rows"] == figures(client, dataset)[0] > 0
    assert f"{counted['dead_letters']:,} dead letters" in said


def test_a_record_that_a_load_does_not_take_is_kept_as_it_came(
    client, dataset, folder, capsys
):
    """Its times in another form, and a field that nobody knows, are part of its id."""
    client.query(f"ALTER TABLE {dataset}.bmrs_remit_iris DROP COLUMN cause").result()
    profile = {"startTime": "2026-05-06T02:31:00.000Z", "note": "new", "capacity": None}
    record = {"mrid": "m", "cause": "c", "outageProfile": [profile]}
    body = json.dumps(json.dumps([record]))
    (folder / "REMIT" / "REMIT_203001010000_1.json").write_text(body)
    load(capsys, dataset, folder)
    statement = f"SELECT payload, record_id FROM {dataset}.iris_dead_letters"
    letters = [(json.loads(p), name) for p, name in client.query(statement).result()]
    assert (record, record_id("REMIT", record)) in letters
    assert all(name == record_id("REMIT", other) for other, name in letters)


def test_a_replay_that_a_load_does_not_take_belongs_to_what_failed_first(
    client, dataset, tmp_path
):
    client.query(f"ALTER TABLE {dataset}.bmrs_freq_iris DROP COLUMN frequency").result()
    record = {"dataset": "FREQ", "frequency": 50.0}
    attributes = {"dataset": "FREQ", "message_id": "m", "publish_id": "m~replay-l-1"}
    attributes |= {"attempt": "2", "replay_of": "first", "enqueued_time": "no\ttime"}
    packed = {**attributes, "content_encoding": "gzip"}  # the message, not the record
    typed = typed_record("FREQ", record_id("FREQ", record), record, 0)
    warehouse = Warehouse(client.project, dataset)
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        loaded = (
            pipeline
            | beam.Create([RowBatch("FREQ", {"message_id": "m"}, packed, [typed])])
            | LoadRows(warehouse.load, str(tmp_path))
        )
        kept = loaded.dead_letters | beam.Map(lambda row: row.values)
        _ = kept | beam.Map(lambda row: warehouse.insert({LETTERS: [Insert("", row)]}))
    (letter,) = client.query(f"SELECT * FROM {dataset}.{LETTERS}").result()
    assert (letter.attempt, json.loads(letter.attributes)) == (2, attributes)
    assert json.loads(letter.payload) == record
    assert (letter.record_index, letter.record_id) == (None, typed.record_id)


def test_rows_beside_some_that_a_table_does_not_take_are_added_once(
    client, dataset, folder, capsys
):
    """Not every message of REMIT has a cause; the table has no column for it."""
    client.query(f"ALTER TABLE {dataset}.bmrs_remit_iris DROP COLUMN cause").result()
    path = next((folder / "REMIT").iterdir())
    (first, *_) = json.loads(json.loads(path.read_bytes()))
    del first["cause"]
    body = json.dumps(json.dumps([first | {"mrid": "no cause"}]))
    path.with_name("REMIT_203001010000_1.json").write_text(body)
    load(capsys, dataset, folder)
    rows, _ = figures(client, dataset)
    said = load(capsys, dataset, folder)
    assert figures(client, dataset) == (rows, rows)
    assert f"{rows:,} of the duplicates were in the tables already" in said


@pytest.mark.promise(
    part="pipeline",
    fault="two `--files` over the same files at once, on one machine",
    happens="the second waits for each table",
    lost="0",
    doubled="0",
    recovery="no outage",
    sees="`another run loads into TABLE: waiting for its end`",
)
def test_two_runs_at_once_over_the_same_files_store_each_row_once(
    client, bigquery_host, dataset, folder
):
    command = [sys.executable, "-m", "pipeline", f"--files={folder}"]
    command += ["--project=gb-iris", f"--dataset={dataset}"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in "12"]
    said = [run.communicate()[0] for run in both]
    assert [run.returncode for run in both] == [0, 0]
    rows, distinct = figures(client, dataset)
    assert rows == distinct > 20
    assert any("of the duplicates were in the tables already" in one for one in said)


def test_a_load_waits_for_one_of_another_process_into_the_same_table(caplog):
    with ThreadPoolExecutor() as threads:
        with load_locks.loading(["p.d.one", "p.d.two"]):
            other = threads.submit(lambda: enter(["p.d.two", "p.d.three"]))
            wait_until(lambda: "another run loads into p.d.two" in caplog.text)
            assert not other.done()
        assert other.result(60)


def enter(tables):
    with load_locks.loading(tables):
        return True
