"""The report of a soak: figures, slopes and a verdict, as text and as JSON."""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.soak.machine import MARKS
from tests.faults.soak.reconciliation import ENDS, Difference
from tests.faults.soak.series import GROWTH, Points, Series, Slope, slope

# Shorter, a slope is the noise of some minutes: it is shown and not judged.
JUDGED_HOURS = 0.75
# What dedup remembers of a record for a day, in the pipeline.
ID_BYTES = 34
MEGABYTES = 1e-6


@dataclass
class Report:
    """What a soak has done.

    Attributes:
        error: Why it ended early.
        faults: How many there were, by part and kind.
        slopes: Of memory (bytes), files, sockets and storage, by column.
        summary: What the stack itself says of its run.
    """

    seed: int
    hours: float
    sent: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    difference: Difference | None = None
    late: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    slopes: dict[str, Slope] = field(default_factory=dict)
    bytes_per_record: tuple[float, float] | None = None
    recovery_seconds: float | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    def _known_per_hour(self, name: str) -> float:
        """How a column rises for a reason that `docs/reliability.md` says."""
        if name.startswith("pipeline") and name.endswith("memory"):
            return ID_BYTES * self.counts.get("records", 0) / self.hours
        return 0.0

    @property
    def problems(self) -> list[str]:
        """Why it has failed; empty if it has not."""
        return list(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.error:
            yield self.error
        if self.difference is None:
            yield "nothing was compared"
        elif not self.difference.is_none:
            found = self.difference
            yield (
                f"{found.lost:,} lost, {found.doubled:,} doubled, {found.strange:,} "
                f"that nobody sent: {'; '.join(found.examples)}"
            )
        ends = sum(self.counts.get(name, 0) for name in ENDS)
        if self.counts and self.counts["records"] != ends:
            yield f"the ledger has {self.counts['records']:,} records, {ends:,} ends"
        if self.summary and not self.summary.get("balanced"):
            yield "the stack says that its run is not balanced"
        for name, line in self.slopes.items():
            # The tables' own files are merged all the time: their number swings.
            size = (
                GROWTH.get(name.split()[-1]) if not name.startswith("table") else None
            )
            known = self._known_per_hour(name)
            if size is not None and judged(line) and line.grows(size, known):
                scale, unit = _unit_of(name)
                yield f"{name} grows: {line.per_hour * scale:+.1f}{unit} an hour"

    def as_json(self) -> dict[str, Any]:
        content = asdict(self)
        content["slopes"] = {name: one._asdict() for name, one in self.slopes.items()}
        return content | {"problems": self.problems}

    def lines(self) -> Iterator[str]:
        """The report as text."""
        yield f"{self.hours:.2f} hours, seed {self.seed}, {self.sent:,} messages sent"
        yield "faults: " + ", ".join(f"{k} {n}" for k, n in sorted(self.faults.items()))
        if self.counts:
            yield "ledger: " + ", ".join(f"{n:,} {k}" for k, n in self.counts.items())
        if (found := self.difference) is not None:
            yield (
                f"compared {found.checked:,} records, dead letters and unmapped "
                f"messages: {found.lost:,} lost, {found.doubled:,} twice in `_unified`"
                f", {found.strange:,} that nobody sent; {found.repeated:,} rows of "
                "`_iris` repeat a record after a fault"
            )
        if self.recovery_seconds is not None:
            seconds = self.recovery_seconds
            yield f"all was counted {seconds:.0f} s after the last message"
        yield from map(_slope_line, self.slopes.items())
        if self.bytes_per_record:
            first, second = self.bytes_per_record
            yield (
                f"stored bytes a record: {first:,.0f} in the first half, "
                f"{second:,.0f} in the second"
            )
        yield from (f"FAILED: {problem}" for problem in self.problems)
        if not self.problems:
            yield "PASSED"


def judged(line: Slope) -> bool:
    return line.hours >= JUDGED_HOURS


def _slope_line(item: tuple[str, Slope]) -> str:
    name, line = item
    scale, unit = _unit_of(name)
    too_short = "" if judged(line) else " (too short to judge)"
    return (
        f"{name}: mean {line.mean * scale:,.1f}{unit}, slope "
        f"{line.per_hour * scale:+,.2f} ± {line.error * scale:,.2f}{unit} an hour"
        f"{too_short}"
    )


def _unit_of(name: str) -> tuple[float, str]:
    return (MEGABYTES, " MB") if name.split()[-1] in ("memory", "bytes") else (1.0, "")


def slopes_of(series: Series, warm_up_seconds: float) -> dict[str, Slope]:
    """The slope of each column that should be flat, and of the storage."""
    lines: dict[str, Points] = {}
    for what in ("memory", "files", "sockets", "threads"):
        for part in MARKS:
            lines[f"{part} {what}"] = series.column_of_part(part, what, warm_up_seconds)
    for part in MARKS:
        lines[f"{part} in its longest life, memory"] = series.longest_life(
            part, "memory", warm_up_seconds
        )
    for name in ("table files", "table bytes", "pubsub bytes", "log bytes"):
        lines[name] = series.column(name, warm_up_seconds)
    fitted = {name: slope(points) for name, points in lines.items()}
    return {name: line for name, line in fitted.items() if line is not None}


def bytes_per_record(
    series: Series, warm_up_seconds: float
) -> tuple[float, float] | None:
    """How many bytes of storage a record takes, in each half after the warm-up."""
    rows = [
        (one["records"], one["table bytes"])
        for one in series.samples
        if (one["seconds"] or 0) >= warm_up_seconds and one["records"]
    ]
    if len(rows) < 4:
        return None
    halves = (rows[0], rows[len(rows) // 2], rows[-1])
    rates = []
    for (few, before), (many, after) in itertools.pairwise(halves):
        rates.append(((after or 0) - (before or 0)) / max(1, (many or 0) - (few or 0)))
    return rates[0], rates[1]
