"""Balancing: do computed volumes and cashflows agree with the published ones?

`gb_unit_balancing` computes them minutes after an acceptance. BOAV and EBOCF come a day
or two later, so the days before the checked ones are compared, too. A difference means
that a message is missing, or that settlement knows something that the feed does not.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sql.check.context import Context, Result, Status
from sql.check.freshness import PUBLISHED_DAYS
from sql.market import balancing
from sql.working_days import ONE_DAY, day_start, london_day

NAME = "balancing"
# BOAV has three decimals, for each acceptance and pair.
ALLOWED_MWH = 0.1
# Settlement takes transmission losses into account: up to some percent.
ALLOWED_GBP, ALLOWED_SHARE = 10, 0.05


def check(context: Context) -> Iterator[Result]:
    """Half-hours of units that differ are a warning."""
    if balancing.NAME not in context.tables:
        yield Result(NAME, None, Status.INFO, None, "", _absent(context))
        return
    until = london_day(context.at)
    first = until - (context.days + PUBLISHED_DAYS - 1) * ONE_DAY
    interval: dict[str, dt.date | str] = {
        "from_time": day_start(first),
        "until_time": day_start(until),
    }
    (row,) = context.query(
        "balancing.sql",
        interval,
        allowed_mwh=ALLOWED_MWH,
        allowed_gbp=ALLOWED_GBP,
        allowed_share=ALLOWED_SHARE,
    )
    sample = _volumes(row.worst_volume[0]) if row.other_volumes else None
    yield _result("BOAV", row.volumes, row.other_volumes, sample)
    sample = _cashflows(row.worst_cashflow[0]) if row.other_cashflows else None
    yield _result("EBOCF", row.cashflows, row.other_cashflows, sample)


def _absent(context: Context) -> str:
    missing = {"BOALF", "PN", "BOD", "BOAV", "EBOCF"} - {
        dataset.name for dataset in context.present()
    }
    if missing:
        return f"no table of {', '.join(sorted(missing))}: nothing to compare"
    return f"no view {balancing.NAME}: run `python -m sql apply`"


def _volumes(worst: dict[str, Any]) -> str:
    def mwh(name: str) -> str:
        return f"{worst[name]:,.3f}"

    return (
        f"{worst['place']}: published {mwh('publishedOfferVolume')} and "
        f"{mwh('publishedBidVolume')}, computed {mwh('offerVolume')} and "
        f"{mwh('bidVolume')} MWh of offers and bids"
    )


def _cashflows(worst: dict[str, Any]) -> str:
    return (
        f"{worst['place']}: published {worst['publishedCashflow']:,.2f}, computed "
        f"{worst['cashflow']:,.2f} GBP"
    )


def _result(dataset: str, compared: int, other: int, sample: str | None) -> Result:
    figures = {"compared": compared, "sample": sample}
    if not compared:
        detail = "nothing published to compare with"
        return Result(NAME, dataset, Status.INFO, None, "half-hours", detail, figures)
    detail = f"{other:,} of {compared:,} half-hours of units differ"
    if sample:
        detail += f", most {sample}"
    status = Status.WARN if other else Status.OK
    return Result(NAME, dataset, status, other, "half-hours", detail, figures)
