"""One bounded run of the pipeline, as a user starts it: its time and memory."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from local.bigquery import emulator
from local.failure import PartFailedError
from local.process import Child

USAGE = Path(__file__).with_name("child_usage.py")
# Long enough for any machine: a run that hangs must end.
DEADLINE_SECONDS = 3_600.0
_COUNTS = re.compile(r"^([\d,]+) messages: ([\d,]+) records\b", re.MULTILINE)


class PipelineRun(NamedTuple):
    """A run, from the start of its process to its end.

    Attributes:
        messages: Messages read.
        records: Records in them.
        seconds: Duration.
        cpu_seconds: Processor time, without that of the servers.
        peak_mb: Peak memory.
    """

    messages: int
    records: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def run_pipeline(
    work: Path, environment: Mapping[str, str], dataset: str, *options: str
) -> PipelineRun:
    """Runs `python -m pipeline` to its end.

    Args:
        work: Where its log goes.
        environment: The addresses of the servers, by the name of their variable.
        dataset: The BigQuery dataset.
        options: Further options: where it reads.

    Raises:
        PartFailedError: It failed, or did not end.
    """
    command = [sys.executable, "-I", "-S", str(USAGE), sys.executable, "-m", "pipeline"]
    command += [f"--project={emulator.PROJECT}", f"--dataset={dataset}", *options]
    child = Child("pipeline", command, work / "run.log", os.environ | environment)
    try:
        code = asyncio.run(child.ended(DEADLINE_SECONDS))
        if code != 0:
            raise child.failed(f"ended with exit code {code}")
        return parsed((work / "run.log").read_text())
    except PartFailedError as error:
        raise RuntimeError("\n".join([*error.log_lines, str(error)])) from error
    finally:
        child.kill()


def parsed(log: str) -> PipelineRun:
    """Reads the log of a run: its counts, and its usage in the last line."""
    counts = _COUNTS.search(log)
    assert counts, log
    messages, records = (int(count.replace(",", "")) for count in counts.groups())
    return PipelineRun(messages, records, **json.loads(log.splitlines()[-1]))
