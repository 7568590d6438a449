"""`read` finds the BigQuery of a DATA folder, and starts one where none runs."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from command.data_state import running_state
from command.usage import UsageError
from gb_iris import ReadError, read
from local.bigquery.emulator import DATASET, connect
from tests.integration.bigquery_fixture import server

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from command.data_state import running_state
from gb_iris import read
from pathlib import Path

folder = Path(sys.argv[1])
seen = []
for _ in range(2):
    [value] = read("gb_own", data=folder)["value"]
    seen.append([int(value), running_state(folder)["pid"]])
print(json.dumps(seen))
"""
# It would take half an hour.
SLOW = """
CREATE OR REPLACE VIEW gb_slow AS
SELECT COUNTIF(MOD(a * b, 7) = 3) AS value
FROM UNNEST(GENERATE_ARRAY(1, 1000000)) AS a, UNNEST(GENERATE_ARRAY(1, 1000000)) AS b
"""
MAKE = "CREATE TABLE gb_own AS SELECT 7 AS value"


@pytest.fixture(autouse=True)
def no_address(monkeypatch):
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A DATA folder with a table; nothing runs there."""
    data = tmp_path_factory.mktemp("data")
    with server(data) as ready:
        client = connect(ready["host"])
        client.create_dataset(DATASET)
        client.query_and_wait(MAKE)
    return data


def run(program, *arguments, **options):
    # A proxy, as in the network of a company, reaches nothing of this machine.
    proxies = {"http_proxy": "http://127.0.0.1:1", "no_proxy": "", "NO_PROXY": ""}
    environment = {**os.environ, **proxies, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        **options,
    )


def test_the_bigquery_that_runs_on_the_folder_is_used(folder):
    with server(folder):
        pid = running_state(folder)["pid"]
        assert list(read("gb_own", data=folder)["value"]) == [7]
        assert running_state(folder)["pid"] == pid


def test_one_is_started_for_the_program_and_ends_with_it(folder):
    done = run(PROGRAM, folder)
    assert done.returncode == 0, done.stderr
    (first, pid), (second, same) = json.loads(done.stdout)
    assert (first, second, pid) == (7, 7, same)
    assert running_state(folder) is None


def test_one_that_was_started_ends_with_a_program_that_is_killed(folder):
    program = PROGRAM + "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    run(program, folder)
    # Its owner waits for the end of the other, which holds the folder until then.
    with server(folder):
        assert list(read("gb_own", data=str(folder))["value"]) == [7]


def test_a_read_fails_when_its_bigquery_ends(folder):
    with server(folder) as ready, ThreadPoolExecutor(1) as pool:
        client = connect(ready["host"])
        client.query_and_wait(SLOW)
        running = {
            "state_filter": "running",
            "min_creation_time": dt.datetime.now(dt.UTC),
        }
        reading = pool.submit(read, "gb_slow", data=folder)
        while not list(client.list_jobs(**running)):
            assert not reading.done()
        os.kill(running_state(folder)["pid"], signal.SIGKILL)
        with pytest.raises(ReadError, match="BigQuery does not answer"):
            reading.result()


def test_a_folder_without_tables_is_a_mistake(tmp_path):
    with pytest.raises(UsageError, match=r"no tables in .*make run-local"):
        read("FREQ", data=tmp_path)


def test_a_folder_far_from_a_checkout_is_not_served(folder, tmp_path):
    for package in ("command", "gb_iris", "pipeline"):
        shutil.copytree(ROOT / package, tmp_path / "site" / package)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        f"from gb_iris import read\nread('gb_own', data={str(folder)!r})"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1].endswith(
        "start it with `make up` in your checkout"
    )


def test_a_script_in_any_folder_imports_it_in_the_projects_environment(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import gb_iris; print(gb_iris.__name__)")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("gb_iris\n", "")


def test_an_address_at_which_nothing_answers_is_a_mistake(monkeypatch):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="nothing answers at"):
        read("FREQ")
