"""The series of a soak: a line a minute in a CSV file, and how steep each column is."""

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

# A process that has just started grows: its libraries, its first queries.
YOUNG_SECONDS = 180.0
LEAST_POINTS = 10
# Growth beyond both, in the time that was measured, is a leak: a size, which depends on
# what the last word of the column's name counts, and a share of the mean.
GROWTH = {"memory": 20e6, "files": 3.0, "threads": 3.0}
GROWTH_SHARE = 0.10
# Two standard errors: what chance alone does in one of twenty.
ERRORS = 2.0

Sample = Mapping[str, float | None]
"""Values by column; None for what could not be read at that moment."""
Points = list[tuple[float, float]]
"""Hours and values."""


class Slope(NamedTuple):
    """A straight line through a column.

    Attributes:
        per_hour: Its slope.
        error: The standard error of the slope.
        mean: Of the column.
        hours: From the first point to the last.
        points: How many there are.
    """

    per_hour: float
    error: float
    mean: float
    hours: float
    points: int

    def grows(self, size: float, known_per_hour: float = 0.0) -> bool:
        """Whether it rises by more than chance, a size and a share.

        Args:
            size: Growth that is not a leak.
            known_per_hour: Growth whose cause is known, and ends.
        """
        unknown_per_hour = self.per_hour - known_per_hour
        surely = (unknown_per_hour - ERRORS * self.error) * self.hours
        return surely > max(size, GROWTH_SHARE * self.mean)


class Series:
    """The samples so far, and their file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.samples: list[Sample] = []

    def add(self, sample: Sample) -> None:
        """Appends a sample to the file, too: all have the same columns."""
        with self._file.open("a", newline="") as output:
            writer = csv.DictWriter(output, list(sample))
            if not self.samples:
                writer.writeheader()
            writer.writerow(sample)
        self.samples.append(sample)

    def column(self, name: str, after_seconds: float) -> Points:
        """Hours and values after the warm-up."""
        return list(self._points(name, after_seconds, lambda _: True))

    def column_of_part(self, part: str, what: str, after_seconds: float) -> Points:
        """The same of a part, without processes that have just started."""

        def old(sample: Sample) -> bool:
            return (sample[f"{part} age"] or 0.0) >= YOUNG_SECONDS

        return list(self._points(f"{part} {what}", after_seconds, old))

    def longest_life(self, part: str, what: str, after_seconds: float) -> Points:
        """The same of the process that lived longest, after a warm-up of its own."""
        pids = Counter(one[f"{part} pid"] for one in self.samples)
        pids.pop(None, None)
        if not pids:
            return []
        ((pid, _),) = pids.most_common(1)

        def warm(sample: Sample) -> bool:
            is_it = sample[f"{part} pid"] == pid
            return is_it and (sample[f"{part} age"] or 0.0) >= after_seconds

        return list(self._points(f"{part} {what}", after_seconds, warm))

    def _points(
        self, name: str, after_seconds: float, wanted: Callable[[Sample], bool]
    ) -> Iterator[tuple[float, float]]:
        for sample in self.samples:
            value, at = sample[name], sample["seconds"] or 0.0
            if value is not None and at >= after_seconds and wanted(sample):
                yield at / 3600, value


def slope(points: Points) -> Slope | None:
    """The straight line of least squares; None for too few points."""
    count = len(points)
    if count < LEAST_POINTS:
        return None
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    per_hour = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - per_hour * (x - mean_x)) ** 2 for x, y in points)
    error = math.sqrt(rest / (count - 2) / spread)
    return Slope(per_hour, error, mean_y, points[-1][0] - points[0][0], count)
