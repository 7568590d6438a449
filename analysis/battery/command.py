"""`python -m analysis battery`: the best schedule at past prices, and a naive one.

Both are of the past: the best one knows every price in advance, as nobody does. It is
an upper bound, not a forecast.
"""

import argparse
import datetime as dt
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from analysis.answer import Answer, print_answer, say
from analysis.battery.best import best
from analysis.battery.naive import naive
from analysis.battery.schedule import Battery, Floats, Integers, Schedule
from analysis.chart import write_chart
from analysis.days import HALF_HOUR, ONE_DAY, Days, clock_of, day_of, utc_text
from analysis.options import add_days_options, add_output_options, days_of, tables_of
from analysis.prices import KINDS, prices
from command.usage import UsageError

BY_DAY = (
    *("day", "halfHours", "meanPrice"),
    *("bestCharged", "bestDischarged", "bestRevenue"),
    *("naiveCharged", "naiveDischarged", "naiveRevenue"),
)
BY_HALF_HOUR = (
    *("startTime", "price", "bestCharged", "bestDischarged", "bestStored"),
    *("bestRevenue", "naiveCharged", "naiveDischarged", "naiveRevenue"),
)


class Past(NamedTuple):
    """Half-hours with a price, in order.

    Attributes:
        times: When they start, in UTC.
        prices: GBP/MWh.
        days: The number of the day of each.
    """

    times: list[dt.datetime]
    prices: Floats
    days: Integers

    def since(self, day: dt.date) -> slice:
        """The half-hours from a day on."""
        return slice(int(np.searchsorted(self.days, day.toordinal())), None)


def configure(parser: argparse.ArgumentParser) -> None:
    add_days_options(parser)
    parser.add_argument(
        "--power", type=_amount, required=True, metavar="MW", help="at the meter"
    )
    parser.add_argument(
        "--energy",
        type=_amount,
        required=True,
        metavar="MWH",
        help="what a full battery delivers",
    )
    parser.add_argument(
        "--efficiency",
        type=_share,
        default=0.88,
        metavar="SHARE",
        help="of a round trip, above 0 and at most 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--cycles",
        type=_amount,
        default=1.5,
        metavar="N",
        help="how many times a day it delivers --energy, at most "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--price",
        choices=KINDS,
        default="index",
        help="the market index or the system price (default: %(default)s)",
    )
    parser.add_argument(
        "--by",
        choices=("day", "half-hour"),
        default="day",
        help="what a row is (default: %(default)s)",
    )
    add_output_options(parser)


def run(options: argparse.Namespace) -> int:
    days = days_of(options)
    battery = Battery(options.power, options.energy, options.efficiency, options.cycles)
    past = _past(options, days)
    # The naive one needs the day before, and the best one must not trade there.
    plain = naive(past.prices, past.days, list(map(clock_of, past.times)), battery)
    found = past.since(days.first)
    past, plain = _cut(past, plain, found)
    if not past.times:
        raise UsageError(f"there is no price from {days.first} to {days.end}")
    top = best(past.prices, past.days, battery)
    rows = _by_day if options.by == "day" else _by_half_hour
    print_answer(rows(past, top, plain, battery), options.format)
    _remark(days, past, top, plain)
    if options.chart:
        title = f"{KINDS[options.price]}, {days.first} until before {days.end}"
        write_chart(options.chart, title, *_panes(past, top, plain, battery))
    return 0


def _past(options: argparse.Namespace, days: Days) -> Past:
    """The prices of the days, and of the day before the first."""
    longer = Days(days.first - ONE_DAY, days.end)
    found = prices(options.price, longer, tables_of(options))
    for time, price in found.items():
        if not math.isfinite(price):
            raise UsageError(f"the price at {utc_text(time)} is {price}: not a number")
    numbers = [day_of(time).toordinal() for time in found]
    return Past(
        list(found), np.array(list(found.values())), np.array(numbers, dtype=np.int64)
    )


def _cut(past: Past, plain: Schedule, part: slice) -> tuple[Past, Schedule]:
    shorter = Past(past.times[part], past.prices[part], past.days[part])
    return shorter, Schedule(*(each[part] for each in plain))


def _by_day(past: Past, top: Schedule, plain: Schedule, _: Battery) -> Answer:
    def row(name: str, part: Any) -> list[Any]:
        cells: list[Any] = [
            name,
            int(past.prices[part].size),
            past.prices[part].mean(),
        ]
        for schedule in (top, plain):
            earned = schedule.revenue(past.prices)
            sums = (schedule.charged, schedule.discharged, earned)
            cells.extend(each[part].sum() for each in sums)
        return cells

    rows = [
        row(str(dt.date.fromordinal(int(day))), past.days == day)
        for day in np.unique(past.days)
    ]
    return Answer(BY_DAY, [*rows, row("total", slice(None))])


def _by_half_hour(
    past: Past, top: Schedule, plain: Schedule, battery: Battery
) -> Answer:
    columns = (
        *(past.prices, top.charged, top.discharged, top.stored(battery)),
        *(top.revenue(past.prices), plain.charged, plain.discharged),
        plain.revenue(past.prices),
    )
    rows = zip(map(utc_text, past.times), *columns, strict=True)
    return Answer(BY_HALF_HOUR, list(rows))


def _remark(days: Days, past: Past, top: Schedule, plain: Schedule) -> None:
    missing = sum(1 for _ in days.half_hours()) - len(past.times)
    if missing:
        say(f"{missing} half-hours have no price: the battery rests in them")
    most, less = (each.revenue(past.prices).sum() for each in (top, plain))
    say(
        f"{most:,.2f} GBP at most, with every price known in advance; "
        f"{less:,.2f} GBP by the prices of yesterday. Past prices, not a forecast."
    )


def _panes(
    past: Past, top: Schedule, plain: Schedule, battery: Battery
) -> list[Callable[[Any], None]]:
    def price(axes: Any) -> None:
        axes.step(past.times, past.prices, where="post", color="black", linewidth=0.8)
        axes.axhline(0, color="grey", linewidth=0.5)
        axes.set_ylabel("GBP/MWh")

    def stored(axes: Any) -> None:
        ends = [time + HALF_HOUR for time in past.times]
        for name, schedule in (("best", top), ("naive", plain)):
            axes.plot(ends, schedule.stored(battery), label=name)
        axes.set_ylabel("stored, MWh")
        axes.legend(loc="upper left")

    def earned(axes: Any) -> None:
        for name, schedule in (("best", top), ("naive", plain)):
            sums = np.cumsum(schedule.revenue(past.prices))
            axes.step(past.times, sums, where="post", label=name)
        axes.set_ylabel("earned, GBP")

    return [price, stored, earned]


def _amount(text: str) -> float:
    """A number above 0; for argparse.

    Raises:
        argparse.ArgumentTypeError: It is not.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _share(text: str) -> float:
    value = _amount(text)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is above 1: 88 % is 0.88")
    return value
