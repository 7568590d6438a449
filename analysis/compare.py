"""`python -m analysis compare`: two days or half-hours side by side."""

import argparse
import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from analysis.answer import Answer, print_answer
from analysis.chart import write_chart
from analysis.days import HALF_HOUR, ONE_DAY, clock_of, day_of, midnight
from analysis.options import add_output_options, tables_of
from gb_iris import read

COLUMNS = ("figure", "unit", "first", "second", "difference")
# The limits of normal operation, in Hz.
LOWEST_HZ, HIGHEST_HZ = 49.8, 50.2
SAMPLE_SECONDS = 15
HALF_HOUR_SECONDS = HALF_HOUR.total_seconds()
GENERATION = "generation "


class Span(NamedTuple):
    """A day or a half-hour: its name, and when it starts and ends in UTC."""

    name: str
    start: dt.datetime
    end: dt.datetime


class Figure(NamedTuple):
    """What is compared; NaN where nothing is known."""

    name: str
    unit: str
    value: float


class Series(NamedTuple):
    """A column of a dataset over time."""

    dataset: str
    time: str
    column: str
    label: str


SYSTEM_PRICE = Series("DISEBSP", "startTime", "systemBuyPrice", "system price, GBP/MWh")
FREQUENCY = Series("FREQ", "measurementTime", "frequency", "frequency, Hz")
Read = Callable[..., Any]


def configure(parser: argparse.ArgumentParser) -> None:
    for name, which in (("first", "one"), ("second", "the other")):
        parser.add_argument(
            name,
            type=span,
            metavar="DAY",
            help=f"{which}: a day in Great Britain (2026-05-06), or the start of a "
            "half-hour (2026-05-06T12:30Z)",
        )
    add_output_options(parser)


def run(options: argparse.Namespace) -> int:
    tables = tables_of(options)
    first, second = options.first, options.second
    before, after = figures(first, tables), figures(second, tables)
    rows = [
        [one.name, one.unit, one.value, other.value, other.value - one.value]
        for one, other in _pairs(before, after)
    ]
    names = (*COLUMNS[:2], first.name, second.name, COLUMNS[-1])
    columns = names if first.name != second.name else COLUMNS
    print_answer(Answer(columns, rows, texts=2), options.format)
    if options.chart:
        title = f"{first.name} and {second.name}"
        pane = functools.partial(_mix_pane, (first, second), _pairs(before, after))
        days = all(each.end - each.start > HALF_HOUR for each in (first, second))
        series = SYSTEM_PRICE if days else FREQUENCY
        course = functools.partial(_course_pane, (first, second), tables, series)
        write_chart(options.chart, title, pane, course)
    return 0


