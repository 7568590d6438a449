"""`python -m analysis trades UNIT`: when, at what price, how often it is accepted."""

import argparse
import datetime as dt
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.answer import Answer, print_answer
from analysis.chart import write_chart
from analysis.days import Days, midnight, utc_text
from analysis.options import add_days_options, add_output_options, days_of, tables_of
from analysis.trades.groups import (
    Group,
    HalfHour,
    by_frequency,
    by_hour,
    by_price,
)
from command.usage import UsageError
from gb_iris import read

GROUPINGS = {"hour": by_hour, "price": by_price, "frequency": by_frequency}
ACCEPTANCE = "acceptance"
COLUMNS = (
    *("halfHours", "acceptedHalfHours", "share", "offerVolume", "offerPrice"),
    *("bidVolume", "bidPrice", "cashflow"),
)
ACCEPTANCE_COLUMNS = (
    *("acceptanceTime", "startTime", "acceptanceNumber", "pairId", "soFlag"),
    *("volume", "price", "cashflow", "systemPrice", "frequency"),
)
NAMES = ("nationalGridBmUnit", "bmUnit")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "unit", metavar="UNIT", help="either of its names: PILLB-1 or T_PILLB-1"
    )
    add_days_options(parser)
    parser.add_argument(
        "--by",
        choices=(*GROUPINGS, ACCEPTANCE),
        default="hour",
        help="what a row is: an hour of the day, a band of the system price or of the "
        "mean frequency, or an acceptance (default: %(default)s)",
    )
    add_output_options(parser)


def run(options: argparse.Namespace) -> int:
    days, tables = days_of(options), tables_of(options)
    volumes = _volumes(options.unit, days, tables)
    half_hours = _half_hours(days, tables)
    for row in volumes:
        start = row["startTime"]
        _add(half_hours.setdefault(start, HalfHour(start)), row)
    if options.by == ACCEPTANCE:
        answer = _by_acceptance(volumes, half_hours)
    else:
        groups = GROUPINGS[options.by](half_hours.values())
        answer = Answer((options.by, *COLUMNS), list(map(_row, groups)))
    print_answer(answer, options.format)
    if options.chart:
        title = f"{options.unit}, {days.first} until before {days.end}"
        panes = (
            functools.partial(_prices_pane, volumes, half_hours),
            *(
                functools.partial(_share_pane, name, grouping(half_hours.values()))
                for name, grouping in GROUPINGS.items()
            ),
        )
        write_chart(options.chart, title, *panes)
    return 0


def _volumes(
    unit: str, days: Days, tables: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    """The rows of the unit in `gb_acceptance_volumes` that have a volume.

    Raises:
        UsageError: There is none.
    """
    for name in NAMES:
        rows: list[dict[str, Any]] = read(
            "gb_acceptance_volumes",
            start=days.first,
            end=days.end,
            where={name: unit},
            format="arrow",
            **tables,
        ).to_pylist()
        if found := [row for row in rows if row["reason"] is None]:
            order = ("startTime", "acceptanceTime", "acceptanceNumber", "pairId")
            return sorted(found, key=lambda row: [row[key] for key in order])
    raise UsageError(
        f"{unit} has no acceptance with a volume from {days.first} until before "
        f"{days.end}; gb_units has the names of units"
    )


def _half_hours(days: Days, tables: Mapping[str, Any]) -> dict[dt.datetime, HalfHour]:
    """All half-hours of the days, with price and frequency."""
    found = {start: HalfHour(start) for start in days.half_hours()}
    columns = ["startTime", "systemBuyPrice"]
    prices = read("DISEBSP", start=days.first, end=days.end, columns=columns, **tables)
    for time, price in prices.itertuples(index=False):
        if half_hour := found.get(time.to_pydatetime()):
            half_hour.price = float(price)
    samples = read(
        "FREQ",
        start=midnight(days.first),
        end=midnight(days.end),
        columns=["measurementTime", "frequency"],
        **tables,
    )
    halves = samples["measurementTime"].dt.floor("30min")
    for time, frequency in samples["frequency"].groupby(halves).mean().items():
        found[time.to_pydatetime()].frequency = float(frequency)
    return found


def _add(half_hour: HalfHour, row: Mapping[str, Any]) -> None:
    half_hour.acceptances += 1
    half_hour.offered += row["offerVolume"]
    half_hour.bid += row["bidVolume"]
    offer_cost = row["offerVolume"] * row["offerPrice"] if row["offerVolume"] else 0.0
    half_hour.offer_cost += offer_cost
    half_hour.bid_cost += row["cashflow"] - offer_cost


def _row(group: Group) -> list[Any]:
    return [
        *(group.name, len(group.half_hours), group.accepted, group.share),
        *(group.offered, group.offer_price, group.bid, group.bid_price),
        group.cashflow,
    ]


def _by_acceptance(
    volumes: Sequence[Mapping[str, Any]], half_hours: Mapping[dt.datetime, HalfHour]
) -> Answer:
    rows = []
    for row in volumes:
        around = half_hours[row["startTime"]]
        volume = row["offerVolume"] + row["bidVolume"]
        rows.append(
            [
                *(f"{row['acceptanceTime']:%Y-%m-%dT%H:%MZ}", utc_text(around.start)),
                *(str(row["acceptanceNumber"]), str(row["pairId"]), str(row["soFlag"])),
                *(volume, _price(row), row["cashflow"]),
                *(around.price, around.frequency),
            ]
        )
    return Answer(ACCEPTANCE_COLUMNS, rows, texts=5)


def _price(row: Mapping[str, Any]) -> float | None:
    """What a MWh costs; None where an acceptance goes up and down in one pair."""
    if row["offerVolume"] and row["bidVolume"]:
        return None
    price: float = row["offerPrice"] if row["offerVolume"] else row["bidPrice"]
    return price


def _prices_pane(
    volumes: Sequence[Mapping[str, Any]],
    half_hours: Mapping[dt.datetime, HalfHour],
    axes: Any,
) -> None:
    every = half_hours.values()
    axes.step(
        [each.start for each in every],
        [each.price for each in every],
        where="post",
        color="black",
        linewidth=0.6,
        label="system price",
    )
    for side, column in (("offer", "offerVolume"), ("bid", "bidVolume")):
        rows = [row for row in volumes if row[column]]
        axes.scatter(
            [row["startTime"] for row in rows],
            [row[f"{side}Price"] for row in rows],
            s=[4 * math.sqrt(abs(row[column])) for row in rows],
            label=side,
        )
    axes.set_ylabel("GBP/MWh")
    axes.legend()


def _share_pane(name: str, groups: Sequence[Group], axes: Any) -> None:
    shown = [group for group in groups if group.half_hours]
    axes.bar([group.name for group in shown], [group.share for group in shown])
    axes.tick_params(axis="x", labelsize="small", rotation=45)
    axes.set_xlabel(name)
    axes.set_ylabel("share of half-hours accepted")
