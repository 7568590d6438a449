"""Child processes: they end with their parent, and say why they failed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.failure import PartFailedError
from local.process import Child, together

pytestmark = pytest.mark.faults

DEADLINE_SECONDS = 60.0
# A part that starts another process, and prints its pid.
PARENT = """
import subprocess, sys
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print('{"ready": true, "pid": %d}' % inner.pid, flush=True)
inner.wait()
"""


def python(program: str, log: Path) -> Child:
    return Child("part", [sys.executable, "-c", program], log)


def alive(pid: int) -> bool:
    """A zombie counts as dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.02)


def test_stopping_a_part_ends_what_it_had_started(tmp_path):
    child = python(PARENT, tmp_path / "log")
    ready = asyncio.run(child.wait_for(child.ready_line, DEADLINE_SECONDS))
    assert alive(ready["pid"])
    asyncio.run(child.stop(DEADLINE_SECONDS))
    wait_until_dead(ready["pid"])


def test_a_part_that_ignores_sigterm_is_killed(tmp_path):
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('{\"ready\": true}', flush=True); time.sleep(300)"
    )
    child = python(program, tmp_path / "log")
    asyncio.run(child.wait_for(child.ready_line, DEADLINE_SECONDS))
    assert asyncio.run(child.stop(0.1)) == -signal.SIGKILL


def test_a_part_that_fails_at_its_start_shows_its_last_lines(tmp_path):
    child = python("print('what went wrong'); raise SystemExit(3)", tmp_path / "log")
    with pytest.raises(PartFailedError, match="exit code 3") as caught:
        asyncio.run(child.wait_for(child.ready_line, DEADLINE_SECONDS))
    assert caught.value.log_lines == ["what went wrong"]


def test_a_part_that_is_never_ready_fails_at_the_deadline(tmp_path):
    child = python("import time; time.sleep(300)", tmp_path / "log")
    with pytest.raises(PartFailedError, match=r"not ready within 0\.2 s"):
        asyncio.run(child.wait_for(child.ready_line, 0.2))
    child.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
def test_a_part_ends_when_its_parent_is_killed(tmp_path):
    log = tmp_path / "log"
    program = (
        "import pathlib, sys, time; from local.process import Child;"
        f"child = Child('part', [sys.executable, '-c', 'import time; time.sleep(300)'],"
        f" pathlib.Path({str(log)!r})); print(child.pid, flush=True); time.sleep(300)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    assert os.getsid(pid) == pid, "a terminal's Ctrl-C must not reach it"
    parent.kill()
    parent.communicate()
    wait_until_dead(pid)


def test_the_first_failure_ends_what_runs_at_the_same_time():
    ended = []

    async def fail() -> None:
        raise PartFailedError("part", "failed")

    async def go_on() -> None:
        try:
            await asyncio.sleep(300)
        finally:
            ended.append(True)

    with pytest.raises(PartFailedError):
        asyncio.run(together(go_on(), fail()))
    assert ended
