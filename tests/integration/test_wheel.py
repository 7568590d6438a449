"""What pip installs: the pipeline for workers, and `gb_iris` for those who read.

It runs from there, without the rest of the checkout.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.registry import Registry, load_registry
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.market_fixture import store

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "local" / "samples"
UV = Path(sys.executable).with_name("uv")
PROJECT = "gb-iris"
DATASETS = ("FREQ", "FUELINST", "BOALF")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of wheel and sdist, built from a copy of the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored, dirs_exist_ok=True)
    run(UV, "build", "--quiet", "--out-dir", copy / "dist", copy)
    return copy / "dist"


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def registry_files():
    return {
        f"pipeline/datasets/{p.name}" for p in ROOT.glob("pipeline/datasets/*.yaml")
    }


def test_the_wheel_holds_what_workers_and_readers_import_alone(built):
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "analysis",
        "command",
        "gb_iris",
        "pipeline",
        "gb_iris-0.1.0.dist-info",
    }
    assert registry_files() <= names
    packages = ("analysis", "command", "gb_iris", "pipeline")
    sources = (path for name in packages for path in ROOT.glob(f"{name}/**/*.py"))
    assert {str(path.relative_to(ROOT)) for path in sources} <= names


def test_the_sdist_holds_no_other_package(built):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert registry_files() <= names
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == {
        *("analysis", "command", "gb_iris", "pipeline", "gb_iris.egg-info")
    }


def new_environment(folder):
    """The Python of an empty environment, and the command that installs into it."""
    run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    return python, [UV, "pip", "install", "--quiet", "--python", python]


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """The Python of an environment that has what the image of the pipeline has."""
    python, install = new_environment(tmp_path_factory.mktemp("environment"))
    templates = ROOT / "templates"
    tools, locked = templates / "build-requirements.txt", templates / "requirements.txt"
    run(*install, "--require-hashes", "--only-binary", ":all:", "--requirement", tools)
    # As in the Dockerfile: what has no wheel is built with these tools.
    build = ("--no-build-isolation", "--only-binary", ":all:")
    build += ("--no-binary", "google-apitools")
    run(*install, "--require-hashes", *build, "--requirement", locked)
    run(*install, "--no-deps", *built.glob("*.whl"))
    run(UV, "pip", "check", "--python", python)
    return python


@pytest.fixture(scope="module")
def reader(built, tmp_path_factory):
    """The Python of an environment with the extra `read`."""
    python, install = new_environment(tmp_path_factory.mktemp("reader"))
    [wheel] = built.glob("*.whl")
    locked = ROOT / "requirements.lock"
    run(*install, "--constraint", locked, f"gb-iris[read] @ file://{wheel}")
    run(UV, "pip", "check", "--python", python)
    return python


def lacks(python, package):
    """Makes sure that an environment has no such package."""
    code = f"import importlib.util as u, sys; sys.exit(bool(u.find_spec({package!r})))"
    run(python, "-P", "-c", code)


def test_a_bounded_run_needs_nothing_else(python, client, request, tmp_path):
    name = own_dataset(client, request)
    registry = load_registry()
    tables = all_tables({dataset: registry[dataset] for dataset in DATASETS})
    apply_tables(client, name, list(tables), "EU")
    for dataset in DATASETS:
        shutil.copytree(SAMPLES / dataset, tmp_path / "saved" / dataset)
    place = ["--project", PROJECT, "--dataset", name]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run(
        *(python, "-m", "pipeline", "--files", tmp_path / "saved", *place),
        cwd=tmp_path,
        env=environment,
    )
    for dataset in DATASETS:
        table = f"{PROJECT}.{name}.{registry[dataset].table}"
        [row] = client.query(f"SELECT COUNT(*) AS stored FROM {table}").result()
        assert row.stored


def test_the_scheduled_check_needs_nothing_else(python, client, request, tmp_path):
    name = own_dataset(client, request)
    registry = {dataset: load_registry()[dataset] for dataset in DATASETS}
    apply_tables(client, name, list(all_tables(registry)), "EU")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sql", tmp_path / "sql", ignore=ignored)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    place = ["--project", PROJECT, "--dataset", name]
    check = (python, "-m", "sql", "check", "--only", "ledger", *place)
    done = subprocess.run(
        [str(word) for word in check],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    # It fails as it should, as most tables are missing here.
    assert (done.returncode, done.stderr) == (1, "")
    assert "ledger: no entries" in done.stdout


@pytest.mark.parametrize(
    "package", ["bridge", "cloud", "local", "scipy", "sql", "azure"]
)
def test_what_workers_do_not_need_is_not_there(python, package):
    lacks(python, package)


@pytest.mark.parametrize("package", ["apache_beam", "azure", "local", "scipy", "sql"])
def test_what_readers_do_not_need_is_not_there(reader, package):
    lacks(reader, package)


READING = """
import sys
from gb_iris import read

frames = [read("FUELINST", dataset=sys.argv[1], format=name)
          for name in ("pandas", "polars", "arrow")]
print(*(type(frame).__module__.partition(".")[0] for frame in frames))
print(*(len(frame) for frame in frames))
print(frames[0].dtypes["startTime"], frames[0].dtypes["generation"])
"""


def test_rows_are_read_without_beam(reader, client, request, tmp_path, bigquery_server):
    name = own_dataset(client, request)
    registry = Registry([load_registry()["FUELINST"]])
    apply_tables(client, name, list(all_tables(registry)), "EU")
    apply_views(client, name, registry)
    time = "2026-05-06T10:00:00Z"
    row = {"startTime": time, "settlementDate": "2026-05-06", "generation": 7}
    store(client, f"{PROJECT}.{name}.bmrs_fuelinst_iris", [row])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["BIGQUERY_GRPC_PORT"] = str(bigquery_server["grpc_port"])
    found = run(reader, "-P", "-c", READING, name, cwd=tmp_path, env=environment)
    assert found.splitlines() == [
        "pandas polars pyarrow",
        "1 1 1",
        "datetime64[us, UTC] Int64",
    ]


def test_the_core_alone_says_which_extra_reads(built, tmp_path):
    python, install = new_environment(tmp_path / "core")
    run(*install, "--constraint", ROOT / "requirements.lock", *built.glob("*.whl"))
    lacks(python, "pyarrow")
    command = [str(python), "-P", "-c", "from gb_iris import read"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith("pip install 'gb-iris[read]'")


def test_an_analysis_says_which_extra_it_needs(reader, tmp_path):
    command = [str(reader), "-P", "-m", "analysis", "battery", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.endswith("scipy is not installed: pip install 'gb-iris[analysis]'")
