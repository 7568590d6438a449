"""Data state: what runs on a DATA folder, as its owner wrote it."""

import fcntl
import json
from pathlib import Path
from typing import IO, Any

LOCK = "stack.lock"
STATE = "stack.json"


def take_lock(lock: IO[bytes] | int) -> bool:
    """Takes the lock on an open file if it is free, until the file is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_state(folder: Path) -> dict[str, Any] | None:
    """What an owner wrote, also one that was killed; None if there is nothing."""
    return read_json(folder / STATE)


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON file; None if it does not exist."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return content


def running_state(folder: Path) -> dict[str, Any] | None:
    """What runs on a folder; None if nothing runs. Writes nothing there."""
    try:
        lock = (folder / LOCK).open("rb")
    except OSError:
        return None
    with lock:
        return None if take_lock(lock) else read_state(folder)
