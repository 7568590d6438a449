"""`child_usage.py COMMAND...`: runs it, and prints its time and memory as last line.

A small process of its own: the kernel counts the memory of the parent of a program as
the program's. So it imports only the standard library.
"""

import json
import os
import subprocess
import sys
import time

# `ru_maxrss` is in bytes on macOS, in kilobytes elsewhere.
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


def main() -> int:
    """Runs the command in the arguments; returns its exit code."""
    started = time.monotonic()
    process = subprocess.Popen(sys.argv[1:])
    _, status, usage = os.wait4(process.pid, 0)
    used = {
        "seconds": time.monotonic() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * MAXRSS_BYTES / 2**20,
    }
    print(json.dumps(used), flush=True)
    return os.waitstatus_to_exitcode(status) & 0xFF


if __name__ == "__main__":
    sys.exit(main())
