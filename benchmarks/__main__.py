"""`python -m benchmarks`: measures, and prints what was measured."""

import argparse
import sys

from benchmarks import backlog, corpus


def main() -> int:
    """Runs the measurements; ratios are of this run and this machine alone."""
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("--messages", type=int, default=corpus.MESSAGES)
    options = parser.parse_args()
    first, *others = backlog.run(options.messages)
    print(f"\nA backlog of {options.messages:,} files to rows, local BigQuery:")
    for one in (first, *others):
        ratio = one.files_per_second / first.files_per_second
        memory = f"  {one.peak_mb:5.0f} MB" if one.peak_mb else ""
        print(
            f"{one.name:20} {one.files:7,} files {one.seconds:7.1f} s "
            f"{one.files_per_second:8,.0f} files/s {ratio:6.1f} x{memory}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
