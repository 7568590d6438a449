"""Tables and views of the local BigQuery, and the blank: a copy of them without rows.

Creating them takes the local BigQuery up to a minute; copying its files takes a moment.
So they are created once, in `.venv-bigquery/blank/`, and a new DATA folder starts as a
copy of it. A blank made from other SQL is not used. A folder that has tables already is
brought up to date with `python -m sql apply`, which takes seconds.
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

from command.data_state import take_lock
from command.tables_path import TablesPath
from command.usage import UsageError
from local.bigquery import emulator
from local.bigquery.environment import ENVIRONMENT, LOCK_FILE
from local.data_folder import DataFolder
from local.ports import private_port
from local.process import POLL_SECONDS, Child
from sql.render.statements import statements

BLANK = ENVIRONMENT / "blank"
# About ninety tables and twice as many views: 25 to 50 s alone on two cores.
MAKE_SECONDS = 240.0
STOP_SECONDS = 10.0
# A new folder has no jobs yet; those that created the tables have 25 MB.
NOT_COPIED = shutil.ignore_patterns("jobs.sqlite*")


async def apply(server: emulator.Server, log: Path) -> None:
    """Creates or updates the tables and views.

    Args:
        server: A BigQuery that is ready.
        log: The file for the output of `python -m sql apply`.

    Raises:
        PartFailedError: It failed.
    """
    names = ["--project", emulator.PROJECT, "--dataset", emulator.DATASET]
    command = [sys.executable, "-m", "sql", "apply", *names]
    child = Child("tables", command, log, os.environ | emulator.addresses(server))
    try:
        if await child.ended(MAKE_SECONDS) != 0:
            raise child.failed("could not be created")
    finally:
        await child.stop(STOP_SECONDS)


def blank_is_made() -> bool:
    """Whether there is a blank with the present tables and views."""
    try:
        return _stamp_file().read_text() == fingerprint()
    except FileNotFoundError:
        return False


async def start_from_blank(data: DataFolder) -> bool:
    """Copies the tables and views into a new DATA folder; makes the blank if needed.

    Args:
        data: A folder that this process owns, and where no BigQuery has run.

    Returns:
        Whether the folder has them now, up to date.

    Raises:
        UsageError: The files cannot be copied.
        PartFailedError: The tables cannot be created.
    """
    try:
        async with _one_at_a_time():
            if not blank_is_made():
                # Another user's installation: the tables are created in place.
                if not os.access(ENVIRONMENT, os.W_OK):
                    return False
                await _make_blank()
            draft = data.path / "bigquery.new"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(DataFolder(BLANK).bigquery, draft, ignore=NOT_COPIED)
            draft.rename(data.bigquery)
            return True
    except OSError as error:
        raise UsageError(f"cannot create the tables in {data.path}: {error}") from None


async def _make_blank() -> None:
    shutil.rmtree(BLANK, ignore_errors=True)
    blank = DataFolder(BLANK)
    # Not the usual ports: a program that keeps writing to those would reach it.
    server = emulator.start(blank, private_port(), grpc_port=private_port())
    try:
        await server.ready()
        await apply(server, blank.log("tables"))
    finally:
        await server.child.stop(emulator.STOP_SECONDS)
    # Written last, so an interrupted blank has none.
    _stamp_file().write_text(fingerprint())


def _stamp_file() -> Path:
    return BLANK / "complete"


@functools.cache
def fingerprint() -> str:
    """Changes when the SQL changes, or the server that makes files of it."""
    path = TablesPath(emulator.PROJECT, emulator.DATASET)
    parts = [json.dumps(statements(path)).encode()]
    parts += [file.read_bytes() for file in (LOCK_FILE, *emulator.SOURCES)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


@contextlib.asynccontextmanager
async def _one_at_a_time() -> AsyncIterator[None]:
    """Waits while another process makes the blank; the folder is the lock."""
    lock = os.open(ENVIRONMENT, os.O_RDONLY)
    try:
        while not take_lock(lock):
            await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(lock)
