"""The Storage Write API, against the local BigQuery's."""

import json
from contextlib import suppress

import pytest
from google.api_core.exceptions import NotFound, ServiceUnavailable

from command.tables_path import TablesPath
from command.usage import UsageError
from pipeline.bigquery import appends
from pipeline.bigquery.client import connect_writer, local_grpc_host
from pipeline.bigquery.inserts import Insert
from pipeline.bigquery.warehouse import Warehouse
from pipeline.command import main
from pipeline.registry import load_registry
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.unit.pipeline.bigquery.rows_fixture import generated_rows

pytestmark = pytest.mark.integration

REGISTRY = load_registry()
# Every column type, RECORDs and lists among them.
NAMES = ("FREQ", "FUELINST", "REMIT", "SOSO", "NDF")
PROJECT = "gb-iris"


@pytest.fixture
def storage(client, bigquery_server, monkeypatch):
    """The client of the Storage Write API."""
    monkeypatch.setenv("BIGQUERY_GRPC_PORT", str(bigquery_server["grpc_port"]))
    appends.own_stream.cache_clear()
    connect_writer.cache_clear()
    yield connect_writer()
    connect_writer.cache_clear()


@pytest.fixture
def dataset(client, request, storage):
    """A BigQuery dataset of one test's own, with the tables of `NAMES`."""
    name = own_dataset(client, request)
    tables = {dataset: REGISTRY[dataset] for dataset in NAMES}
    apply_tables(client, name, list(all_tables(tables)), "EU")
    return name


def inserts(name):
    return [Insert(row["record_id"], row) for row in generated_rows(REGISTRY[name])]


def stored(client, dataset, name):
    table = f"{PROJECT}.{dataset}.{REGISTRY[name].table}"
    job = client.query(f"SELECT * FROM {table} ORDER BY record_id")
    return [dict(row) for row in job.result()]


@pytest.mark.parametrize("exactly_once", [False, True])
def test_rows_are_those_that_insert_all_stores(client, dataset, exactly_once):
    warehouse = Warehouse(PROJECT, dataset)
    rows = {REGISTRY[name].table: inserts(name) for name in NAMES}
    assert not any(warehouse.insert(rows).values())
    inserted = {name: stored(client, dataset, name) for name in NAMES}
    assert all(inserted.values())
    for name in NAMES:
        table = f"{PROJECT}.{dataset}.{REGISTRY[name].table}"
        client.query_and_wait(f"DELETE FROM {table} WHERE TRUE")
    assert not any(warehouse.append(rows, exactly_once=exactly_once).values())
    assert {name: stored(client, dataset, name) for name in NAMES} == inserted


class LostAnswers:
    """A client whose next answer is lost on the way back; the rows are stored."""

    def __init__(self, client, error):
        self._client, self._error = client, error
        self._is_lost = True

    def __getattr__(self, name):
        return getattr(self._client, name)

    def append_rows(self, *arguments, **options):
        answers = list(self._client.append_rows(*arguments, **options))
        is_lost, self._is_lost = self._is_lost, False
        if is_lost and self._error:
            raise self._error
        return [] if is_lost else answers


def lose_answer(monkeypatch, storage, error):
    client = LostAnswers(storage, error)
    monkeypatch.setattr(appends, "connect_writer", lambda: client)


def freq_rows(client, dataset):
    return [row["record_id"] for row in stored(client, dataset, "FREQ")]


# None is a call that ends well, without an answer.
@pytest.mark.parametrize("error", [ServiceUnavailable("the line is cut"), None])
@pytest.mark.parametrize(("exactly_once", "times"), [(False, 2), (True, 1)])
def test_a_request_whose_answer_is_lost_is_repeated(
    client, dataset, storage, monkeypatch, exactly_once, times, error
):
    rows = inserts("FREQ")
    lose_answer(monkeypatch, storage, error)
    table = appends.Table(TablesPath(PROJECT, dataset), REGISTRY["FREQ"])
    for _ in range(2):  # what follows is stored, too
        assert appends.append(table, rows, exactly_once=exactly_once) == []
    ids = [row.insert_id for row in rows]
    assert freq_rows(client, dataset) == sorted(ids * (times + 1))


