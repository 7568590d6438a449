"""The command line of `make bench`: mistakes are reported before the work."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command_line
from tests.integration.simulator_fixture import wait_for


@pytest.fixture(autouse=True)
def _no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "PARTS", {"decode": ""})
    monkeypatch.setattr(command_line, "measure_part", lambda _name, _scale: iter(()))


def run(monkeypatch: pytest.MonkeyPatch, *options: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, options)])
    return command_line.main()


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "half"])
def test_a_scale_is_a_number_above_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scale: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "--scale", scale)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--scale: '{scale}' is not a number above 0" in line


@pytest.mark.parametrize("output", ["missing/x.json", ".", "x.png", "x"])
def test_an_output_that_cannot_be_written_is_reported_at_once(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    output: str,
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "--output", tmp_path / output)
    assert "--output: " in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_matplotlib_is_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command_line, "find_spec", lambda _name: None)
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "--output", tmp_path / "x.json")
    assert "matplotlib" in capsys.readouterr().err.splitlines()[-1]


# A part of a benchmark: a program under `child_usage.py`, as the pipeline is.
PART = """
import asyncio, runpy, signal, sys, types
from pathlib import Path
from benchmarks.run_of_pipeline import USAGE
from local.process import Child

def measure(_scale):
    command = [sys.executable, str(USAGE), "sleep", "601.25"]
    child = Child("part", command, Path(sys.argv[-1]).with_name("part.log"))
    try:
        asyncio.run(child.ended(600))
    finally:
        child.kill()
    yield

# Tests that run in the background of a shell ignore it, and so do their children.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.modules["benchmarks.decode"] = types.SimpleNamespace(measure=measure)
sys.argv[1:] = ["--only", "decode", "--output", sys.argv[1]]
runpy.run_module("benchmarks", run_name="__main__")
"""


def sleepers(group: int) -> list[int]:
    """The processes of a part below a benchmark."""
    found = subprocess.run(
        ["ps", "-eo", "pid=,sess=,args="], capture_output=True, text=True, check=True
    )
    lines = (line.split(maxsplit=2) for line in found.stdout.splitlines())
    return [
        int(pid)
        for pid, session, command in lines
        if command.startswith("sleep 601.25") and int(session) > group
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_ends_what_was_started(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """A child of `child_usage.py` would outlive it, and never end."""
    bench = subprocess.Popen(
        [sys.executable, "-c", PART, str(tmp_path / "x.json")], start_new_session=True
    )
    try:
        wait_for(
            lambda: bench.poll() is not None or sleepers(bench.pid), bool, seconds=60
        )
        assert bench.poll() is None
        bench.send_signal(number)
        assert bench.wait(timeout=30) == code
        assert sleepers(bench.pid) == []
    finally:
        bench.kill()
        for pid in sleepers(bench.pid):
            os.kill(pid, signal.SIGKILL)
