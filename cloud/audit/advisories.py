"""Advisories: known faults of the packages that are shipped, from an open database.

pip-audit asks OSV (https://osv.dev) for each package and version of a lock file.
"""

import subprocess
from pathlib import Path

from cloud import fetched_tool
from command.text import one_line

TOOL = "pip-audit==2.10.1"
# What an answer without the database looks like: no verdict, and a traceback.
AWAY = ("NameResolutionError", "NewConnectionError", "ConnectTimeout", "ProxyError")
SECONDS = 600.0


class AuditError(Exception):
    """The database could not be asked; one line."""


def audit(lock: Path) -> list[str]:
    """The advisories of the packages of a lock file, a line each.

    Raises:
        AuditError: The tool or the database cannot be reached.
    """
    arguments = [
        *(
            "pip-audit",
            "--requirement",
            str(lock),
            "--no-deps",
            "--disable-pip",
            "--strict",
        ),
        *("--vulnerability-service", "osv", "--progress-spinner", "off"),
    ]
    try:
        done = fetched_tool.run(TOOL, arguments, SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuditError(one_line(error)) from None
    if done.returncode == 0:
        return []
    if any(word in done.stderr for word in AWAY):
        raise AuditError("the database of advisories (api.osv.dev) cannot be reached")
    found = [line for line in done.stdout.splitlines() if line.strip()]
    if not found:
        raise AuditError(f"pip-audit failed: {fetched_tool.complaint(done)}")
    return found[2:]  # the head of its table
