"""The first run without a network: one line, and no minutes of trying."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from command.usage import UsageError
from local.bigquery import environment

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
# Settings of pip and uv on this machine, such as a folder with packages.
CLEAN = {
    name: text
    for name, text in os.environ.items()
    if not name.startswith(("PIP_", "UV_")) and not name.lower().endswith("_proxy")
} | {"PIP_CONFIG_FILE": os.devnull}
NO_INDEX = {"PIP_INDEX_URL": "https://index.invalid/simple"}


def look(**settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.package_index"],
        cwd=ROOT,
        env=CLEAN | settings,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What setup.sh needs, without an environment."""
    for name in ("local", "command"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    return tmp_path


def test_setup_without_a_network_is_one_line_and_installs_nothing(
    checkout: Path,
) -> None:
    done = subprocess.run(
        ["sh", "local/setup.sh"],
        cwd=checkout,
        env=CLEAN | NO_INDEX,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "setup: no network: index.invalid:443 cannot be found by its name; connect, "
        "and run the command again\n"
    )
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "before", "lock"),
    [
        ([], [], "local/requirements.lock"),
        (["developer"], [], "requirements.lock"),
        ([], ["developer"], "requirements.lock"),
    ],
)
def test_a_developer_s_environment_stays_one(
    checkout: Path, arguments: list[str], before: list[str], lock: str
) -> None:
    folder = checkout / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    uv = folder / "bin" / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >{checkout}/installed\n')
    uv.chmod(0o755)
    for name in before:
        (folder / name).touch()
    subprocess.run(
        ["sh", "local/setup.sh", *arguments],
        cwd=checkout,
        env=CLEAN | {"PIP_FIND_LINKS": str(checkout)},
        capture_output=True,
        check=True,
    )
    assert (checkout / "installed").read_text().split()[-1] == lock
    is_developers = lock == "requirements.lock"
    assert (folder / "developer").exists() == is_developers
    assert (folder / "complete").exists()


def test_an_environment_without_pip_is_made_again(checkout: Path) -> None:
    """As Ctrl-C in its first seconds leaves it."""
    folder = checkout / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    for name in ("requirements.lock", "local/requirements.lock"):
        (checkout / name).write_text("")
    done = subprocess.run(
        ["sh", "local/setup.sh"],
        cwd=checkout,
        env=CLEAN | {"PIP_FIND_LINKS": str(checkout)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pip = [folder / "bin" / "python", "-m", "pip", "--version"]
    assert subprocess.run(pip, capture_output=True).returncode == 0
    assert (folder / "complete").exists()


def test_the_local_bigquery_without_a_network_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {*os.environ} - {*CLEAN}:
        monkeypatch.delenv(name)
    for name, text in (CLEAN | NO_INDEX).items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path / "venv")
    with pytest.raises(UsageError) as caught:
        environment.bigquery_python()
    assert str(caught.value) == (
        "no network: index.invalid:443 cannot be found by its name; the local BigQuery "
        "is installed on first use: connect, and run the command again"
    )
    assert not (tmp_path / "venv").exists()


def test_a_proxy_that_does_not_answer_is_named() -> None:
    done = look(**NO_INDEX, HTTPS_PROXY="http://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (
        2,
        "no network: the proxy 127.0.0.1:1 refuses the connection\n",
    )


def test_one_index_that_answers_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
        done = look(**NO_INDEX, PIP_EXTRA_INDEX_URL=url)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_folder_with_packages_needs_no_network(tmp_path: Path) -> None:
    done = look(**NO_INDEX, PIP_FIND_LINKS=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")
