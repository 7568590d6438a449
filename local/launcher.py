"""Runs a command that must not outlive the process that started it.

`python launcher.py PARENT_PID COMMAND...` asks the kernel (Linux) to kill this process
when its parent ends, however it ends, and then becomes COMMAND. On other systems the
command just runs. It imports as little as possible, as every part starts with it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    """Replaces this process by the command in the arguments."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
