"""The environment of the local BigQuery: `.venv-bigquery/`, beside the project's own.

local-bigquery needs Python 3.13 and a pyarrow that Beam does not support. So it has its
own environment, installed on first use from `requirements.lock`. DuckDB looks for its
extensions under HOME, so the server's HOME is the environment's folder: nothing is
written into the user's.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from uv import find_uv_bin

from command.usage import USER_ERROR, UsageError
from local import package_index
from local.process import ROOT, output_of

ENVIRONMENT = ROOT / ".venv-bigquery"
LOCK_FILE = Path(__file__).with_name("requirements.lock")

# What local-bigquery 0.4.0 declares (>= 3.13) and the lock file has wheels for.
PYTHON_VERSIONS = ("3.13", "3.14")
FETCHED_VERSION = PYTHON_VERSIONS[0]
VERSION_PROGRAM = "import sys; print('%d.%d' % sys.version_info[:2])"

# DuckDB would download these from its own site; PyPI carries them too. What
# local-bigquery builds on a third, spatial, is left out (`googlesql.install`).
EXTENSIONS = ("ducklake", "icu")
EXTENSIONS_PROGRAM = (
    "from duckdb_extensions import import_extension\n"
    f"for name in {EXTENSIONS}: import_extension(name)"
)


def bigquery_python() -> Path:
    """Returns the environment's Python; installs the environment if needed.

    Raises:
        UsageError: There is no Python for it, or its packages cannot be installed.
    """
    stamp = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()
    with _one_at_a_time():
        if not is_ready(stamp):
            _install()
            _stamp_file().write_text(stamp)
    return _python()


def _install() -> None:
    """Installs the environment.

    Raises:
        UsageError: It cannot.
    """
    if problem := package_index.problem():
        raise UsageError(
            f"{problem}; the local BigQuery is installed on first use: connect, and "
            "run the command again"
        )
    _make(find_python() or fetch_python())


def server_environment() -> dict[str, str]:
    """The process environment of the local BigQuery."""
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    kept = {name: text for name, text in os.environ.items() if name not in foreign}
    # Its program imports another module of `local`.
    return _allocator() | kept | {"HOME": str(ENVIRONMENT), "PYTHONPATH": str(ROOT)}


@functools.cache
def _allocator() -> dict[str, str]:
    """The setting of an allocator that keeps little of what is freed, if Python has it.

    Trees of SQL come and go: of Python's usual arenas 35 MB are kept half used. A
    Python that was built without mimalloc does not start with this setting.
    """
    command = [str(_python()), "-I", "-c", ""]
    if output_of(["env", "PYTHONMALLOC=mimalloc", *command]) is None:
        return {}
    # Free pages go back at once, those of a thread that has ended, too.
    purge = {"MIMALLOC_PURGE_DELAY": "0", "MIMALLOC_ABANDONED_PAGE_PURGE": "1"}
    return {"PYTHONMALLOC": "mimalloc"} | purge


def _python() -> Path:
    return ENVIRONMENT / "bin" / "python"


def _stamp_file() -> Path:
    return ENVIRONMENT / "complete"


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Waits while another process installs the environment."""
    with LOCK_FILE.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_ready(stamp: str) -> bool:
    """Whether the environment was installed completely, from this lock file.

    The stamp is written last, so an interrupted installation has none. A Python that
    was uninstalled leaves a dangling link.
    """
    return (
        _python().exists()
        and _stamp_file().exists()
        and _stamp_file().read_text() == stamp
    )


def find_python() -> str | None:
    """Returns a Python that local-bigquery runs on, or None.

    Each candidate is run: pyenv has a shim for every version, which fails if that
    version is not selected.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in PYTHON_VERSIONS:
        installed = sorted(pyenv.glob(f"versions/{version}*/bin/python"), reverse=True)
        for candidate in (f"python{version}", "python3", *map(str, installed)):
            if output_of([candidate, "-c", VERSION_PROGRAM]) == version:
                return candidate
        managed = output_of([find_uv_bin(), "python", "find", version])
        if managed:
            return managed
    return None


def fetch_python() -> str:
    """Lets uv download a Python; returns its path.

    Raises:
        UsageError: It cannot.
    """
    _say(f"no Python {FETCHED_VERSION} on this machine: downloading one")
    uv = find_uv_bin()
    output_of([uv, "python", "install", "--no-bin", FETCHED_VERSION])
    python = output_of([uv, "python", "find", "--managed-python", FETCHED_VERSION])
    if not python:
        raise UsageError(
            f"the local BigQuery needs Python {FETCHED_VERSION}, which is not on this "
            "machine and could not be downloaded: install it "
            "(https://www.python.org/downloads, or "
            f"`pyenv install {FETCHED_VERSION}`) and try again"
        )
    return python


def _make(python: str) -> None:
    """Installs the environment from scratch, with packages and DuckDB's extensions.

    Raises:
        UsageError: A step fails.
    """
    _say("installing the local BigQuery into .venv-bigquery (550 MB, once)")
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    problem = _install_with_uv(python) and _install_with_pip(python)
    if problem:
        raise UsageError(f"the local BigQuery cannot be installed: {problem}")
    command = [str(_python()), "-c", EXTENSIONS_PROGRAM]
    if problem := _problem(command, server_environment()):
        raise UsageError(f"DuckDB's extensions cannot be installed: {problem}")
    _link_extensions()
    _say("the local BigQuery is installed")


def _link_extensions() -> None:
    """Makes one file of an extension in its package and its copy under HOME."""
    for copy in ENVIRONMENT.glob(".duckdb/extensions/*/*/*.duckdb_extension"):
        package = "lib/*/site-packages/duckdb_extension_*/extensions/*"
        for file in ENVIRONMENT.glob(f"{package}/{copy.name}"):
            copy.unlink()
            copy.hardlink_to(file)


def _install_with_uv(python: str) -> str | None:
    """Returns what went wrong, if anything did."""
    uv = find_uv_bin()
    install = ["pip", "install", "--quiet", "--python", str(_python())]
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        # Or each start of the server would compile it again: 3 of 4.5 seconds.
        install.append("--compile-bytecode")
    return _problem(
        [uv, "venv", "--quiet", "--python", python, str(ENVIRONMENT)]
    ) or _problem([uv, *install, *_requirements()])


def _install_with_pip(python: str) -> str | None:
    """Tries again with pip, which reads settings (of an index) that uv does not."""
    _say("uv could not install it: trying pip")
    install = ["-m", "pip", "install", "--quiet", *_requirements()]
    return _problem([python, "-m", "venv", "--clear", str(ENVIRONMENT)]) or _problem(
        [str(_python()), *install]
    )


def _requirements() -> list[str]:
    # --no-deps: the lock file has an older DuckDB than local-bigquery declares.
    return ["--no-deps", "--require-hashes", "-r", str(LOCK_FILE)]


def _problem(
    command: Sequence[str], environment: dict[str, str] | None = None
) -> str | None:
    """Runs a command; returns the last lines of its errors if it fails."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return None
    complaint = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return " / ".join(complaint[-3:]) or f"exit code {done.returncode}"


def _say(text: str) -> None:
    print(f"bigquery: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Installs the environment, for tests that run in parallel."""
    try:
        bigquery_python()
    except UsageError as error:
        print(f"bigquery: {error}", file=sys.stderr)
        return USER_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
