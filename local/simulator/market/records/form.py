"""What records have in common: the form of a record, and its half-hour."""

from collections.abc import Callable
from typing import Any

from local.simulator.market.figures import HALF_HOUR_SECONDS
from local.simulator.market.instants import day_and_period, text

Record = dict[str, Any]
Maker = Callable[[int, int, int], list[Record]]
"""Takes seed, about and published; returns the records of a message."""


def half_hour(at: int) -> Record:
    """Start, settlement date and period."""
    day, period = day_and_period(at)
    return {
        "startTime": text(at - at % HALF_HOUR_SECONDS),
        "settlementDate": day,
        "settlementPeriod": period,
    }


def period(at: int) -> Record:
    """Settlement date and period."""
    day, number = day_and_period(at)
    return {"settlementDate": day, "settlementPeriod": number}


def document(dataset: str, published: int, revision: int = 1) -> Record:
    """The head of a transparency document."""
    return {
        "dataset": dataset,
        "documentId": f"DEMO-EMFIP-{dataset}-{published // 60:08d}",
        "documentRevisionNumber": revision,
        "publishTime": text(published),
    }
