"""What `make run-local` installs is enough for all that a user runs."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
# Modules of the local BigQuery's own environment need what only that has.
ALL_MODULES = """
import importlib, pkgutil

for name in "bridge cloud command dashboard gb_iris local pipeline sql".split():
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if module.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name.split(".")[0] not in ("duckdb", "local_bigquery", "sqlglot"):
                print(module.name, error)
"""
OPEN_BUCKET = """
from apache_beam.io.filesystems import FileSystems
print(type(FileSystems.get_filesystem("gs://bucket/object")).__name__)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment")
    run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    lock = ROOT / "local" / "requirements.lock"
    run(UV, "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock)
    return python


def run(*command):
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_module_finds_what_it_imports(python):
    assert run(python, "-c", ALL_MODULES) == ""


def test_beam_opens_buckets_and_warns_of_nothing(python):
    assert run(python, "-c", OPEN_BUCKET) == "GCSFileSystem\n"


def test_packages_agree(python):
    run(UV, "pip", "check", "--python", python)
