"""A command whose reader leaves does its work to the end."""

import os
import subprocess
import sys

import pytest

WHERE = ("--project=my-project", "--region=europe-west2")
UNREAD = (
    ["cloud", "cost"],
    ["cloud", "launch", *WHERE, "--tag=v1", "--dry-run"],
    ["cloud", "images", *WHERE, "--dry-run"],
)


def unread(arguments, buffering):
    """Runs a command into a pipe that nobody reads, as `| true` is."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": buffering},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize("arguments", UNREAD, ids=" ".join)
def test_what_nobody_reads_is_no_failure(arguments):
    done = unread(arguments, "")
    # `cloud launch` says there which messages are too large for it.
    told = [x for x in done.stderr.splitlines() if "TOO_LARGE_FOR_SERVICE" not in x]
    assert (done.returncode, told) == (0, [])


def test_all_files_are_written_though_nobody_reads_of_them(tmp_path):
    done = unread(["sql", "render", f"--output={tmp_path}"], "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"tables", "views"}
