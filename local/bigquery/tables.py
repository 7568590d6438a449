"""Tables and views of the local BigQuery, and the blank: a copy of them without rows.

To make them takes the local BigQuery up to a minute; to copy its files, a moment. So
they are made once, in `.venv-bigquery/blank/`, and a new DATA folder starts from there.
`python -m sql apply` runs on every copy, too: a blank that is out of date could cost
time, never a column.
"""

import asyncio
import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from command.tables_path import TablesPath
from command.usage import UsageError
from local.bigquery import emulator
from local.bigquery.environment import ENVIRONMENT, LOCK_FILE
from local.data_folder import DataFolder, take_lock
from local.ports import private_port
from local.process import POLL_SECONDS, Child
from sql.render.statements import statements

BLANK = ENVIRONMENT / "blank"
# Some ninety tables and twice as many views: 25 to 50 s alone on two cores, at first.
MAKE_SECONDS = 240.0
STOP_SECONDS = 10.0
# A new folder has asked nothing yet; the statements that made the tables are 25 MB.
NOT_COPIED = shutil.ignore_patterns("jobs.sqlite*")


async def apply(server: emulator.Server, log: Path) -> None:
    """Makes tables and views, or brings them up to date.

    Args:
        server: The BigQuery, which answers.
        log: Where to say what was done.

    Raises:
        PartFailedError: It cannot be done.
    """
    names = ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
    command = [sys.executable, "-m", "sql", "apply", *names]
    child = Child("tables", command, log, os.environ | emulator.addresses(server))
    try:
        if await child.ended(MAKE_SECONDS) != 0:
            raise child.failed("could not be made")
    finally:
        await child.stop(STOP_SECONDS)


def blank_is_made() -> bool:
    """Whether there is a blank of the tables and views as they are to be now."""
    try:
        return _stamp_file().read_text() == _fingerprint()
    except FileNotFoundError:
        return False


async def start_from_blank(data: DataFolder) -> None:
    """Gives a new DATA folder the tables and views; makes the blank if need be.

    Args:
        data: The folder, which its owner holds, and where no BigQuery has run.

    Raises:
        UsageError: The disk refuses.
        PartFailedError: The tables cannot be made.
    """
    try:
        async with _one_at_a_time():
            if not blank_is_made():
                # An installation of somebody else's: the tables are made in place.
                if not os.access(ENVIRONMENT, os.W_OK):
                    return
                await _make_blank()
            draft = data.path / "bigquery.new"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(DataFolder(BLANK).bigquery, draft, ignore=NOT_COPIED)
            draft.rename(data.bigquery)
    except OSError as error:
        raise UsageError(f"cannot make the tables in {data.path}: {error}") from None


async def _make_blank() -> None:
    shutil.rmtree(BLANK, ignore_errors=True)
    blank = DataFolder(BLANK)
    # Not the usual ports: somebody who writes to them all the time would reach it.
    server = emulator.start(blank, private_port(), grpc_port=private_port())
    try:
        await server.ready()
        await apply(server, blank.log("tables"))
    finally:
        await server.child.stop(emulator.STOP_SECONDS)
    # Written last, so an interrupted blank has none.
    _stamp_file().write_text(_fingerprint())


def _stamp_file() -> Path:
    return BLANK / "complete"


@functools.cache
def _fingerprint() -> str:
    """What changes when the same SQL would make other files, or other SQL is due."""
    path = TablesPath(emulator.PROJECT, emulator.DATASET)
    parts = [json.dumps(statements(path)).encode()]
    parts += [path.read_bytes() for path in (LOCK_FILE, *emulator.SOURCES)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@contextlib.asynccontextmanager
async def _one_at_a_time() -> AsyncIterator[None]:
    """Lets others wait for a blank that is being made; the folder is the lock."""
    lock = os.open(ENVIRONMENT, os.O_RDONLY)
    try:
        while not take_lock(lock):
            await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(lock)
