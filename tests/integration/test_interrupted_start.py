"""Ctrl-C while a command loads its libraries: no traceback, exit code 130."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
# In the place of a library: it is being loaded until the signal comes. As some real
# ones do, it goes on after an exception. It sleeps in short pieces, because
# `signal.pause` would miss a signal that came just before it, and never end.
HELD_UP = """
import time
try:
    print("loading", flush=True)
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    raise ImportError("a library that makes another error of Ctrl-C")
"""


@pytest.mark.parametrize(
    ("command", "library"),
    [
        ("bridge", "uvloop"),
        ("bridge --check", "azure"),
        ("bridge backfill --from 2026-05-06 --to 2026-05-07", "aiohttp"),
        ("pipeline --files nowhere", "apache_beam"),
        ("sql check", "requests"),
        ("sql apply", "jinja2"),
        ("local stack run", "rich"),
        ("local query", "requests"),
        ("cloud cost", "yaml"),
    ],
)
def test_ctrl_c_while_modules_load_ends_quietly(
    command: str, library: str, tmp_path: Path
) -> None:
    (tmp_path / f"{library}.py").write_text(HELD_UP)
    with subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert (line, rest, errors) == ("loading\n", "", "")
    assert process.returncode == 130
