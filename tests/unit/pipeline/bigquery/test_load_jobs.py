"""Load jobs, where BigQuery answers as the local one cannot."""

from types import SimpleNamespace

import pytest
from google.api_core.exceptions import Conflict, NotFound, ServiceUnavailable

from command.tables_path import TablesPath
from pipeline.bigquery import inserts, patience
from pipeline.bigquery.inserts import Insert, insert
from pipeline.bigquery.loads import Spooled, delete_staging, load, run_job
from pipeline.registry import load_registry

PATH = TablesPath("p", "d")


class Regional:
    """A client of jobs in London, which are not found without their region."""

    def __init__(self):
        self.jobs = {}

    def get_table(self, _name, **_more):
        return SimpleNamespace(location="europe-west2")

    def get_job(self, job_id, location=None, **_more):
        if location != "europe-west2":
            raise NotFound(f"Not found: Job gb-iris:{job_id}")
        return self.jobs[job_id]

    def start(self, job_id):
        """Starts a job; the first answer is lost on its way."""
        if job_id in self.jobs:
            raise Conflict(f"Already Exists: Job gb-iris:europe-west2.{job_id}")
        self.jobs[job_id] = SimpleNamespace(state="DONE", result=lambda timeout: None)
        raise ConnectionError("connection reset")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.0)


def test_a_job_whose_answer_was_lost_is_found_in_its_region():
    client = Regional()
    job = run_job(client, client.start, "p.d.t", "rows")
    assert [job] == list(client.jobs.values())


def test_a_staging_table_that_cannot_be_deleted_costs_no_rows(caplog):
    """Its rows are in the target by then, and it expires."""

    class Gone:
        def delete_table(self, *_arguments, **_more):
            raise ConnectionError("connection reset")

    delete_staging(Gone(), "p.d.iris_staging_x")
    assert "stays until it expires" in caplog.text


def test_a_file_that_is_gone_is_not_waited_for(tmp_path, monkeypatch):
    """As when a run has failed, on a full disk, while a load waited for BigQuery."""
    file = tmp_path / "rows.parquet"
    file.write_bytes(b"rows")

    class Busy:
        def load_table_from_file(self, *_arguments, **_more):
            file.unlink()
            raise ServiceUnavailable("try later")

    monkeypatch.setattr(patience, "MAX_PAUSE_SECONDS", 0.0)
    spooled = Spooled(str(file), 1, "2026-05-08", "2026-05-08", False)
    with pytest.raises(FileNotFoundError):
        load(Busy(), PATH, load_registry()["FREQ"], [spooled], is_filled=False)


def test_a_missing_table_is_waited_for_once(monkeypatch):
    """A backlog has thousands of requests for it, at three seconds each."""
    answers = [NotFound("Not found: Table p:d.t")] * 9

    def lacking(*_arguments):
        if answers:
            raise answers.pop()
        return []

    monkeypatch.setattr(inserts, "insert_all", lacking)
    monkeypatch.setattr(inserts, "MAX_ROWS", 1)
    monkeypatch.setattr(patience, "MAX_PAUSE_SECONDS", 0.0)
    rows = [Insert(str(number), {}) for number in range(8)]
    rejected = insert(None, "p.d.t", rows)
    assert [row.position for row in rejected] == [0, 1, 2, 3, 4, 5]
