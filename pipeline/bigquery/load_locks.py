"""Locks: of two runs on this machine, one at a time loads into a table.

A load looks for rows that the table has already, and then adds the others. Two at once
over the same files would both find none, and store every row twice.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)


@contextmanager
def loading(tables: Iterable[str]) -> Iterator[None]:
    """Holds the locks of tables, and waits for those that another run holds.

    Without a folder for them, nothing is locked: a load is not less correct alone.
    """
    with ExitStack() as held:
        for table in sorted(tables):  # in one order, so that no two runs wait for good
            if (file := _opened(table)) is not None:
                held.enter_context(file)
                _lock(file, table)
        yield


def _lock(file: IO[bytes], table: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("another run loads into %s: waiting for its end", table)
        fcntl.flock(file, fcntl.LOCK_EX)


def _opened(table: str) -> IO[bytes] | None:
    """The file of a table's lock, which ends with the process."""
    # Not `tempfile`'s folder, which is one of each run.
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"gb-iris-{os.getuid()}"  # noqa: S108
    server = os.environ.get("BIGQUERY_EMULATOR_HOST", "")
    name = hashlib.sha256(f"{server} {table}".encode()).hexdigest()[:32]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return (folder / f"{name}.lock").open("ab")
    except OSError as error:
        log.info("no lock for %s: %s", table, error)
        return None
