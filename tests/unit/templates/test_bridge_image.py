"""The bridge's container and systemd unit, as far as they can be tested here."""

import base64
import json
import os
import re
import shutil
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.integration.dockerfile_fixture import FOLDER, ROOT, copies, named

SECRET = "value~with $igns"
# Without a tag, or with "latest", it could be another image every time.
TAGGED = re.compile(r"python:3\.\d+-slim-\w+(@sha256:\w{64})?( AS \w+)?")


def locked(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each package of a lock file."""
    found = {}
    for block in re.split(r"\n(?=\S)", path.read_text()):
        if name := re.match(r"([\w.-]+)==(\S+)", block):
            found[name[1]] = name[2], frozenset(re.findall(r"sha256:\w+", block))
    return found


def test_the_base_image_is_pinned() -> None:
    images = named("FROM")
    assert images
    assert all(TAGGED.fullmatch(image) for image in images)


def test_it_runs_as_a_number_that_is_not_root() -> None:
    (user,) = named("USER")
    assert all(int(part) >= 10_000 for part in user.split(":"))


def test_a_signal_reaches_the_bridge_without_a_shell() -> None:
    (entry,) = named("ENTRYPOINT")
    assert json.loads(entry) == ["python", "-m", "bridge"]
    assert not named("CMD")


def test_only_the_bridge_and_its_packages_are_copied_and_all_exist() -> None:
    sources = {copy.source for copy in copies()}
    assert sources == {"bridge", "command", "templates/bridge/requirements.txt"}
    assert all((ROOT / source).exists() for source in sources)


def test_the_build_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    patterns = [x for x in lines if x and not x.startswith("#")]
    assert patterns[0] == "*"
    kept = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    assert kept == {copy.source for copy in copies()}
    assert any(fnmatch("bridge/__pycache__", pattern) for pattern in patterns[1:])


def test_the_packages_are_those_of_the_lock_file() -> None:
    ours = locked(FOLDER / "requirements.txt")
    all_of_them = locked(ROOT / "requirements.lock")
    assert ours.items() <= all_of_them.items()
    assert all(hashes for _, hashes in ours.values())


def test_the_packages_asked_for_are_those_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["bridge"]
    wanted = {re.split(r"[<>=\[]", text)[0] for text in extra}
    lines = (FOLDER / "requirements.in").read_text().splitlines()
    named_here = {line for line in lines if line and not line.startswith("#")}
    assert named_here == wanted
    assert named_here <= locked(FOLDER / "requirements.txt").keys()


@pytest.mark.parametrize(
    "name", ["iris-bridge.service", "iris-bridge-watchdog.service"]
)
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    text = (FOLDER / name).read_text()
    unit = tmp_path / name
    unit.write_text(text.replace("/usr/bin/docker", "/bin/true"))
    (tmp_path / "docker.service").write_text("[Service]\nExecStart=/bin/true\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_gives_the_container_what_the_image_expects() -> None:
    text = (FOLDER / "iris-bridge.service").read_text()
    (user,) = named("USER")
    (environment,) = named("ENV")
    port = re.search(r"HEALTH_PORT=(\d+)", environment)
    state = re.search(r"IRIS_STATE_FILE=(/\w+)/", environment)
    assert port
    assert state
    assert f"--user {user} " in text
    assert f"127.0.0.1:{port[1]}:{port[1]}" in text
    assert f"/var/lib/iris-bridge:{state[1]} " in text
    assert f"chown {user} " in (FOLDER / "prepare.sh").read_text()
    assert "--read-only" in text
    assert "Restart=always" in text


class Google(BaseHTTPRequestHandler):
    """The metadata server and Secret Manager of a VM, as prepare.sh uses them."""

    def do_GET(self) -> None:
        if self.path.endswith("/service-accounts/default/token"):
            is_allowed = self.headers["Metadata-Flavor"] == "Google"
            answer = {"access_token": "tok.en", "expires_in": 9, "token_type": "Bearer"}
        else:
            is_here = self.path.endswith("/projects/p/secrets/s/versions/latest:access")
            is_allowed = is_here and self.headers["Authorization"] == "Bearer tok.en"
            data = base64.b64encode(SECRET.encode()).decode()
            answer = {"name": "n", "payload": {"data": data, "dataCrc32c": "1"}}
        self.send_response(200 if is_allowed else 403)
        self.end_headers()
        self.wfile.write(json.dumps(answer, indent=2).encode() if is_allowed else b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def google() -> Iterator[str]:
    """The address of both: `host:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Google)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def prepare(folder: Path, google: str, secret: str) -> subprocess.CompletedProcess[str]:
    """Runs prepare.sh; `docker` and `chown` do nothing."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("docker", "chown"):
        (tools / name).symlink_to("/bin/true")
    (folder / "bridge.env").write_text(
        "IMAGE=i\nPROJECT=p\nPUBSUB_TOPIC=projects/p/topics/t\nIRIS_QUEUE_NAME=q\n"
    )
    settings = {
        "RUNTIME_DIRECTORY": str(folder),
        "STATE_DIRECTORY": str(folder),
        "SETTINGS_FILE": str(folder / "bridge.env"),
        "GCE_METADATA_HOST": google,
        "SECRET_MANAGER_URL": f"http://{google}",
    }
    names = {"PROJECT": "p", "SECRET": secret, "REGISTRY": "r", "NO_PROXY": "*"}
    return subprocess.run(
        ["/bin/sh", str(FOLDER / "prepare.sh")],
        env={"PATH": f"{tools}:{os.environ['PATH']}"} | settings | names,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_secret_reaches_the_container_and_nobody_else(
    google: str, tmp_path: Path
) -> None:
    done = prepare(tmp_path, google, "s")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    settings = tmp_path / "container.env"
    assert settings.read_text().splitlines() == [
        "PUBSUB_TOPIC=projects/p/topics/t",
        "IRIS_QUEUE_NAME=q",
        f"IRIS_CLIENT_SECRET={SECRET}",
    ]
    assert settings.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_a_secret_that_it_may_not_read_is_reported_with_what_to_do(
    google: str, tmp_path: Path
) -> None:
    done = prepare(tmp_path, google, "another")
    assert done.returncode == 1
    assert "gcloud secrets versions add another --project p" in done.stderr
    assert not (tmp_path / "container.env").exists()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_watchdog_restarts_a_bridge_that_is_ill_for_long(tmp_path: Path) -> None:
    """Two failures and an answer are nothing; three in turn are too many."""
    answers = iter([503, 503, 200, 503, 503, 503])
    asked: list[int] = []

    class Bridge(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(next(answers, 200))
            self.send_response(asked[-1])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    restarted = tmp_path / "restarted"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(
        f'#!/bin/sh\n[ "$1" = is-active ] && exit\necho "$@" >{restarted}; kill $PPID\n'
    )
    systemctl.chmod(0o755)
    with ThreadingHTTPServer(("127.0.0.1", 0), Bridge) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = subprocess.run(
            ["/bin/sh", str(FOLDER / "watchdog.sh")],
            env={
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "HEALTH_URL": f"http://127.0.0.1:{server.server_port}/healthz",
                "PAUSE_SECONDS": "0",
                "MAX_FAILURES": "3",
                "NO_PROXY": "*",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
    assert restarted.read_text() == "restart iris-bridge.service\n"
    assert asked == [503, 503, 200, 503, 503, 503]
    assert "not healthy 3 times in turn" in done.stderr
