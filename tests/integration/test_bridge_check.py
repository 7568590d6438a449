"""`python -m bridge --check`: each part that is configured, in one line."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.bridge_fixture import (
    CLEAN,
    ROOT,
    TOPIC,
    PubSub,
    Simulator,
    running,
)
from tests.integration.entra_fixture import (
    CLIENT,
    EXPIRED_SECRET,
    QUEUE_HOST,
    SECRET,
    Entra,
    LiveIris,
    live_iris,
)

pytestmark = pytest.mark.integration

SAMPLES = ROOT / "local" / "samples"


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveIris]:
    folder = tmp_path_factory.mktemp("iris")
    with live_iris(folder, "--samples", str(SAMPLES)) as live:
        yield live


def check(
    folder: Path, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "--check", *arguments],
        cwd=folder,
        env=CLEAN | {"PYTHONPATH": str(ROOT)} | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert SECRET not in done.stdout + done.stderr
    return done


def parts(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What was said of each part, in order."""
    assert done.stderr == ""
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def test_credentials_and_queue_are_tried_without_a_topic(
    iris: LiveIris, tmp_path: Path
) -> None:
    done = check(tmp_path, **iris.settings)
    assert parts(done) == {
        "settings": f"ok, client {CLIENT}, queue iris.0001 at {QUEUE_HOST}",
        "network": f"ok, {QUEUE_HOST}:5671 answers",
        "token": "ok, Entra ID issued one",
        "queue": "ok, iris.0001 can be read; messages of AGPT, ATL, BOALF, DISBSAD, "
        "FREQ, FUELHH and 10 more wait",
        "topic": "not tried, PUBSUB_TOPIC is not set",
    }
    assert done.returncode == 0


def test_the_messages_that_it_sees_stay_on_the_queue_unlocked(
    iris: LiveIris, tmp_path: Path
) -> None:
    check(tmp_path, **iris.settings)
    queue = iris.queue.stats()["queue"]
    assert queue["ready"] == len(list(SAMPLES.glob("*/*.json")))
    assert queue["delivered"] == 0


