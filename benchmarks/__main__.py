"""`python -m benchmarks`: measures the speed and memory of the product.

The results are ratios within one run. Absolute figures are context: they depend on the
machine and on what else it does.
"""

import argparse
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.measurement import Measurement
from command.quantity import positive
from command.usage import INTERRUPTED, OneLineParser

# Each is a module of this package with `measure(scale) -> Iterator[Measurement]`.
PARTS = {
    "decode": "the decode core beside the bare parser",
    "backlog": "a backlog of files to rows, beside a simple loader",
    "relay": "the bridge, beside the receive loop of Elexon's client",
    "stream": "the streaming graph alone, and drain and stream beside bare inserts",
    "latency": "from the IRIS queue to the answer of a query, in both modes",
    "growth": "time and memory as the input grows",
    "sink": "rows to BigQuery, beside Beam's own sink",
    "service": "requests and ledger rows of a service, in bundles of one element",
    "views": "one day through the views, beside its table",
    "read": "rows to a data frame, beside Google's own client",
    "dashboard": "its page Now in a browser, beside the same queries alone",
    "volumes": "accepted volumes of 1, 4 and 16 days, beside a scan of their rows",
}
RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    """Runs the chosen parts; if one fails, the others still run."""
    options = _options()
    progress, failed = Console(stderr=True), []
    measured: list[Measurement] = []
    for name in options.only or PARTS:
        progress.print(f"measuring {name}: {PARTS[name]}")
        try:
            for one in measure_part(name, options.scale):
                measured.append(one)
                progress.print(f"  {one.name}: {report.number(one.value)} {one.unit}")
        except Exception:  # noqa: BLE001 - printed, and the other parts run
            failed.append(name)
            traceback.print_exc()
    report.print_table(measured, Console())
    report.write_json(measured, options.output)
    report.plot(measured, options.output.with_suffix(".png"))
    print(f"written to {options.output} and {options.output.with_suffix('.png').name}")
    for name in failed:
        print(f"{name} failed: its error is above", file=sys.stderr)
    return 1 if failed else 0


def measure_part(name: str, scale: float) -> Iterator[Measurement]:
    part = importlib.import_module(f"benchmarks.{name}")
    yield from part.measure(scale)


def _options() -> argparse.Namespace:
    """The command line, checked completely before half an hour of measurements."""
    parser = _parser()
    options = parser.parse_args()
    output: Path = options.output
    if output.suffix != ".json":
        parser.error(f"argument --output: must end in .json: {output}")
    for path in (output, output.with_suffix(".png")):
        written = path if path.exists() else path.parent
        if path.is_dir() or not os.access(written, os.W_OK):
            parser.error(f"argument --output: cannot write {path}")
    if find_spec("matplotlib") is None:
        parser.error("matplotlib is not installed: `make bench` installs it")
    return options


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:10} {text}" for name, text in PARTS.items())
    parser = OneLineParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\nparts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="a part; can be repeated"
    )
    parser.add_argument(
        "--scale",
        type=positive,
        default=1.0,
        help="fraction of the usual sizes, for a quick look (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        help="file for the figures; the plot is next to it (default: %(default)s)",
    )
    return parser


def _stop(number: int, _frame: object) -> None:
    sys.exit(128 + number)  # which also stops what was started


if __name__ == "__main__":
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
