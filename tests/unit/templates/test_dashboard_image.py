"""The dashboard's container, as far as it can be tested without Docker."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.integration.dockerfile_fixture import ROOT, instructions
from tests.unit.templates.test_bridge_image import TAGGED, locked

FOLDER = ROOT / "templates/dashboard"
TERRAFORM = ROOT / "templates/terraform/modules/dashboard/main.tf"


def named(name: str) -> list[str]:
    found = instructions(FOLDER / "Dockerfile")
    return [one.text for one in found if one.name == name]


def sources() -> list[str]:
    """What the image has of this repository."""
    copies = [text.split() for text in named("COPY") if "--from" not in text]
    return [source for source, target in copies if target.startswith("/app/")]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python where nothing but the image's files can be imported."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_base_image_is_pinned() -> None:
    assert named("FROM")
    assert all(TAGGED.fullmatch(image) for image in named("FROM"))


def test_it_runs_as_a_number_that_is_not_root() -> None:
    (user,) = named("USER")
    assert all(int(part) >= 10_000 for part in user.split(":"))


def test_its_packages_are_those_of_the_lock_file() -> None:
    ours = locked(FOLDER / "requirements.txt")
    assert ours.items() <= locked(ROOT / "requirements.lock").items()
    assert {"starlette", "uvicorn", "vl-convert-python"} <= ours.keys()
    assert not {"apache-beam", "azure-servicebus", "matplotlib"} & ours.keys()


def test_its_files_are_enough_to_start(tmp_path: Path) -> None:
    for source in sources():
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / source, tmp_path / source, ignore=skipped)
    load = "import dashboard.server, dashboard.serve, sys; print(*sys.modules)"
    done = run(tmp_path, "-c", load)
    assert done.returncode == 0, done.stderr
    assert "apache_beam" not in done.stdout.split()


def test_the_scripts_are_made_where_the_server_looks_for_them() -> None:
    (made,) = re.findall(r"Scripts\(Path\('(\S+)'\)\)", "".join(named("RUN")))
    command = json.loads(named("CMD")[0])
    data = command[command.index("--data") + 1]
    assert made == f"{data}/dashboard"
    assert f'"--data", "{data}"' in TERRAFORM.read_text()


def test_the_service_uses_options_that_the_command_has() -> None:
    (block,) = re.findall(r"args = \[(.*?)\]", TERRAFORM.read_text(), re.DOTALL)
    options = re.findall(r'"(--[\w-]+)"', block)
    printed = run(ROOT, "-m", "dashboard", "serve", "--help").stdout
    assert options
    assert [option for option in options if option not in printed] == []
