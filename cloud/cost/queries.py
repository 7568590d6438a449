"""Queries: what typical questions read, and what that costs on demand. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from cloud.cost import quantities
from cloud.cost.quantities import BYTES_A_TIB, HOURS_A_MONTH, Feed
from pipeline.registry import Registry
from sql.views.latest import prunes

# On demand in US and EU. Articles of 2026 quote it; the stored copies of Google's page
# (https://cloud.google.com/bigquery/pricing) are older. Read 2026-11-29.
USD_A_TIB = Decimal("6.25")
# Each table of a query counts as 10 MB at least (the same page).
MIN_TABLE_BYTES = Decimal(10 * 2**20)
# What the window of a view names, as a share of a row: 80 to 131 of 103 to 203 bytes,
# counted for `_unified` views without a historic table.
WINDOW_SHARE = Decimal("0.65")
# Tables that one `sql check` reads with rows, counted on a local BigQuery with all 89
# datasets: freshness 10, completeness 25, duplicates 89, dead letters 5, drift 89,
# ledger 1, balancing 6.
CHECKED_TABLES = 225
# `drift` reads the time of every row, `ledger` these columns of every entry.
DRIFT_ROW_BYTES = Decimal(8)
LEDGER_ROW_BYTES = Decimal(80)
LEDGER_ROWS_A_MONTH = Decimal(10_500_000) / 12  # docs/rows.md, 20 datasets a minute
# A dashboard with ten charts, which asks every five minutes.
CHARTS, REFRESHES_A_MONTH = 10, HOURS_A_MONTH * 12
CHECKS_A_MONTH = HOURS_A_MONTH / 6


class Question(NamedTuple):
    """A question, and what it reads.

    Attributes:
        what: The question.
        read_bytes: What BigQuery charges for it once.
        times: How often a month it is asked in the table.
    """

    what: str
    read_bytes: Decimal
    times: Decimal

    @property
    def usd(self) -> Decimal:
        """A month of it, without the free TiB."""
        return self.read_bytes * self.times / BYTES_A_TIB * USD_A_TIB


def unprunable(registry: Registry) -> list[str]:
    """The datasets whose `_latest` view reads all days for a question of one day.

    Versions of one thing lie in partitions of different days there, so that BigQuery
    has to look at all of them.
    """
    return sorted(name for name, dataset in registry.items() if not prunes(dataset))


def questions(feed: Feed, datasets: int) -> Sequence[Question]:
    """Typical questions, of a dataset of average size.

    Args:
        feed: The messages, and how long rows are kept.
        datasets: The number of datasets.
    """
    rows = quantities.rows(feed)
    day_bytes = rows / (HOURS_A_MONTH / 24) * feed.row_bytes
    kept_rows = rows * feed.months_kept
    of_day = max(day_bytes / datasets, MIN_TABLE_BYTES)
    of_all = max(kept_rows * feed.row_bytes * WINDOW_SHARE / datasets, MIN_TABLE_BYTES)
    check = (
        CHECKED_TABLES * MIN_TABLE_BYTES
        + kept_rows * DRIFT_ROW_BYTES
        + LEDGER_ROWS_A_MONTH * feed.months_kept * LEDGER_ROW_BYTES
    )
    daily = HOURS_A_MONTH / 24
    return (
        Question("one day of one dataset, every day: `_unified`", of_day, daily),
        Question("the same: a `_latest` that prunes", of_day, daily),
        Question("the same: a `_latest` that cannot prune", of_all, daily),
        Question(
            "ten charts every five minutes: views that prune",
            CHARTS * of_day,
            REFRESHES_A_MONTH,
        ),
        Question(
            "the same: a `_latest` that cannot prune",
            CHARTS * of_all,
            REFRESHES_A_MONTH,
        ),
        Question("`sql check`, every six hours", check, CHECKS_A_MONTH),
    )
