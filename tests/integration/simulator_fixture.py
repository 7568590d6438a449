"""Runs the IRIS simulator as a user does, for tests of it and of its clients."""

import base64
import contextlib
import json
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
WAIT_SECONDS = 20


class Simulator:
    """A running `python -m local simulator`."""

    def __init__(self, *options: str) -> None:
        self.process = start_simulator("--port", "0", *options)
        line = _first_line(self.process)
        self.ready = json.loads(line)
        self.connection_string: str = self.ready["connection_string"]
        self.queue: str = self.ready["queue"]

    def stats(self) -> dict:
        """What GET /stats says."""
        with urllib.request.urlopen(self._url("stats"), timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: bytes = b"") -> dict:
        """Posts to the control port: a fault, a setting, a message."""
        request = urllib.request.Request(self._url(path), data=body, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def put(self, message_id: str, body: bytes = b"{}", subject: str = "TEST") -> None:
        """Enqueues one message, its body as given."""
        message = {
            "subject": subject,
            "message_id": message_id,
            "body": base64.b64encode(body).decode(),
        }
        self.post("put", json.dumps(message).encode())

    def wait_for(self, condition: Callable[[dict], bool]) -> dict:
        """The first statistics that meet a condition."""
        return wait_for(self.stats, condition)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal; returns the exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=10)
        finally:
            self.process.kill()
            self.process.communicate()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ready['control_port']}/{path}"


@contextlib.contextmanager
def running_simulator(*options: str) -> Iterator[Simulator]:
    """A simulator with these options, stopped at the end."""
    simulator = Simulator(*options)
    try:
        yield simulator
    finally:
        if simulator.process.poll() is None:
            simulator.stop()


def start_simulator(*options: str) -> subprocess.Popen:
    """The command as a process, its output in pipes."""
    command = [sys.executable, "-m", "local", "simulator", *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def wait_for(look, condition, seconds: float = WAIT_SECONDS):
    """Looks until a condition holds; fails after `seconds`, with what was seen."""
    deadline = time.monotonic() + seconds
    while not condition(seen := look()):
        assert time.monotonic() < deadline, f"still {seen} after {seconds} s"
        time.sleep(0.02)
    return seen


def _first_line(process: subprocess.Popen) -> str:
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if readable else ""
    if not line:
        process.kill()
        raise RuntimeError(f"simulator did not start: {process.communicate()[1]}")
    return line
