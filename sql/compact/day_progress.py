"""The progress of a compaction: a bar on a terminal, a line for each day elsewhere."""

import sys

from sql.compact.compaction import Step
from sql.compact.report import copies

BAR_WIDTH = 30


class DayProgress:
    """Shows the progress through the days of one table."""

    def __init__(self, table: str, days: int) -> None:
        self._table, self._days, self._past = table, days, 0
        self._terminal = sys.stdout.isatty()

    def report(self, step: Step, removed: int | None) -> None:
        """Shows a day with its removed rows; None means that it was skipped."""
        self._past += 1
        day = step.day
        if removed is None:
            text = "skipped, rows are still in BigQuery's streaming buffer"
        else:
            text = f"{copies(removed)} removed, {day.distinct_rows:,} rows stay"
        if removed is None or not self._terminal:
            self._write(f"{self._table} {day.title}: {text}\n")
        if self._terminal:
            filled = "#" * (BAR_WIDTH * self._past // self._days)
            count = f"{self._past:,}/{self._days:,}"
            self._write(f"[{filled:<{BAR_WIDTH}}] {count} {self._table} {day.title}")
            if self._past == self._days:
                print()

    def _write(self, text: str) -> None:
        # Each text replaces the bar before it.
        start = "\r\033[K" if self._terminal else ""
        print(f"{start}{text}", end="", flush=True)
