"""Options: what the command lines of all analyses share."""

import argparse
import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.answer import FORMATS
from analysis.chart import chart_path
from analysis.days import Days
from command.tables_path import add_dataset_option, project_id
from command.usage import UsageError


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds where the tables are, and what becomes of the answer."""
    where = parser.add_argument_group("where the tables are")
    where.add_argument(
        "--project", type=project_id, help="a Google Cloud project (default: local)"
    )
    add_dataset_option(where)
    where.add_argument(
        "--data", help="the folder of the local tables (default: .local)"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format",
        choices=FORMATS,
        help="form of the rows (default: a table in a terminal, else JSON lines)",
    )
    output.add_argument(
        "--chart", type=chart_path, metavar="FILE", help="write a chart, a PNG"
    )


def add_days_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--from` and `--to`."""
    for name, meaning in (("from", "the first day"), ("to", "the day after the last")):
        parser.add_argument(
            f"--{name}",
            dest=f"{name}_day",
            type=day,
            required=True,
            metavar="DAY",
            help=f"{meaning}, in Great Britain, such as 2026-05-06",
        )


def days_of(options: argparse.Namespace) -> Days:
    """The days between `--from` and `--to`.

    Raises:
        UsageError: There is none.
    """
    first, end = options.from_day, options.to_day
    if end <= first:
        raise UsageError(
            f"--to {end} is not after --from {first}: it is the day after the last, so "
            f"that {first} alone is --from {first} --to {first + dt.timedelta(days=1)}"
        )
    return Days(first, end)


def day(text: str) -> dt.date:
    """A day; for argparse.

    Raises:
        argparse.ArgumentTypeError: The text is not a day.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a day, such as 2026-05-06"
        ) from None


def tables_of(options: argparse.Namespace) -> Mapping[str, Any]:
    """Where `read` finds the tables."""
    data = Path(options.data) if options.data else None
    return {"project": options.project, "dataset": options.dataset, "data": data}
