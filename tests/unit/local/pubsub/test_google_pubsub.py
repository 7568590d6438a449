"""Finding Google's emulator, with fake `java` and `gcloud` programs."""

import argparse
import sys
from pathlib import Path

import pytest

from command.usage import UsageError
from local.data_folder import DataFolder
from local.pubsub.google_pubsub import (
    google_emulator_command,
    pubsub_command,
    wait_until_ready,
)
from local.stack.command import configure
from local.stack.plan import services_plan


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A function that puts a program on an otherwise empty PATH."""
    monkeypatch.delenv("PUBSUB", raising=False)
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name, script, at=folder):
        at.mkdir(parents=True, exist_ok=True)
        program = at / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        if at != folder:
            (folder / name).symlink_to(program)
        return str(folder / name)

    return add


@pytest.fixture
def sdk(tmp_path):
    """A Cloud SDK's folder with two versions of the emulator."""
    jars = tmp_path / "sdk/platform/pubsub-emulator/lib"
    jars.mkdir(parents=True)
    for version in ("0.8.9", "0.8.20"):
        (jars / f"cloud-pubsub-emulator-{version}-all.jar").touch()
    return tmp_path / "sdk"


def newest(sdk):
    return str(next(sdk.rglob("*0.8.20-all.jar")))


def test_newest_jar_beside_gcloud_is_found_without_running_it(programs, sdk):
    java = programs("java", "exit 0")
    programs("gcloud", "exit 1", at=sdk / "bin")
    assert google_emulator_command("127.0.0.1", 8085) == [
        java,
        "-jar",
        newest(sdk),
        "--host=127.0.0.1",
        "--port=8085",
    ]


def test_wrapped_gcloud_is_asked_where_its_sdk_is(programs, sdk):
    programs("java", "exit 0")
    programs("gcloud", f"echo {sdk}")
    command = google_emulator_command("127.0.0.1", 8085)
    assert command is not None
    assert command[2] == newest(sdk)


@pytest.mark.parametrize(
    ("java", "gcloud", "reason"),
    [
        (None, "exit 0", "Java"),
        ("exit 1", "exit 0", "Java"),
        ("exit 0", None, "install the Google Cloud SDK"),
        ("exit 0", "exit 1", "components install"),
    ],
    ids=["no java", "java stub", "no gcloud", "no emulator"],
)
def test_what_is_missing_is_said(programs, java, gcloud, reason):
    for name, script in {"java": java, "gcloud": gcloud}.items():
        if script:
            programs(name, script)
    assert google_emulator_command("127.0.0.1", 8085) is None
    with pytest.raises(UsageError, match=reason) as raised:
        pubsub_command("google", "127.0.0.1", 8085, Path("data"))
    assert "\n" not in str(raised.value)


EMBEDDED = [sys.executable, "-m", "local", "pubsub", "--host", "127.0.0.1"]
EMBEDDED += ["--port", "8085", "--data", "data"]


def test_the_embedded_one_is_a_module_of_this_project():
    assert pubsub_command("embedded", "127.0.0.1", 8085, Path("data")) == EMBEDDED


def test_google_is_used_when_asked_for(programs, sdk):
    programs("java", "exit 0")
    programs("gcloud", "exit 1", at=sdk / "bin")
    command = pubsub_command("google", "127.0.0.1", 8085, Path("data"))
    assert command[2] == newest(sdk)


def test_the_embedded_one_is_the_default_where_google_is_installed(programs, sdk):
    programs("java", "exit 0")
    programs("gcloud", "exit 1", at=sdk / "bin")
    parser = argparse.ArgumentParser()
    configure(parser)
    options = parser.parse_args(["run", "--data", str(sdk / "data")])
    plan = services_plan(DataFolder(options.data), "make run-local", options)
    assert plan.pubsub == "embedded"


def test_silence_ends_in_one_clear_line():
    with pytest.raises(TimeoutError, match=r"127\.0\.0\.1:1 did not answer in 0\.2 s"):
        wait_until_ready("127.0.0.1", 1, deadline_seconds=0.2)
