"""The local BigQuery keeps its files few, and loses no row while it merges them."""

import subprocess
import time
from pathlib import Path

import pytest

from local.bigquery import emulator
from local.bigquery.environment import bigquery_python, server_environment
from local.process import ROOT
from tests.integration.bigquery_fixture import server

# More than the least number that is merged.
INSERTS = 12
WAIT_SECONDS = 120.0
KILLS = 2
# In the server's own process and environment, without its ports and pauses.
BEGINNING = """
import datetime as dt, pathlib, sys, threading
sys.path.insert(0, ".")
from local.bigquery import patched_server, saved_jobs, upkeep
from local_bigquery.engine import database
from local_bigquery.settings import settings
settings.data_dir = pathlib.Path(sys.argv[1])
settings.default_project_id = "p"
database.execute("CREATE SCHEMA IF NOT EXISTS p.d")
database.execute("CREATE TABLE IF NOT EXISTS p.d.t (n BIGINT)")
def insert(n):
    database.execute("INSERT INTO p.d.t VALUES ($1)", [n])
def files():
    return len(list(settings.data_dir.glob("p/d/t/*.parquet")))
def now():
    return dt.datetime.now(dt.UTC)
"""
MERGED = """
for n in range(7):
    insert(n)
upkeep.merge_files("p")
print(files())
for n in range(7, 20):
    insert(n)
upkeep.merge_files("p")
print(files())
upkeep.remove_replaced("p", now())
print(files(), database.fetch("SELECT count(*), sum(n) FROM p.d.t"))
"""
MEMORY = """
for n in range(40):
    insert(n)
    upkeep.merge_files("p")
database.fetch("SELECT sum(n) FROM p.d.t")
print(database.fetch(
    "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'EXTERNAL_FILE_CACHE'"
))
"""
# Blocks of a library, that malloc does not map one by one; some stay between them.
FREED = """
import ctypes, os
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
blocks = [library.malloc(20_000) for _ in range(10_000)]
for block in blocks:
    ctypes.memset(block, 1, 20_000)
for number, block in enumerate(blocks):
    if number % 100:
        library.free(block)
before = resident()
upkeep.return_memory()
print(before - resident())
"""
GARBAGE = """
import weakref
class Node:
    pass
cycle = Node()
cycle.itself, seen = cycle, weakref.ref(cycle)
del cycle
print(seen() is None)
upkeep.return_memory()
print(seen() is None)
"""
# What a run asks again and again: one row of a few columns.
SMALL_RESULTS = """
from local_bigquery.engine import results
row = "SELECT 1 AS a, 'b' AS b, 2.5 AS c, now() AS d"
with database.cursor() as cursor:
    for n in range(100):
        results.materialise(cursor, row, f"emulator._results.r{n}")
def in_memory():
    [(size,)] = database.fetch(
        "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
    )
    return size
before = in_memory()
upkeep.write_down("emulator")
print(before, in_memory())
print(database.fetch("SELECT a, b, c FROM emulator._results.r99"))
"""
FULL_DISK = """
import resource
insert(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
for catalog in ("emulator", "__ducklake_metadata_p"):
    upkeep.write_down(catalog)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
insert(2)
for catalog in ("emulator", "__ducklake_metadata_p"):
    upkeep.write_down(catalog)
print(database.fetch("SELECT n FROM p.d.t ORDER BY n"))
print(list(settings.data_dir.glob("room")))
"""
LATE = """
def mapped():
    return "libarrow" in pathlib.Path("/proc/self/maps").read_text()
insert(1)
database.fetch("SELECT * FROM p.d.t")
print(mapped())
import pyarrow
print(pyarrow.array([1, 2]).to_pylist(), mapped())
from local_bigquery.jobs import load
print(load._arrow_type("long", True))
"""
ALLOCATOR = """
print(database.fetch("SELECT current_setting('allocator_background_threads')"))
"""
CREATIONS = """
from local_bigquery.jobs import query
def versions():
    return database.fetch(
        "SELECT count(*), count(DISTINCT schema_version) FROM"
        " __ducklake_metadata_p.ducklake_schema_versions JOIN"
        " __ducklake_metadata_p.ducklake_table USING (table_id)"
        " WHERE table_name LIKE 'new%'"
    )[0]
def creating(*names):
    return ";".join(f"CREATE TABLE `p.d.{name}` (n INT64)" for name in names)
query.run_ddl("p", creating("new1", "new2", "new3"))
print(*versions())
try:
    query.run_ddl("p", creating("new4", "new1", "new5"))
except Exception as error:
    print(error)
print(*versions())
"""
RESULTS = """
from local_bigquery.models import Job
def run(name):
    database.execute(f'CREATE TABLE emulator._results."p:{name}" (n INT)')
    at = {"old": 11, "new": 9, "ancient": 60 * 24 + 1}[name]
    milliseconds = int((now() - dt.timedelta(minutes=at)).timestamp() * 1000)
    saved_jobs.save(Job.model_validate({
        "jobReference": {"projectId": "p", "jobId": name},
        "statistics": {
            "creationTime": str(milliseconds - 60_000),
            "endTime": str(milliseconds),
        },
        "status": {"state": "DONE"},
    }))
for name in ("old", "new", "ancient"):
    run(name)
upkeep.remove_results(now())
print(sorted(name for (name,) in database.fetch(upkeep.RESULTS_SQL)))
print([name for name in ("old", "new", "ancient") if saved_jobs.load("p", name)])
"""
CHANGED = """
from local.bigquery import columns
def seen():
    return [column.name for column in columns.columns("p", "d", "outer_view")]
database.execute("CREATE VIEW p.d.inner_view AS SELECT 1 AS a")
database.execute("CREATE VIEW p.d.outer_view AS SELECT * FROM p.d.inner_view")
print(seen())
database.execute("CREATE OR REPLACE VIEW p.d.inner_view AS SELECT 1 AS a, 2 AS b")
upkeep.remove_replaced("p", now())
print(seen())
"""
NEW = """
from local.bigquery import columns
def bound():
    columns.columns("p", "d", "v")
    return columns._remembered.cache_info().misses
database.execute("CREATE VIEW p.d.v AS SELECT * FROM p.d.t")
print(bound())
database.execute("CREATE TABLE p.d.other (n BIGINT)")
print(bound())
"""
SEEN = """
from local.bigquery import columns
def seen(sql):
    database.execute(sql)
    found = columns.table_or_view("p", "d", "x")
    of_it = columns.columns("p", "d", "x") if found else ()
    print(found, [column.name for column in of_it])
    print(dict(sorted(columns.nullable_columns("p", "d", "x").items())))
seen("CREATE TABLE p.d.x (a BIGINT NOT NULL)")
seen("INSERT INTO p.d.x VALUES (1), (2)")
seen("ALTER TABLE p.d.x ADD COLUMN b BIGINT")
seen("ALTER TABLE p.d.x ALTER COLUMN a DROP NOT NULL")
seen("DROP TABLE p.d.x")
seen("CREATE VIEW p.d.x AS SELECT 1 AS c")
"""
BUSY = """
(count, distinct), = database.fetch("SELECT count(*), count(DISTINCT n) FROM p.d.t")
assert count == distinct, (count, distinct)
print(count, flush=True)
def tidy():
    while True:
        upkeep.merge_files("p")
        upkeep.remove_replaced("p", now())
threading.Thread(target=tidy, daemon=True).start()
for n in range(count, count + 10_000):
    insert(n)
    print(n + 1, flush=True)
"""


