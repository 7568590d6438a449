"""`make run-local` with credentials: what it says of the live feed, and when."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import CLEAN, ROOT
from tests.integration.entra_fixture import EXPIRED_SECRET, LiveIris, live_iris

pytestmark = pytest.mark.integration

SAMPLES = ROOT / "local" / "samples"
RUN_SECONDS = 300
NO_NETWORK = {"IRIS_NAMESPACE": "iris.invalid", "AZURE_AUTHORITY_HOST": "login.invalid"}


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveIris]:
    folder = tmp_path_factory.mktemp("iris")
    with live_iris(folder, "--samples", str(SAMPLES)) as live:
        yield live


# As a shell has it that has loaded `make env`, after `make down`.
GONE_SIMULATOR = {
    "IRIS_CONNECTION_STRING": "Endpoint=sb://localhost:1;SharedAccessKeyName=simulator;"
    "SharedAccessKey=simulator;UseDevelopmentEmulator=true;",
    "IRIS_QUEUE_NAME": "iris",
}


def in_settings_file(iris: LiveIris, folder: Path) -> dict[str, str]:
    """The settings of the live feed, those of Elexon's client in its own file."""
    names = {
        "ClientId": "IRIS_CLIENT_ID",
        "Secret": "IRIS_CLIENT_SECRET",
        "QueueName": "IRIS_QUEUE_NAME",
    }
    file = folder / "settings.json"
    file.write_text(
        json.dumps({key: iris.settings[name] for key, name in names.items()})
    )
    others = {k: v for k, v in iris.settings.items() if k not in names.values()}
    return others | {"IRIS_SETTINGS_FILE": str(file)}


class LiveRun:
    """`local stack run` with settings, and the lines that it prints."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        command = ["local", "stack", "run", "--data", str(data), "--pubsub", "embedded"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=CLEAN | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []

    def wait_for(self, text: str) -> str:
        """The next line with a text."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if text in line:
                return self.lines[-1]
        raise AssertionError((self.lines, self.process.communicate()[1]))

    def end(self) -> tuple[int, str]:
        """Ends it as Ctrl-C does: exit code, and what it printed last."""
        self.process.send_signal(signal.SIGINT)
        rest = self.process.communicate(timeout=RUN_SECONDS)[0]
        return self.process.returncode, rest

    def summary(self) -> dict[str, object]:
        content: dict[str, object] = json.loads(
            (self.data / "run-summary.json").read_text()
        )
        return content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"IRIS_CLIENT_SECRET": "fFy8Q~wrong.secret"}, "IRIS_CLIENT_SECRET is wrong: "),
        ({"IRIS_CLIENT_SECRET": EXPIRED_SECRET}, "IRIS_CLIENT_SECRET has expired: "),
        ({"IRIS_CLIENT_SECRET": "..."}, "IRIS_CLIENT_SECRET is still a placeholder: "),
        ({"IRIS_QUEUE_NAME": "iris.0002"}, "IRIS_QUEUE_NAME is wrong: "),
    ],
    ids=["wrong secret", "expired secret", "placeholder", "wrong queue"],
)
def test_what_only_the_user_can_correct_ends_it_before_anything_is_started(
    iris: LiveIris, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    run = LiveRun(tmp_path / "data", **iris.settings | change)
    out, err = run.process.communicate(timeout=RUN_SECONDS)
    assert (run.process.returncode, out) == (2, "")
    assert err.startswith(f"make run-local: {said}")
    assert err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_it_says_which_datasets_come_before_it_starts_anything(
    iris: LiveIris, tmp_path: Path
) -> None:
    run = LiveRun(tmp_path, **in_settings_file(iris, tmp_path) | GONE_SIMULATOR)
    run.wait_for("IRIS: ")
    assert run.lines == [
        "IRIS: connected; iris.0001 can be read; messages of AGPT, ATL, BOALF, "
        "DISBSAD, FREQ, FUELHH and 10 more wait"
    ]
    run.wait_for("ready")
    run.wait_for(f" {len(list(SAMPLES.glob('*/*.json')))} messages ")
    iris.queue.control("/set?refuse=true")
    iris.queue.control("/drop")
    lost = run.wait_for("IRIS: ")
    assert lost == (
        "IRIS: no connection: check the network, and that it allows port 5671 (and "
        "IRIS_NAMESPACE, if it is set); trying again"
    )
    iris.queue.control("/set?refuse=false")
    assert run.wait_for("IRIS: ") == "IRIS: connected"
    code, rest = run.end()
    assert "balanced after" in rest
    assert code == 0
    demo = LiveRun(tmp_path)
    assert "has rows of the live feed" in demo.process.communicate()[1]
    assert demo.process.returncode == 2


def test_without_a_network_it_says_so_and_never_says_balanced(
    iris: LiveIris, tmp_path: Path
) -> None:
    run = LiveRun(tmp_path, **iris.settings | NO_NETWORK)
    run.wait_for("IRIS: ")
    assert run.lines == [
        "IRIS: iris.invalid:5671 cannot be found by its name; login.invalid:443 cannot "
        "be found by its name: no network, or a firewall or a proxy is in the way; "
        "trying again until it works"
    ]
    run.wait_for("ready")
    code, rest = run.end()
    assert code == 1
    assert "ended without a connection to IRIS after" in rest
    assert "balanced" not in rest
    assert run.summary()["connected"] is False
    assert run.summary()["balanced"] is False
    assert run.summary()["failure"] is None