def span(text: str) -> Span:
    """A day or a half-hour; for argparse.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        start = _half_hour(text)
        return Span(text, start, start + HALF_HOUR)
    return Span(text, midnight(day), midnight(day + ONE_DAY))


def _half_hour(text: str) -> dt.datetime:
    start: dt.datetime | None = None
    with contextlib.suppress(ValueError):
        start = dt.datetime.fromisoformat(text)
    if start is None or start.tzinfo is None or start.timestamp() % HALF_HOUR_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a day or the start of a half-hour in UTC: 2026-05-06 or "
            "2026-05-06T12:30Z"
        )
    return start.astimezone(dt.UTC)


def figures(span: Span, tables: Mapping[str, Any]) -> list[Figure]:
    """All figures of a day or half-hour."""
    within = functools.partial(read, start=span.start, end=span.end, **tables)
    parts = (_mix(within), _demand(within), _prices(within), _frequency(within))
    found = [figure for part in parts for figure in part]
    return [*found, *_actions(within, day_of(span.start))]


def _mix(within: Read) -> Iterator[Figure]:
    rows = within("FUELINST", columns=["startTime", "fuelType", "generation"])
    rows["generation"] = rows["generation"].astype("float64")
    for fuel, values in rows.groupby("fuelType")["generation"]:
        yield Figure(f"{GENERATION}{fuel}", "MW", values.mean())
    sums = rows.groupby("startTime")["generation"].sum()
    yield Figure("all generation", "MW", sums.mean())
    yield Figure("generation, times with values", "", len(sums))


def _demand(within: Read) -> Iterator[Figure]:
    values = within("INDO", columns=["startTime", "demand"])["demand"].astype("float64")
    yield Figure("demand, mean", "MW", values.mean())
    yield Figure("demand, highest", "MW", values.max())
    yield Figure("demand, half-hours with values", "", int(values.count()))


def _prices(within: Read) -> Iterator[Figure]:
    trades = within("MID", columns=["startTime", "price", "volume"])
    volume = trades["volume"].sum()
    mean = (trades["price"] * trades["volume"]).sum() / volume if volume else None
    yield Figure("market index price, mean", "GBP/MWh", _number(mean))
    columns = ["startTime", "systemBuyPrice", "netImbalanceVolume"]
    system = within("DISEBSP", columns=columns)
    price = system["systemBuyPrice"]
    yield Figure("system price, mean", "GBP/MWh", price.mean())
    yield Figure("system price, lowest", "GBP/MWh", price.min())
    yield Figure("system price, highest", "GBP/MWh", price.max())
    yield Figure("net imbalance", "MWh", system["netImbalanceVolume"].sum(min_count=1))
    yield Figure("system price, half-hours with values", "", int(price.count()))


def _frequency(within: Read) -> Iterator[Figure]:
    values = within("FREQ", columns=["measurementTime", "frequency"])["frequency"]
    outside = ((values < LOWEST_HZ) | (values > HIGHEST_HZ)).sum() * SAMPLE_SECONDS
    yield Figure("frequency, mean", "Hz", values.mean())
    yield Figure("frequency, lowest", "Hz", values.min())
    yield Figure("frequency, highest", "Hz", values.max())
    seconds = float(outside) if len(values) else None
    yield Figure("frequency outside 49.8 to 50.2", "s", _number(seconds))
    yield Figure("frequency, samples", "", int(values.count()))


def _actions(within: Read, day: dt.date) -> Iterator[Figure]:
    rows = within("gb_acceptance_volumes", where={"settlementDate": day})
    # A number is of a unit, which may lack one of its names.
    names = ["nationalGridBmUnit", "bmUnit"]
    for what, key in (
        ("acceptances", [*names, "acceptanceNumber"]),
        ("units accepted", names),
    ):
        yield Figure(what, "", len(rows.drop_duplicates(key)))
    for name, unit in (
        ("offerVolume", "MWh"),
        ("bidVolume", "MWh"),
        ("cashflow", "GBP"),
    ):
        yield Figure(f"acceptances, {name}", unit, rows[name].sum(min_count=1))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _pairs(first: list[Figure], second: list[Figure]) -> list[tuple[Figure, Figure]]:
    """Figures of the same name; one may have a fuel that the other lacks."""
    one = {figure.name: figure for figure in first}
    other = {figure.name: figure for figure in second}
    fuels = sorted(
        name for name in one.keys() | other.keys() if name.startswith(GENERATION)
    )
    names = [*fuels, *(name for name in one if name not in fuels)]
    unknown = Figure("", "MW", float("nan"))
    return [
        (
            one.get(name, unknown._replace(name=name)),
            other.get(name, unknown._replace(name=name)),
        )
        for name in names
    ]


def _mix_pane(
    spans: tuple[Span, Span], pairs: list[tuple[Figure, Figure]], axes: Any
) -> None:
    fuels = [pair for pair in pairs if pair[0].name.startswith(GENERATION)]
    for number, span in enumerate(spans):
        places = [place + 0.4 * number for place in range(len(fuels))]
        heights = [pair[number].value for pair in fuels]
        axes.bar(places, heights, width=0.4, label=span.name)
    labels = [one.name.removeprefix(GENERATION) for one, _ in fuels]
    axes.set_xticks([place + 0.2 for place in range(len(fuels))], labels, rotation=60)
    axes.set_ylabel("mean generation, MW")
    axes.legend()


def _course_pane(
    spans: tuple[Span, Span], tables: Mapping[str, Any], series: Series, axes: Any
) -> None:
    clocks = dict.fromkeys(clock_of(span.start) for span in spans)
    for span in spans:
        rows = read(
            series.dataset,
            start=span.start,
            end=span.end,
            columns=[series.time, series.column],
            **tables,
        )
        hours = (rows[series.time] - span.start).dt.total_seconds() / 3600
        axes.step(hours, rows[series.column], where="post", label=span.name)
    axes.set_xlabel(f"hours since {' and '.join(clocks)}")
    axes.set_ylabel(series.label)
    axes.legend()