def command(program: str, folder: Path) -> list[str]:
    return [str(bigquery_python()), "-c", BEGINNING + program, str(folder)]


def output_of(program: str, folder: Path) -> list[str]:
    done = subprocess.run(
        command(program, folder),
        cwd=ROOT,
        env=server_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_small_files_are_merged_when_there_are_many_and_every_row_stays(tmp_path):
    few, replaced, last = output_of(MERGED, tmp_path)
    assert (few, replaced, last) == ("7", "21", "1 [(20, 190)]")


def test_files_that_are_gone_are_not_kept_in_memory(tmp_path):
    assert output_of(MEMORY, tmp_path) == ["[(0,)]"]


def test_results_do_not_stay_in_memory_until_their_log_is_long(tmp_path):
    sizes, rows = output_of(SMALL_RESULTS, tmp_path)
    before, after = map(int, sizes.split())
    assert before > 4_000_000 and after < before / 4, sizes
    assert rows.startswith("[(1, 'b', ")


def test_a_full_disk_costs_no_database_at_a_checkpoint(tmp_path):
    """DuckDB would answer nothing of it until the server is started again."""
    assert output_of(FULL_DISK, tmp_path) == ["[(1,), (2,)]", "[]"]


def test_pyarrow_is_imported_when_it_is_used(tmp_path):
    assert output_of(LATE, tmp_path) == ["False", "[1, 2] True", "int64"]


def test_freed_memory_goes_back_to_the_system(tmp_path):
    (returned,) = output_of(FREED, tmp_path)
    assert int(returned) > 100_000_000  # of 198 million bytes that were freed


def test_garbage_does_not_wait_for_the_collector(tmp_path):
    assert output_of(GARBAGE, tmp_path) == ["False", "True"]


def test_duckdb_returns_memory_when_nothing_runs(tmp_path):
    assert output_of(ALLOCATOR, tmp_path) == ["[(True,)]"]


def test_tables_of_one_script_share_a_version_of_the_catalog(tmp_path):
    created, *_ = output_of(CREATIONS, tmp_path)
    assert created == "3 1"


def test_what_a_script_created_before_an_error_stays(tmp_path):
    _, error, created = output_of(CREATIONS, tmp_path)
    assert "Already Exists" in error
    assert created == "4 2"


def test_results_are_removed_after_ten_minutes_and_jobs_after_a_day(tmp_path):
    results, jobs = output_of(RESULTS, tmp_path)
    assert (results, jobs) == ("['p:new']", "['old', 'new']")


def test_a_view_has_its_new_columns_when_the_traces_of_a_change_have_expired(tmp_path):
    assert output_of(CHANGED, tmp_path) == ["['a']", "['a', 'b']"]


def test_what_is_remembered_of_a_name_holds_until_a_statement_changes_it(tmp_path):
    assert output_of(SEEN, tmp_path) == [
        "[('x', 'TABLE', 0)] ['a']",
        "{'a': False}",
        "[('x', 'TABLE', 2)] ['a']",
        "{'a': False}",
        "[('x', 'TABLE', 2)] ['a', 'b']",
        "{'a': False, 'b': True}",
        "[('x', 'TABLE', 2)] ['a', 'b']",
        "{'a': True, 'b': True}",
        "[] []",
        "{}",
        "[('x', 'VIEW', 0)] ['c']",
        "{}",
    ]


def test_the_columns_of_a_view_are_still_known_when_there_is_a_new_table(tmp_path):
    assert output_of(NEW, tmp_path) == ["1", "1"]


def test_a_server_merges_its_files_by_itself(tmp_path):
    with server(tmp_path) as ready:
        client = emulator.connect(ready["host"])
        client.create_dataset(emulator.DATASET, exists_ok=True)
        client.query_and_wait("CREATE TABLE many (n INT64)")
        table = f"{emulator.PROJECT}.{emulator.DATASET}.many"
        for n in range(INSERTS):
            assert not client.insert_rows_json(table, [{"n": n}])
        deadline = time.monotonic() + WAIT_SECONDS
        while len(list(tmp_path.glob("**/many/*.parquet"))) <= INSERTS:
            assert time.monotonic() < deadline, "nothing was merged"
            time.sleep(0.5)  # the merged file is the condition waited for
        [(rows,)] = client.query_and_wait("SELECT SUM(n) FROM many")
        assert rows == sum(range(INSERTS))


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_kill_while_files_are_merged_loses_no_row(tmp_path, kill):
    for inserts in (15 + 3 * kill, 20 + 5 * kill):
        process = subprocess.Popen(
            command(BUSY, tmp_path),
            cwd=ROOT,
            env=server_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        first, *stored = [int(process.stdout.readline()) for _ in range(inserts)]
        process.kill()
        stored += [int(line) for line in process.stdout.read().splitlines()]
        process.wait()
        assert stored[-1] - first == len(stored)
    # One more may be stored whose number was not printed. On a busy machine DuckDB
    # draws a bar of progress before it.
    counted = "print(database.fetch('SELECT count(*) FROM p.d.t')[0][0])"
    found = int(output_of(counted, tmp_path)[-1])
    assert found in (stored[-1], stored[-1] + 1)
