"""`python -m sql COMMAND`: makes, updates and checks tables and views in BigQuery."""

import atexit
import gc
import sys
from collections.abc import Sequence

from command import dispatch, network, signals
from command.dispatch import Command
from command.left_out import leave_out
from command.output import let_reader_leave
from command.text import first_line
from command.usage import FAILED, INTERRUPTED

COMMANDS = {
    "render": Command(
        "sql.render.command", "write all SQL to a folder; needs no connection"
    ),
    "apply": Command(
        "sql.apply.command",
        "create tables and views in BigQuery, or bring them up to date",
    ),
    "refresh": Command(
        "sql.refresh.command",
        "resolve the export and import limits that have arrived since",
    ),
    "check": Command(
        "sql.check.command",
        "check the data: freshness, gaps, duplicates, dead letters, ledger",
    ),
    "status": Command("sql.status.command", "how the feed is, in a few lines"),
    "query": Command("sql.query.command", "run a statement: its rows, and what it did"),
    "tables": Command(
        "sql.query.listing", "list tables and views, or the columns of one"
    ),
    "shell": Command("sql.shell.command", "a prompt for statements"),
    "drift": Command(
        "sql.drift.command",
        "show fields and datasets that the registry does not know, and add them",
    ),
    "compact": Command(
        "sql.compact.command", "remove identical rows from tables, one day at a time"
    ),
    "units": Command("sql.units.command", "load Elexon's reference list of BM units"),
    "docs": Command(
        "sql.docs.command", "write docs/data.md, the page of all datasets and columns"
    ),
}
PROG = "python -m sql"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; returns its exit code.

    If BigQuery refuses, one line says why, and the exit code is 1.
    """
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    with signals.ending_at_once():  # Google's libraries take a second to load
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException

    try:
        return dispatch.run(PROG, __doc__, COMMANDS, arguments)
    except GoogleAuthError as error:
        text = (
            f"no credentials for BigQuery ({first_line(error)}): run "
            "`gcloud auth application-default login`"
        )
    except GoogleAPICallError as error:
        text = f"BigQuery refused: {first_line(error)}"
    except (RetryError, RequestException) as error:
        text = f"BigQuery does not answer: {first_line(error)}"
    print(f"{PROG} {arguments[0]}: {text}", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    # Otherwise the collector visits all libraries once more at the end: 0.3 s.
    atexit.register(gc.freeze)
    let_reader_leave()
    network.go_past_proxy()
    leave_out("pandas", "IPython")
    sys.exit(main())
