"""Finding a Python for the local BigQuery, and knowing when it is installed."""

import sys
from pathlib import Path

import pytest

from command.usage import UsageError
from local.bigquery import environment


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """No Python on the PATH, in pyenv, or with uv."""
    script(tmp_path / "uv", "exit 2")
    monkeypatch.setattr(environment, "find_uv_bin", lambda: str(tmp_path / "uv"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def test_a_shim_that_fails_is_skipped(bare_machine):
    script(bare_machine / "bin" / "python3.13", "exit 127")
    script(bare_machine / "bin" / "python3", "echo 3.11")
    real = bare_machine / "pyenv" / "versions" / "3.13.9" / "bin" / "python"
    script(real, "echo 3.13")
    assert environment.find_python() == str(real)


def test_one_line_says_how_to_get_a_python(bare_machine):
    assert environment.find_python() is None
    with pytest.raises(UsageError, match=r"needs Python 3\.13.*install it") as caught:
        environment.fetch_python()
    assert "\n" not in str(caught.value)


def test_an_interrupted_installation_is_not_ready(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert not environment.is_ready("hash")
    (tmp_path / "complete").write_text("hash")
    assert environment.is_ready("hash")
    assert not environment.is_ready("hash of another lock file")


def test_an_environment_whose_python_is_gone_is_not_ready(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(tmp_path / "uninstalled")
    (tmp_path / "complete").write_text("hash")
    assert not environment.is_ready("hash")
