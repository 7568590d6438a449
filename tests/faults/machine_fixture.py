"""A local BigQuery whose disk can be full, and which can be killed."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.integration.bridge_fixture import wait_until

ALL = resource.RLIM_INFINITY


def server_pid(data: Path) -> int:
    """The process of the server that works in a data folder."""
    folder = str((data / "bigquery").resolve())
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "cwd").readlink()) == folder:
                return int(process.name)
        except OSError:  # it has ended
            continue
    raise AssertionError(f"no server works in {folder}")


@contextmanager
def full_disk(data: Path, free_bytes: int = 100) -> Iterator[None]:
    """Lets no file of the server grow beyond some bytes: what it writes fails."""
    pid = server_pid(data)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (free_bytes, ALL))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it has ended
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (ALL, ALL))


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Lets a process answer nothing; it goes on at the end, whatever the test says."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill_server(data: Path) -> None:
    pid = server_pid(data)
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)


def wait_for_end(pid: int) -> None:
    wait_until(lambda: not Path(f"/proc/{pid}/cwd").exists())
