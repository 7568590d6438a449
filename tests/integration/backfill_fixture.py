"""The backfill command, started as users start it, and its report read."""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.archive_fixture import Archive
from tests.integration.bridge_fixture import (
    CLEAN,
    DEADLINE_SECONDS,
    ROOT,
    TOPIC,
    PubSub,
)

UPLOADED = "2026-05-06T02:31:00Z"
DAY = ("--from", "2026-05-06", "--to", "2026-05-07")


class Backfill:
    """`python -m bridge backfill` in a folder of its own."""

    def __init__(self, folder: Path, archive: Archive, pubsub: PubSub) -> None:
        self.folder = folder
        self.local = False  # python -m local backfill, which knows the addresses itself
        self.options = ("--archive", archive.url, "--api", archive.api_url)
        self.environment = CLEAN | {
            "PYTHONPATH": str(ROOT),
            "PUBSUB_TOPIC": TOPIC,
            "PUBSUB_EMULATOR_HOST": pubsub.host,
        }
        if host := os.environ.get("BIGQUERY_EMULATOR_HOST"):
            self.environment["BIGQUERY_EMULATOR_HOST"] = host

    def start(self, *options: str) -> subprocess.Popen[str]:
        environment = self.environment
        command = ["bridge", "backfill"]
        if self.local:
            environment = CLEAN | {"PYTHONPATH": str(ROOT)}
            command = ["local", "backfill", "--data", str(self.folder)]
        return subprocess.Popen(
            [sys.executable, "-m", *command, *self.options, *options],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *options: str, code: int = 0) -> tuple[str, str]:
        """Runs it to its end; returns its two outputs."""
        process = self.start(*options)
        out, err = process.communicate(timeout=2 * DEADLINE_SECONDS)
        assert process.returncode == code, (out, err)
        assert "Traceback" not in err
        return out, err


def row(report: str, dataset: str) -> list[str]:
    """The counts of a dataset in a report."""
    line = next(x for x in report.splitlines() if x.split()[:1] == [dataset])
    return line.split()[1:]
