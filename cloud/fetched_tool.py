"""A fetched tool: a program that nothing else here needs, from the package index.

uv keeps it in an environment of its own.
"""

import subprocess
from collections.abc import Sequence

from uv import find_uv_bin


def run(
    package: str, arguments: Sequence[str], seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program of a package.

    Args:
        package: With its version, such as `pip-audit==2.10.1`.
        arguments: The name of the program, and its arguments.
        seconds: How long it may take; None for any time.

    Raises:
        OSError: uv cannot be started.
        subprocess.TimeoutExpired: It takes longer.
    """
    command = [find_uv_bin(), "tool", "run", "--quiet", "--from", package, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a program wrote to standard error."""
    return (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
