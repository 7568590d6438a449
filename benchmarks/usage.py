"""What a process uses, as Linux tells it."""

from __future__ import annotations

from pathlib import Path


def memory_mb(pid: int) -> float:
    """The memory that a process has in hand, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """The processor time of a process since it began, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
