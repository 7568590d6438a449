"""`python -m analysis NAME`: an analysis of the tables, as a table and a chart."""

import sys
from collections.abc import Sequence

from command import dispatch
from command.dispatch import Command
from command.output import let_reader_leave
from command.usage import FAILED, INTERRUPTED, USER_ERROR

COMMANDS = {
    "battery": Command(
        "analysis.battery.command",
        "what a battery could have earned at past prices, beside a simple plan",
    ),
    "compare": Command(
        "analysis.compare",
        "two days or half-hours side by side: mix, demand, prices, frequency, actions",
    ),
    "trades": Command(
        "analysis.trades.command",
        "when, at what price and how often a unit is accepted",
    ),
    "forecast": Command(
        "analysis.forecast.command",
        "the market index price of a day, with the errors of past days",
    ),
}
PROG = "python -m analysis"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the analysis that the first argument names; returns its exit code.

    If BigQuery refuses, one line says why, and the exit code is 1.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    try:
        from gb_iris.failure import ReadError
    except ImportError as error:
        return _missing(error)
    try:
        return dispatch.run(PROG, __doc__, COMMANDS, arguments)
    except ReadError as error:
        print(f"{PROG} {arguments[0]}: {error}", file=sys.stderr)
        return FAILED
    except ImportError as error:
        return _missing(error)


def _missing(error: ImportError) -> int:
    text = f"{error.name} is not installed: pip install 'gb-iris[analysis]'"
    print(f"{PROG}: {text}", file=sys.stderr)
    return USER_ERROR


if __name__ == "__main__":
    let_reader_leave()
    sys.exit(main())
