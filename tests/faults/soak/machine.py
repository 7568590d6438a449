"""What the parts of a stack take of the machine, read from /proc and the disk."""

import contextlib
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

# What is in the command line of each part, and nowhere else.
MARKS = {
    "simulator": "local simulator",
    "Pub/Sub": "local pubsub",
    "BigQuery": "patched_server.py",
    "bridge": "-m bridge",
    "pipeline": "-m pipeline",
}
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Part(NamedTuple):
    """One part, with the processes that it has started.

    Attributes:
        pid: Of its first process, which leads their session.
        sockets: Open files that are sockets.
    """

    pid: int
    age_seconds: float
    memory_bytes: int
    threads: int
    files: int
    sockets: int


class Stored(NamedTuple):
    """What lies in a folder."""

    files: int
    size_bytes: int


def pids_of(stack: int) -> dict[str, int]:
    """The parts that a stack has started, by name; one that is away is left out."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            status = (process / "status").read_text()
            if f"\nPPid:\t{stack}\n" not in status:
                continue
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "launcher.py" in words:
                continue  # it becomes a part in a moment
            for name, mark in MARKS.items():
                if mark in words:
                    found[name] = int(process.name)
    return found


def parts_of(stack: int) -> dict[str, Part]:
    """What the parts of a stack take now."""
    sessions: dict[int, list[Path]] = defaultdict(list)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            sessions[os.getsid(int(process.name))].append(process)
    found = {}
    for name, pid in pids_of(stack).items():
        with contextlib.suppress(OSError):
            found[name] = _part(pid, sessions[pid])
    return found


def _part(pid: int, processes: list[Path]) -> Part:
    started = float(_stat(Path(f"/proc/{pid}"))[19]) / TICKS
    files = [link for process in processes for link in _links(process)]
    return Part(
        pid,
        time.clock_gettime(time.CLOCK_BOOTTIME) - started,
        sum(int(_stat(process)[21]) * PAGE_BYTES for process in processes),
        sum(int(_stat(process)[17]) for process in processes),
        len(files),
        sum(link.startswith("socket:") for link in files),
    )


def _stat(process: Path) -> list[str]:
    """The values of /proc/PID/stat from the third on (proc(5))."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _links(process: Path) -> list[str]:
    found = []
    for link in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(link.readlink()))
    return found


def stored(folder: Path) -> Stored:
    """Files and bytes below a folder; what is removed meanwhile does not count."""
    files = size_bytes = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size_bytes += (Path(path) / name).stat().st_size
                files += 1
    return Stored(files, size_bytes)
