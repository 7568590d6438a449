"""The DATA folder: one stack's logs, tables and messages, and who is using it.

- `stack.lock` is locked while something runs here. The kernel releases the lock when
  its owner ends, however that happens.
- `stack.json` has the owner's pid and the addresses of its parts.
- `logs/<part>.log`, `bigquery/` (the tables), `pubsub.sqlite` (the messages of the
  embedded Pub/Sub), `run-summary.json` (the counts of the last run), `backfill/` (what
  a backfill has published).
"""

import argparse
import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from command.usage import UsageError
from local.process import ROOT

DEFAULT_DATA = ".local"
# A query that starts BigQuery owns the folder for a few seconds and writes no state:
# the next owner waits for it.
QUERY_SECONDS = 15.0
# Reading the state holds the lock for a moment.
GLANCE_SECONDS = 1.0
RETRY_SECONDS = 0.1


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`, by default the environment's DATA: the Makefile passes it so."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("DATA") or DEFAULT_DATA),
        metavar="DIR",
        help=f"folder of tables, messages and logs (default: {DEFAULT_DATA})",
    )


class DataFolder:
    """The folder, and the lock by which one owner at a time uses it."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Relative paths start at the checkout.

        Args:
            path: The folder.
            create: Whether a missing folder is created.

        Raises:
            UsageError: The folder is missing, or cannot be created.
        """
        self.path = ROOT / path.expanduser()
        if not create and not self.path.exists():
            raise UsageError(
                f"there is no folder {self.path}: set DATA to one that `make "
                "run-local` or `make up` has used"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(path, error) from None

    @property
    def has_tables(self) -> bool:
        """Whether a BigQuery has run here before."""
        return self.bigquery.exists()

    @property
    def bigquery(self) -> Path:
        return self.path / "bigquery"

    def log(self, part: str) -> Path:
        return self.path / "logs" / f"{part}.log"

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Locks the folder for this process.

        Raises:
            UsageError: Something runs here, or the folder cannot be written to.
        """
        with self._lock_file() as lock:
            started = time.monotonic()
            while not take_lock(lock):
                owner = self._read_state()
                patience_seconds = GLANCE_SECONDS if owner else QUERY_SECONDS
                if time.monotonic() - started > patience_seconds:
                    raise UsageError(self._taken(owner))
                time.sleep(RETRY_SECONDS)  # the lock is the condition waited for
            self._state_file.unlink(missing_ok=True)  # of an owner that was killed
            try:
                yield
            finally:
                self._state_file.unlink(missing_ok=True)

    def write_state(self, owner: str, addresses: dict[str, str]) -> None:
        """Writes what runs here, for other processes to read; for the owner only.

        Args:
            owner: The command that the user typed.
            addresses: Where its parts are, by the name of their variable.
        """
        state = {"owner": owner, "pid": os.getpid(), "addresses": addresses}
        write_json(self._state_file, state)

    def state(self) -> dict[str, Any] | None:
        """What runs here, as its owner wrote it; None if nothing runs.

        Raises:
            UsageError: The folder cannot be written to.
        """
        with self._lock_file() as lock:
            return None if take_lock(lock) else self._read_state()

    def _read_state(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text())
        except FileNotFoundError:
            return None
        return state

    @property
    def _state_file(self) -> Path:
        return self.path / "stack.json"

    def _lock_file(self) -> IO[bytes]:
        try:
            return (self.path / "stack.lock").open("ab")
        except OSError as error:
            raise _unusable(self.path, error) from None

    def _taken(self, owner: dict[str, Any] | None) -> str:
        what = f"`{owner['owner']}` (process {owner['pid']})" if owner else "a process"
        return (
            f"{what} is using {self.path}: stop it with `make down`, or set DATA to "
            "another folder"
        )


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot use DATA {path}: {error.strerror}; choose a folder that you can write "
        "to"
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replaces a JSON file as a whole: a reader sees the old content or the new."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(path)


def take_lock(lock: IO[bytes] | int) -> bool:
    """Takes the lock on an open file if it is free, until the file is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
