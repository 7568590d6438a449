"""Time and memory of a run of the pipeline, from `child_usage.py` and its log."""

import json
import subprocess
import sys

from benchmarks import run_of_pipeline

# Far more than the interpreter has by itself.
HELD_MB = 60


def used(program: str) -> subprocess.CompletedProcess[str]:
    """Runs a Python program under `child_usage.py`."""
    command = [sys.executable, "-I", "-S", str(run_of_pipeline.USAGE)]
    command += [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True)


def test_peak_memory_is_that_of_the_command() -> None:
    done = used(f"held = b'x' * {HELD_MB << 20}")
    assert HELD_MB < json.loads(done.stdout)["peak_mb"] < 2 * HELD_MB


def test_memory_of_the_parent_is_not_counted() -> None:
    held = b"x" * (3 * HELD_MB << 20)
    assert json.loads(used("pass").stdout)["peak_mb"] < HELD_MB < len(held)


def test_exit_code_is_that_of_the_command() -> None:
    assert used("raise SystemExit(3)").returncode == 3


def test_the_log_has_counts_and_usage() -> None:
    log = (
        "2026-11-25 22:47:46,454 INFO pipeline.sources: 7591 messages read\n"
        "63,792 messages: 277,242 records = 277,242 rows + 0 duplicates\n"
        '{"seconds": 20.0, "cpu_seconds": 9.5, "peak_mb": 250.5}\n'
    )
    run = run_of_pipeline.parsed(log)
    assert run == run_of_pipeline.PipelineRun(63_792, 277_242, 20.0, 9.5, 250.5)
