"""Local server: the BigQuery of a DATA folder, the running one or one of our own.

One that was started for this program ends with it, and is used again until then.
"""

import atexit
import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from command.tables_path import LOCAL_TABLES, require_answer
from command.usage import UsageError

DEFAULT_FOLDER = ".local"
# The owner of a folder writes its state before all of its parts have started.
START_SECONDS = 60.0
POLL_SECONDS = 0.05
# It writes its last Parquet file; tables survive a kill too.
STOP_SECONDS = 15.0

_MARK = Path("local", "bigquery", "patched_server.py")


class Address(NamedTuple):
    """Where a local BigQuery listens.

    Attributes:
        host: `http://HOST:PORT`.
        grpc: `HOST:PORT` of its Storage API; None if not known.
        project: The project of its tables.
    """

    host: str
    grpc: str | None
    project: str


def address(folder: PathLike[str] | str | None) -> Address:
    """Where the BigQuery of a DATA folder listens; it is started if none runs.

    Args:
        folder: None for what `BIGQUERY_EMULATOR_HOST` says, or else `.local` of the
            checkout.

    Raises:
        UsageError: There are no tables, or the server cannot be started.
    """
    if folder is None and (host := os.environ.get("BIGQUERY_EMULATOR_HOST")):
        require_answer(host)  # Google's client would try for ten minutes
        return address_of(os.environ)
    path = _data_folder(folder)
    if not path.is_dir():
        raise UsageError(
            f"there is no folder {path}: name with data= one that `make run-local` or "
            "`make up` has used, or with project= a Google Cloud project"
        )
    with _one_at_a_time:
        return _running(path) or _start(path)


def address_of(variables: Any) -> Address:
    """The address that variables such as `BIGQUERY_EMULATOR_HOST` hold."""
    host = variables["BIGQUERY_EMULATOR_HOST"]
    host = host if "//" in host else f"http://{host}"
    port = variables.get("BIGQUERY_GRPC_PORT")
    grpc = f"{urlsplit(host).hostname}:{port}" if port else None
    return Address(
        host, grpc, variables.get("BIGQUERY_PROJECT") or LOCAL_TABLES.project
    )


_one_at_a_time = threading.Lock()


def _data_folder(given: PathLike[str] | str | None) -> Path:
    if given is not None:
        return Path(given).expanduser().absolute()
    checkout = _checkout(Path.cwd()) or Path.cwd()
    return checkout / DEFAULT_FOLDER


def _checkout(*folders: Path) -> Path | None:
    """The checkout of gb-iris around one of the folders, or around this module."""
    starts = (*folders, Path(__file__).resolve())
    around = (each for start in starts for each in (start, *start.parents))
    return next((each for each in around if (each / _MARK).is_file()), None)


def _running(folder: Path) -> Address | None:
    """What runs on the folder; waits while it starts."""
    from command.data_state import running_state  # fcntl is not on Windows

    deadline = time.monotonic() + START_SECONDS
    while (state := running_state(folder)) and time.monotonic() < deadline:
        if "BIGQUERY_EMULATOR_HOST" in state["addresses"]:
            require_answer(state["addresses"]["BIGQUERY_EMULATOR_HOST"])
            return address_of(state["addresses"])
        time.sleep(POLL_SECONDS)  # the state is the condition waited for
    return None


def _start(folder: Path) -> Address:
    """Starts the folder's BigQuery.

    Raises:
        UsageError: It cannot.
    """
    if not (folder / "bigquery").exists():
        raise UsageError(
            f"there are no tables in {folder}: `make run-local` or `make up` creates "
            "them"
        )
    checkout = _checkout(folder, Path.cwd())
    python = checkout and checkout / ".venv" / "bin" / "python"
    if not python or not python.exists():
        raise UsageError(
            f"no BigQuery runs on {folder}, and there is no checkout of gb-iris around "
            "it to start one: start it with `make up` in your checkout"
        )
    command = [str(python), "-m", "local", "bigquery", "--until-stdin-ends"]
    with tempfile.TemporaryFile() as errors:
        server = subprocess.Popen(
            [*command, "--data", str(folder)],
            cwd=checkout,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # a Ctrl-C is for the program
        )
        line = server.stdout.readline() if server.stdout else b""
        if not line:
            server.wait()
            errors.seek(0)
            raise UsageError(_last_line(errors.read()))
    atexit.register(_stop, server)
    ready = json.loads(line)
    grpc = f"{urlsplit(ready['host']).hostname}:{ready['grpc_port']}"
    return Address(ready["host"], grpc, LOCAL_TABLES.project)


def _environment() -> dict[str, str]:
    """The server's: the module path of this program is not that of the checkout."""
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: text for name, text in os.environ.items() if name not in foreign}


def _last_line(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "the local BigQuery ended as it started"


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """Closes its standard input, at which it ends."""
    if server.stdin:
        with contextlib.suppress(OSError):
            server.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(STOP_SECONDS)
