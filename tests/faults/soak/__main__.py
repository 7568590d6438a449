"""`python -m tests.faults.soak`: the whole system for hours, with faults from a seed.

It starts what `make run-local` starts, on an empty folder, and sends messages of all
datasets through the simulator. Parts are killed, ended and frozen at random moments,
and connections to the queue are cut. At the end every record that was sent is looked
for: in the tables, the views, the dead letters and the unmapped messages. Ctrl-C ends
it early, with the same report.
"""

import argparse
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from command import signals
from command.quantity import positive, whole
from command.usage import FAILED, USER_ERROR, OneLineParser, UsageError
from local.bigquery.environment import bigquery_python
from local.data_folder import DataFolder
from local.process import ROOT
from tests.faults.soak.run import Options, Soak

# Twenty times what IRIS sends at most (docs/performance.md): 3.5 messages a second.
RATE = 70.0
FAULT_EVERY_SECONDS = 40.0


def main(arguments: list[str] | None = None) -> int:
    """Runs a soak; the exit code is 1 if anything is lost, doubled or grows."""
    options = _parser().parse_args(arguments)
    try:
        data = _empty(options)
        bigquery_python()
        return _run(options, data)
    except UsageError as error:
        print(f"soak: {error}", file=sys.stderr)
        return USER_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m tests.faults.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, kind, default, text in (
        ("--hours", positive, 2.0, "how long"),
        ("--seed", whole, 1, "of messages and faults"),
        ("--rate", positive, RATE, "messages a second: 20 times IRIS's highest rate"),
        ("--fault-every", positive, FAULT_EVERY_SECONDS, "mean seconds between faults"),
    ):
        text += " (default: %(default)s)"
        parser.add_argument(name, type=kind, default=default, help=text)
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("DATA") or None,
        metavar="DIR",
        help="an empty folder for tables, logs, soak.csv and soak-report.json "
        "(default: a new one in build/)",
    )
    return parser


def _empty(options: argparse.Namespace) -> DataFolder:
    """The folder of the soak.

    Raises:
        UsageError: It is not empty.
    """
    name = f"build/soak-{options.seed}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    data = DataFolder(Path(options.data or name))
    if data.path.exists() and any(data.path.iterdir()):
        raise UsageError(f"DATA {data.path} is not empty: name a new folder")
    data.path.mkdir(parents=True, exist_ok=True)
    return data


def _run(options: argparse.Namespace, data: DataFolder) -> int:
    asked = Options(options.hours, options.seed, options.rate, options.fault_every)
    _say(
        f"soak: {asked.hours:g} hours, {asked.rate:g} messages/s, seed {asked.seed}, "
        f"in {_shown(data.path)}; Ctrl-C ends it with its report"
    )
    stopped = threading.Event()
    soak = Soak(asked, data, _say)
    with signals.stopping(lambda _: stopped.set()):
        report = soak.perform(stopped)
    print(*report.lines(), sep="\n")
    print(f"{_shown(data.path)} has soak.csv, soak-report.json and the logs")
    return FAILED if report.problems else 0


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


if __name__ == "__main__":
    sys.exit(main())
