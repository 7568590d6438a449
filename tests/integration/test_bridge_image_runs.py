"""What the Dockerfile puts into the image is enough to run the bridge.

There is no Docker where these tests run: its COPYs and its requirements are carried
out here, into a folder that is read-only afterwards.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.ports import private_port
from tests.integration.bridge_fixture import (
    CLEAN,
    DEADLINE_SECONDS,
    TOPIC,
    PubSub,
    Simulator,
    running,
    wait_until,
    write_samples,
)
from tests.integration.dockerfile_fixture import FOLDER, ROOT, copies, named

pytestmark = pytest.mark.integration

MESSAGES = 20


class Image:
    """The image's files: /app, and the Python of /venv."""

    def __init__(self, folder: Path) -> None:
        self.app = folder / "app"
        self.python = folder / "venv/bin/python"
        uv = Path(sys.executable).with_name("uv")
        install = f"pip sync --require-hashes --no-build --python {self.python}"
        for arguments in (
            ["venv", "--python", sys.executable, str(folder / "venv")],
            [*install.split(), str(FOLDER / "requirements.txt")],
        ):
            subprocess.run([uv, *arguments], check=True, capture_output=True)
        for copy in copies():
            if copy.target.startswith("/app/"):
                skipped = shutil.ignore_patterns("__pycache__")
                target = folder / copy.target[1:]
                shutil.copytree(ROOT / copy.source, target, ignore=skipped)
        for path in [self.app, *self.app.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)

    def files(self) -> set[str]:
        return {str(path) for path in self.app.rglob("*")}

    def command(self, *arguments: str, **settings: str) -> tuple[list[str], dict]:
        environment = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        return [str(self.python), *arguments], CLEAN | environment | settings

    def run(self, *arguments: str, **settings: str) -> tuple[int, str]:
        """Exit code and output of a command that ends."""
        command, environment = self.command(*arguments, **settings)
        done = subprocess.run(
            command,
            cwd=self.app,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Of a bridge between a simulator and a Pub/Sub."""
    write_samples(tmp_path / "samples", MESSAGES)
    with (
        running(PubSub(tmp_path / "pubsub")) as pubsub,
        running(Simulator("--samples", str(tmp_path / "samples"))) as simulator,
    ):
        pubsub.create_topic()
        yield {
            "IRIS_CONNECTION_STRING": simulator.ready["connection_string"],
            "PUBSUB_TOPIC": TOPIC,
            "PUBSUB_EMULATOR_HOST": pubsub.host,
            "IRIS_STATE_FILE": str(tmp_path / "state/bridge-state.json"),
            "HEALTH_PORT": str(private_port()),
        }


def probe(image: Image, settings: dict[str, str]) -> int:
    """Exit code of the image's HEALTHCHECK."""
    (check,) = named("HEALTHCHECK")
    python, *arguments = json.loads(check.partition(" CMD ")[2])
    assert python == "python"
    return image.run(*arguments, **settings)[0]


def test_its_help_and_the_help_of_every_command(image: Image) -> None:
    for command in ([], ["backfill"], ["replay"]):
        code, output = image.run("-m", "bridge", *command, "--help")
        assert code == 0, output


def test_it_relays_writes_its_state_and_ends_at_sigterm(
    image: Image, settings: dict[str, str]
) -> None:
    before = image.files()
    code, output = image.run("-m", "bridge", "--check", **settings)
    assert code == 0, output
    assert probe(image, settings) == 1

    command, environment = image.command("-m", "bridge", **settings)
    bridge = subprocess.Popen(
        command, cwd=image.app, env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: probe(image, settings) == 0)
        state = Path(settings["IRIS_STATE_FILE"])
        wait_until(lambda: state.exists() and "FREQ" in state.read_text())
        bridge.terminate()
        assert bridge.wait(DEADLINE_SECONDS) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            bridge.kill()
    assert image.files() == before
