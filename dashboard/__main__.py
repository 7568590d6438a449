"""`python -m dashboard COMMAND`: live pages of the tables. It only reads."""

import sys
from collections.abc import Sequence

from command import dispatch, network
from command.dispatch import Command
from command.left_out import leave_out

COMMANDS = {
    "serve": Command("dashboard.serve", "serve the pages on this machine"),
    "report": Command("dashboard.report", "write a day as one page of HTML or PDF"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; returns its exit code."""
    return dispatch.run("python -m dashboard", __doc__, COMMANDS, arguments)


if __name__ == "__main__":
    network.go_past_proxy()
    leave_out("pandas", "IPython")
    sys.exit(main())
