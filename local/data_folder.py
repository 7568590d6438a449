"""The DATA folder: one stack's logs, tables and messages, and who is using it.

- `stack.lock` is locked while something runs here. The kernel releases the lock when
  its owner ends, however that happens.
- `stack.json` has the owner's pid and the addresses of its parts.
- `ports.json` has the ports that its parts used last.
- `logs/<part>.log`, `bigquery/` (the tables), `pubsub.sqlite` (the messages of the
  embedded Pub/Sub), `run-summary.json` (the counts of the last run), `backfill/` (what
  a backfill has published).
"""

import argparse
import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from command.data_state import LOCK, STATE, read_json, read_state, take_lock
from command.usage import UsageError
from local.ports import LOOPBACK, choose_port
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

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        """Creates nothing yet: a command that is refused leaves no empty folder.

        Args:
            path: The folder; relative paths start at the checkout.
            must_exist: Whether a missing folder is a mistake.

        Raises:
            UsageError: The folder is missing, or is not a folder.
        """
        self.path = ROOT / path.expanduser()
        if must_exist and not self.path.exists():
            raise UsageError(
                f"there is no folder {self.path}: set DATA to one that `make "
                "run-local` or `make up` has used"
            )
        if self.path.exists() and not self.path.is_dir():
            error = NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            raise _unusable(path, error)

    @property
    def has_tables(self) -> bool:
        """Whether a BigQuery has run here before."""
        return self.bigquery.exists()

    @property
    def bigquery(self) -> Path:
        return self.path / "bigquery"

    def log(self, part: str) -> Path:
        return self.path / "logs" / f"{part}.log"

    def port(
        self,
        purpose: str,
        wanted: int | None = None,
        usual: int | None = None,
        host: str = LOOPBACK,
    ) -> int:
        """Returns a free port for a part: the one that it had last, if possible.

        So addresses that a shell or a notebook has loaded stay right after a restart.

        Args:
            purpose: What the port is for.
            wanted: The port that the user gave, if any.
            usual: The port to use the first time, unless it is taken.
            host: The address that will be listened on.

        Raises:
            UsageError: The port that the user gave cannot be used, or the folder cannot
                be written to.
        """
        ports = read_json(self.path / "ports.json") or {}
        best = [port for port in (ports.get(purpose), usual) if port]
        port = choose_port(wanted, best, purpose, host)
        if ports.get(purpose) != port:
            try:
                write_json(self.path / "ports.json", ports | {purpose: port})
            except OSError as error:
                raise _unusable(self.path, error) from None
        return port

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Locks the folder for this process; creates it if it is missing.

        Raises:
            UsageError: Something runs here, or the folder cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, error) from None
        with self._lock_file() as lock:
            started = time.monotonic()
            while not take_lock(lock):
                owner = read_state(self.path)
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
        if not self.path.exists():
            return None
        with self._lock_file() as lock:
            return None if take_lock(lock) else read_state(self.path)

    @property
    def _state_file(self) -> Path:
        return self.path / STATE

    def _lock_file(self) -> IO[bytes]:
        try:
            return (self.path / LOCK).open("ab")
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
