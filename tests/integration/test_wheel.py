"""What workers install: the pipeline and its registry alone, and it runs from there."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.registry import load_registry
from sql.apply import apply_tables
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset

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


def test_the_wheel_holds_the_pipeline_and_its_registry_alone(built):
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "command",
        "pipeline",
        "gb_iris-0.1.0.dist-info",
    }
    assert registry_files() <= names
    sources = (*ROOT.glob("command/*.py"), *ROOT.glob("pipeline/**/*.py"))
    assert {str(path.relative_to(ROOT)) for path in sources} <= names


def test_the_sdist_holds_no_other_package(built):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert registry_files() <= names
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == {"command", "pipeline", "gb_iris.egg-info"}


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """The Python of an environment that has what the image of the pipeline has."""
    environment = tmp_path_factory.mktemp("environment")
    run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--python", python]
    locked = ROOT / "templates" / "requirements.txt"
    run(*install, "--require-hashes", "--requirement", locked)
    run(*install, "--no-deps", *built.glob("*.whl"))
    run(UV, "pip", "check", "--python", python)
    return python


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


@pytest.mark.parametrize("package", ["bridge", "cloud", "local", "sql", "azure"])
def test_what_workers_do_not_need_is_not_there(python, package):
    code = f"import importlib.util as u, sys; sys.exit(bool(u.find_spec({package!r})))"
    run(python, "-P", "-c", code)