@pytest.mark.parametrize(
    ("change", "part", "text"),
    [
        (
            {"IRIS_CLIENT_SECRET": "fFy8Q~wrong.secret"},
            "token",
            "IRIS_CLIENT_SECRET is wrong: copy the whole secret again, or create a new "
            "one at https://bmrs.elexon.co.uk/iris (AADSTS7000215)",
        ),
        (
            {"IRIS_CLIENT_SECRET": EXPIRED_SECRET},
            "token",
            "IRIS_CLIENT_SECRET has expired: create a new one at "
            "https://bmrs.elexon.co.uk/iris (AADSTS7000222)",
        ),
        (
            {"IRIS_CLIENT_ID": "another"},
            "token",
            "IRIS_CLIENT_ID is wrong: copy it again from https://bmrs.elexon.co.uk/iris"
            " (and leave out IRIS_TENANT_ID, if it is set) (AADSTS700016)",
        ),
        (
            {"IRIS_TENANT_ID": "example.org"},
            "token",
            "IRIS_TENANT_ID is wrong: leave it out, the default is Elexon's "
            "(AADSTS90002)",
        ),
        (
            {"IRIS_QUEUE_NAME": "iris.0002"},
            "queue",
            "IRIS_QUEUE_NAME is wrong: there is no such queue, or this client may not "
            "read it; copy its name again from https://bmrs.elexon.co.uk/iris",
        ),
        (
            {"IRIS_NAMESPACE": "iris.invalid"},
            "network",
            "iris.invalid:5671 cannot be found by its name: check IRIS_NAMESPACE",
        ),
        ({"IRIS_CLIENT_SECRET": "..."}, "settings", "IRIS_CLIENT_SECRET is still a "),
        ({"IRIS_QUEUE_NAME": ""}, "settings", "IRIS_QUEUE_NAME is missing: set it in "),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_is_one_line_and_code_2(
    iris: LiveIris, tmp_path: Path, change: dict[str, str], part: str, text: str
) -> None:
    done = check(tmp_path, **iris.settings | change)
    found = parts(done)
    failed = [name for name, said in found.items() if said.startswith("FAILED")]
    assert failed == [part]
    assert found[part].startswith(f"FAILED, {text}")
    assert done.returncode == 2


def test_without_a_queue_the_token_is_tried_all_the_same(
    iris: LiveIris, tmp_path: Path
) -> None:
    found = parts(check(tmp_path, **iris.settings | {"IRIS_QUEUE_NAME": ""}))
    assert found["token"].startswith("ok")
    assert found["queue"].startswith("not tried")


@pytest.mark.parametrize(
    ("ahead_seconds", "said"),
    [(120, "about 120 s ahead of"), (-345_600, "about 345600 s behind")],
)
def test_a_wrong_clock_is_reported_and_the_queue_is_tried_all_the_same(
    iris: LiveIris,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ahead_seconds: float,
    said: str,
) -> None:
    monkeypatch.setattr(Entra, "ahead_seconds", ahead_seconds)
    done = check(tmp_path, **iris.settings)
    found = parts(done)
    assert found["queue"].startswith("ok")
    about, seconds = re.sub(r"\d+", "#", said), int(re.findall(r"\d+", said)[0])
    clock = re.fullmatch(
        r"FAILED, this machine's clock is (about (\d+) s .*) Entra ID's: set.*",
        found["clock"],
    )
    assert clock
    assert re.sub(r"\d+", "#", clock[1]) == about
    assert abs(int(clock[2]) - seconds) < 60
    assert done.returncode == 1


def test_a_blocked_port_is_told_from_no_network(iris: LiveIris, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    blocked = {"IRIS_NAMESPACE": "127.0.0.1"}  # nothing listens on 5671 there
    found = parts(check(tmp_path, **iris.settings | blocked))
    assert found["network"] == (
        "FAILED, 127.0.0.1:5671 refuses the connection: the network must allow port "
        "5671 (AMQP)"
    )
    assert found["token"].startswith("ok")
    away = blocked | {"AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{port}"}
    done = check(tmp_path, **iris.settings | away)
    found = parts(done)
    assert found["network"].endswith(
        "no network, or a firewall or a proxy is in the way"
    )
    assert [found[name].split(",")[0] for name in ("token", "queue")] == [
        "not tried",
        "not tried",
    ]
    assert done.returncode == 1  # it may work later


def test_a_simulator_at_an_unknown_name_is_a_mistake_in_its_setting(
    tmp_path: Path,
) -> None:
    away = "Endpoint=sb://iris.invalid:5672;SharedAccessKeyName=R;SharedAccessKey=K"
    done = check(tmp_path, IRIS_CONNECTION_STRING=away)
    assert parts(done)["network"] == (
        "FAILED, iris.invalid:5672 cannot be found by its name: check "
        "IRIS_CONNECTION_STRING"
    )
    assert done.returncode == 2


def test_a_proxy_that_does_not_answer_is_named(iris: LiveIris, tmp_path: Path) -> None:
    away = {"AZURE_AUTHORITY_HOST": "login.invalid", "HTTPS_PROXY": "127.0.0.1:1"}
    found = parts(check(tmp_path, **iris.settings | away))
    assert found["network"].startswith(
        "FAILED, the proxy 127.0.0.1:1 refuses the connection: "
    )


def test_a_simulator_needs_no_token(shared_pubsub: PubSub, tmp_path: Path) -> None:
    with running(Simulator("--samples", str(SAMPLES))) as simulator:
        done = check(
            tmp_path,
            IRIS_CONNECTION_STRING=simulator.ready["connection_string"],
            PUBSUB_TOPIC=TOPIC,
            PUBSUB_EMULATOR_HOST=shared_pubsub.host,
        )
    found = parts(done)
    assert {name: said.split(",")[0] for name, said in found.items()} == {
        "settings": "ok",
        "network": "ok",
        "token": "not tried",
        "queue": "ok",
        "topic": "ok",
    }
    assert found["topic"] == f"ok, {TOPIC} exists at {shared_pubsub.host}"
    assert done.returncode == 0


def test_a_topic_is_tried_without_credentials(
    shared_pubsub: PubSub, tmp_path: Path
) -> None:
    missing = "projects/local/topics/missing"
    done = check(
        tmp_path, PUBSUB_TOPIC=missing, PUBSUB_EMULATOR_HOST=shared_pubsub.host
    )
    found = parts(done)
    assert list(found) == ["settings", "topic"]
    assert f"gcloud pubsub topics create {missing}" in found["topic"]
    assert done.returncode == 2


def test_with_nothing_configured_it_says_what_to_set(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "IRIS_QUEUE_NAME, PUBSUB_TOPIC are missing" in done.stderr


def test_as_json_each_part_is_an_object(iris: LiveIris, tmp_path: Path) -> None:
    done = check(
        tmp_path, "--format", "json", **iris.settings | {"IRIS_CLIENT_SECRET": "wrong!"}
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["part"] for each in found if each["works"] is False] == ["token"]
    assert [each["part"] for each in found if each["is_final"]] == ["token"]
    assert [each["part"] for each in found if each["works"] is None] == [
        "queue",
        "topic",
    ]
