"""The budget: how much BigQuery may bill for the dashboard in a day, in a project."""

import datetime as dt
import json
import threading
from collections.abc import Callable
from pathlib import Path

from command.text import size_text

# How often a tile asks when the budget of the day is used.
OVER_SECONDS = 900.0


class Budget:
    """What was billed today, in UTC; it survives a restart.

    Args:
        path: The file that remembers it.
        daily_bytes: The budget of a day; afterwards tiles ask less often.
        query_bytes: BigQuery refuses a query that would be billed more.
        usual_seconds: The least time between two queries of a tile within the budget.
        clock: Now, in UTC.
    """

    def __init__(
        self,
        path: Path,
        daily_bytes: int,
        query_bytes: int,
        usual_seconds: float,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self.query_bytes = query_bytes
        self._path, self._daily_bytes = path, daily_bytes
        self._usual_seconds, self._clock = usual_seconds, clock
        self._one_at_a_time = threading.Lock()
        self._day, self._spent = self._remembered()

    def add(self, billed_bytes: int) -> None:
        """Counts a query."""
        with self._one_at_a_time:
            self._begin_day()
            self._spent += billed_bytes
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".new")
            draft.write_text(json.dumps({"day": str(self._day), "bytes": self._spent}))
            draft.replace(self._path)

    def billed(self) -> int:
        """The bytes that were billed today."""
        self._begin_day()
        return self._spent

    def least_seconds(self) -> float:
        """The least time between two queries of a tile, at the moment."""
        if self._is_over():
            return max(OVER_SECONDS, self._usual_seconds)
        return self._usual_seconds

    def text(self) -> str:
        """For the page: `1.2 GB of 30.0 GB today`."""
        self._begin_day()
        return f"{size_text(self._spent)} of {size_text(self._daily_bytes)} today"

    def warning(self) -> str:
        """For the page, when the budget is used; empty before."""
        if not self._is_over():
            return ""
        return (
            f"Today's budget of {size_text(self._daily_bytes)} is used: until midnight "
            f"UTC each tile asks every {OVER_SECONDS / 60:.0f} minutes at most."
        )

    def _is_over(self) -> bool:
        self._begin_day()
        return self._spent >= self._daily_bytes

    def _begin_day(self) -> None:
        today = self._clock().date()
        if today != self._day:
            self._day, self._spent = today, 0

    def _remembered(self) -> tuple[dt.date, int]:
        try:
            content = json.loads(self._path.read_text())
            return dt.date.fromisoformat(content["day"]), int(content["bytes"])
        except (OSError, ValueError, KeyError):  # none yet, or not ours
            return self._clock().date(), 0