@pytest.mark.parametrize("error", [RuntimeError("killed"), NotFound("stream")])
def test_rows_after_a_request_of_unknown_end_are_stored(
    client, dataset, storage, monkeypatch, error
):
    first, second = inserts("FREQ")[:5], inserts("FREQ")[5:10]
    table = appends.Table(TablesPath(PROJECT, dataset), REGISTRY["FREQ"])
    lose_answer(monkeypatch, storage, error)
    with suppress(RuntimeError):
        appends.append(table, first, exactly_once=True)
    assert appends.append(table, second, exactly_once=True) == []
    assert {row.insert_id for row in second} <= set(freq_rows(client, dataset))


def test_a_row_that_bigquery_refuses_costs_its_neighbours_nothing(client, dataset):
    table = f"{PROJECT}.{dataset}.{REGISTRY['FREQ'].table}"
    client.query_and_wait(f"ALTER TABLE {table} DROP COLUMN extra")
    rows = inserts("FREQ")
    for index in (3, 7):
        rows[index] = rows[index]._replace(values={**rows[index].values, "extra": "{}"})
    rows[5] = rows[5]._replace(values={**rows[5].values, "frequency": "fifty"})
    place = appends.Table(TablesPath(PROJECT, dataset), REGISTRY["FREQ"])
    refused = appends.append(place, rows, exactly_once=False)
    assert [one.position for one in refused] == [3, 5, 7]
    assert "extra" in refused[0].error
    assert "frequency" in refused[1].error
    assert len(freq_rows(client, dataset)) == len(rows) - 3


def test_a_request_may_be_as_large_as_the_pipeline_makes_them(client, dataset):
    row = inserts("FREQ")[0]
    large = row._replace(
        values={**row.values, "extra": "x" * (appends.MAX_BYTES - 1_000)}
    )
    table = appends.Table(TablesPath(PROJECT, dataset), REGISTRY["FREQ"])
    assert appends.append(table, [large], exactly_once=False) == []
    assert freq_rows(client, dataset) == [row.insert_id]


def test_a_run_of_files_is_balanced(client, dataset, tmp_path):
    folder = tmp_path / "FREQ"
    folder.mkdir()
    for number in range(3):
        record = {"measurementTime": "2026-05-08T01:02:00Z", "frequency": 50 + number}
        body = json.dumps([{**record, "dataset": "FREQ"}] * (number + 1))
        (folder / f"{number}.json").write_text(body)
    (folder / "broken.json").write_text("[{")
    place = [f"--project={PROJECT}", f"--dataset={dataset}"]
    method = ["--write_method=STORAGE_WRITE_API", "--exactly_once"]
    assert main([f"--files={tmp_path}", *place, *method]) == 0
    sums = "SUM(records) AS records, SUM(`rows`) AS stored, SUM(duplicates) AS twice"
    [ledger] = client.query(f"SELECT {sums} FROM {PROJECT}.{dataset}.iris_ledger")
    assert (ledger.records, ledger.stored, ledger.twice) == (7, 3, 3)
    assert len(freq_rows(client, dataset)) == 3


def test_a_local_bigquery_without_the_port_is_a_users_mistake(monkeypatch, capsys):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.delenv("BIGQUERY_GRPC_PORT", raising=False)
    with pytest.raises(UsageError, match="BIGQUERY_GRPC_PORT"):
        local_grpc_host()


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_local_bigquery_is_found_with_and_without_a_scheme(monkeypatch, scheme):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"{scheme}127.0.0.1:1")
    monkeypatch.setenv("BIGQUERY_GRPC_PORT", "2")
    assert local_grpc_host() == "127.0.0.1:2"
