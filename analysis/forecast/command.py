"""`python -m analysis forecast DAY`: the market index price of a day, and the errors.

A simple method stands beside the model, with its errors on the same past days: a model
that is no better than yesterday's prices is of no use.
"""

import argparse
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.answer import Answer, print_answer, say
from analysis.chart import write_chart
from analysis.days import ONE_DAY, Days, clock_of, day_of, utc_text
from analysis.forecast.backtest import Errors, backtest
from analysis.forecast.methods import COLUMNS, LEAST_DAYS, METHODS, WEEK, Floats
from analysis.options import add_output_options, day, tables_of
from analysis.prices import prices
from command.usage import UsageError

ERRORS = ("method", "halfHours", "meanAbsoluteError", "rootMeanSquareError", "bias")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "day", type=day, metavar="DAY", help="a day in Great Britain: 2026-05-06"
    )
    parser.add_argument(
        "--history",
        type=_days,
        default=90,
        metavar="DAYS",
        help="how many days before those of the backtest the model learns from, too "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--backtest",
        type=_days,
        default=28,
        metavar="DAYS",
        help="how many days before DAY are forecast, too, for the errors "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--by",
        choices=("half-hour", "method"),
        default="half-hour",
        help="a row is a half-hour of DAY, or a method with its errors "
        "(default: %(default)s)",
    )
    add_output_options(parser)


def run(options: argparse.Namespace) -> int:
    wanted = Days(options.day, options.day + ONE_DAY)
    length = options.history + options.backtest + WEEK
    known = prices(
        "index", Days(options.day - length * ONE_DAY, wanted.end), tables_of(options)
    )
    grid = _grid(known, options.day)
    last = len(grid) - 1
    tested = min(options.backtest, last - WEEK - LEAST_DAYS)
    priced = np.isfinite(grid[WEEK : last - max(tested, 0)]).any(axis=1).sum()
    if tested < 1 or priced < LEAST_DAYS // 2:
        raise UsageError(
            f"the first price of these {length} days is {last} days before "
            f"{options.day}, or many days have none: a forecast with a backtest needs "
            f"{WEEK + LEAST_DAYS + 1} days"
        )
    errors = backtest(grid, last - tested, last)
    said = {name: method(grid, last) for name, method in METHODS.items()}
    rows = [
        _row(start, said, known.get(start, math.nan)) for start in wanted.half_hours()
    ]
    columns = ("startTime", *METHODS, "price")
    answer = Answer(columns, rows)
    if options.by == "method":
        answer = Answer(ERRORS, errors)
    print_answer(answer, options.format)
    _remark(tested, errors)
    if options.chart:
        _draw(options, rows, columns)
    return 0


def _grid(known: Mapping[dt.datetime, float], last: dt.date) -> Floats:
    """Prices by day and half-hour of the clock, from the first day with one on."""
    first = min(map(day_of, known))
    grid = np.full(((last - first).days + 1, COLUMNS), np.nan)
    for start, price in known.items():
        # The day itself is what is asked: no method may see it.
        if day_of(start) < last:
            grid[(day_of(start) - first).days, _column(start)] = price
    return grid


def _column(start: dt.datetime) -> int:
    hour, minute = clock_of(start).split(":")
    return int(hour) * 2 + int(minute) // 30


def _row(start: dt.datetime, said: Mapping[str, Floats], price: float) -> list[Any]:
    values = [values[_column(start)] for values in said.values()]
    return [utc_text(start), *values, price]


def _remark(days: int, errors: Sequence[Errors]) -> None:
    parts = [f"{each.mean_absolute:.2f} ({each.method})" for each in errors]
    say(
        f"mean absolute error of the {days} days before, in GBP/MWh: {', '.join(parts)}"
    )


def _draw(
    options: argparse.Namespace, rows: Sequence[Sequence[Any]], columns: Sequence[str]
) -> None:
    def pane(axes: Any) -> None:
        for place, name in enumerate(columns[1:], start=1):
            style = {"color": "black", "linewidth": 2} if name == "price" else {}
            values = [row[place] for row in rows]
            axes.step(range(len(rows)), values, where="post", label=name, **style)
        axes.set_xlabel("half-hour of the day")
        axes.set_ylabel("GBP/MWh")
        axes.legend()

    write_chart(options.chart, f"market index price, {options.day}", pane)


def _days(text: str) -> int:
    """A number of days; for argparse.

    Raises:
        argparse.ArgumentTypeError: It is not.
    """
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 1000 days")
    return int(text)
