"""Historic times that were stored as British local time, without their zone.

In summer such a time is an hour ahead of UTC. Where a row has its settlement date and
period, these prove which of the two it is. That also decides the hour that the clocks
repeat in autumn. A time that the period says nothing of (`publishTime`) is read as the
row's other times are, or as the user says.

All conditions compare instants, and none of them converts the text of a local time:
of the repeated hour such a conversion would choose one by itself.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.registry import Column, Dataset
from sql.templates import literal, quoted
from sql.views.conversions import converted

# Kinds of columns that hold a time, and may have lost its zone.
TIME_KINDS = frozenset({"STRING", "DATETIME", "TIMESTAMP"})
_LONDON = literal("Europe/London")
# Text with a zone other than UTC is an instant already.
_ZONED = r"r'\d:\d\d.*([+-](0[1-9]|1\d)(:?\d\d)?|BST)$'"
# BigQuery accepts 63 characters.
_LABEL_LENGTH = 63


class Said(StrEnum):
    """What the user says of a time column; a label of the view holds it."""

    LOCAL = "local"
    UTC = "utc"


class Reading(StrEnum):
    """How a time column is read.

    Attributes:
        LOCAL: As local time, except where its period proves UTC.
        DOUBTFUL: The rows contradict UTC, and the user has not decided: as local time
            where the row's period proves it. A row that equals one of IRIS in either
            reading is a copy.
        DISPUTED: As UTC, as the user says, although the rows contradict it.
        UTC: As UTC.
    """

    LOCAL = "local"
    DOUBTFUL = "doubtful"
    DISPUTED = "disputed"
    UTC = "utc"


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """A time of a historic table, in SQL.

    Attributes:
        name: The dataset's name for it.
        stored: The table's name for it.
        utc: Its value, read as UTC.
        zoned: Whether the text has a zone of its own; None if it cannot have one.
        start: The start of the row's settlement period, in which the time lies; None
            if the registry or the table has no such period.
    """

    name: str
    stored: str
    utc: str
    zoned: str | None
    start: str | None

    @property
    def named(self) -> "TimeColumn":
        """The same as a query's columns, which have their values under these names."""
        return replace(
            self,
            utc=quoted(f"{self.name}_read"),
            zoned=quoted(f"{self.name}_zoned") if self.zoned else None,
            start=quoted(f"{self.name}_start") if self.start else None,
        )

    @property
    def moved(self) -> str:
        """An hour before: the instant, if it is a local time of summer."""
        return f"TIMESTAMP_SUB({self.utc}, INTERVAL 1 HOUR)"

    @property
    def _shown(self) -> str:
        """What clocks show then, if it is UTC."""
        return f"DATETIME({self.utc}, {_LONDON})"

    @property
    def summer(self) -> str:
        """Whether clocks in summer time have ever shown it."""
        # Only years in which an hour can be subtracted.
        shown = (
            f"IF({self.utc} < TIMESTAMP '1900-01-01 00:00:00+00', FALSE, "
            f"DATETIME({self.moved}, {_LONDON}) = DATETIME({self.utc}))"
        )
        return f"({shown} AND NOT {self.zoned})" if self.zoned else shown

    @property
    def repeated(self) -> str:
        """Whether clocks have shown it twice, in summer time and then in winter."""
        return f"({self.summer} AND {self._shown} = DATETIME({self.utc}))"

    @property
    def fits(self) -> str:
        """Whether it lies in the row's period as UTC; its ends are included."""
        return f"TIMESTAMP_DIFF({self.utc}, {self.start}, SECOND) BETWEEN 0 AND 1800"

    @property
    def proves_utc(self) -> str:
        """Whether the row's period proves UTC: in winter it proves neither."""
        return f"({self.fits} AND {self._shown} != DATETIME({self.utc}))"

    @property
    def proves_local(self) -> str:
        """Whether the row's period proves local time."""
        late = f"TIMESTAMP_DIFF({self.utc}, {self.start}, SECOND) BETWEEN 3600 AND 5400"
        return f"({late} AND {self.summer})"

    @property
    def is_summer_row(self) -> str:
        """Whether the row's period is in summer time, so that it can prove one."""
        return (
            f"({self.utc} IS NOT NULL "
            f"AND DATETIME({self.start}, {_LONDON}) != DATETIME({self.start}))"
        )

    @property
    def local(self) -> str:
        """Its value, read as local time: of the repeated hour the first."""
        return f"IF({self.summer}, {self.moved}, {self.utc})"


def time_columns(
    dataset: Dataset, sources: Mapping[str, Column], expressions: Mapping[str, str]
) -> list[TimeColumn]:
    """The times of a historic table that may have lost their zone.

    Args:
        dataset: The dataset.
        sources: The table's columns, by the dataset's names for them.
        expressions: How the table's values become those of the dataset.
    """
    found = []
    for wanted in dataset.columns:
        there = sources.get(wanted.name)
        if wanted.kind != "TIMESTAMP" or there is None or there.kind not in TIME_KINDS:
            continue
        value, zoned, start = quoted(there.name), None, None
        if there.type == "STRING":
            zoned = f"REGEXP_CONTAINS({value}, {_ZONED})"
        period = dataset.period_times.get(wanted.name, "")
        if period in sources and "settlementDate" in sources:
            start = _start(expressions["settlementDate"], expressions[period])
        if utc := converted(value, there, wanted):
            found.append(TimeColumn(wanted.name, there.name, utc, zoned, start))
    return found


def _start(date: str, period: str) -> str:
    """The start of a settlement period; NULL for what is not one."""
    return (
        f"IF({date} BETWEEN DATE '1990-01-01' AND DATE '2100-01-01' "
        f"AND {period} BETWEEN 1 AND 50, TIMESTAMP_ADD(TIMESTAMP({date}, {_LONDON}), "
        f"INTERVAL ({period} - 1) * 30 MINUTE), NULL)"
    )


def readings(
    columns: Sequence[TimeColumn],
    said: Mapping[str, Said],
    contradicting: frozenset[str],
) -> dict[str, Reading]:
    """How each time column of a table is read.

    Args:
        columns: The time columns.
        said: What the user says, by column.
        contradicting: The columns that contradict the periods of their rows.

    Returns:
        The readings that are not UTC, by column.
    """
    found: dict[str, Reading] = {}
    disputes = any(said.get(name) == Said.UTC for name in contradicting)
    for name in (column.name for column in columns):
        if said.get(name) == Said.LOCAL:
            found[name] = Reading.LOCAL
        elif name in said:
            if disputes:
                found[name] = Reading.DISPUTED
        elif name in contradicting or (contradicting and not said):
            # What holds for one time of a load may hold for the others.
            found[name] = Reading.DOUBTFUL
    return found


@dataclass(frozen=True, slots=True)
class Read:
    """A time column as it is read.

    Attributes:
        shown: Its value.
        other: The value in the other reading, where it may be that as well.
    """

    shown: str
    other: str | None = None


def read_times(
    columns: Sequence[TimeColumn], found: Mapping[str, Reading]
) -> Iterator[tuple[str, Read]]:
    """The columns that are not simply UTC, as they are read."""
    for column in columns:
        if reading := found.get(column.name):
            # The first time of the same reading whose period is known.
            witness = next(
                (c for c in columns if c.start and found.get(c.name) == reading), None
            )
            yield column.name, _read(column, reading, witness)


def _read(column: TimeColumn, reading: Reading, witness: TimeColumn | None) -> Read:
    utc, local = column.utc, column.local
    by_row = utc
    if column.start:
        by_row = f"IF({column.proves_local}, {column.moved}, {utc})"
    elif witness:
        by_row = f"IF({witness.proves_local}, {local}, {utc})"
    match reading:
        case Reading.DISPUTED:
            return Read(utc, by_row if by_row != utc else local)
        case Reading.DOUBTFUL:
            return Read(by_row, None if column.start else utc)
    if column.start:
        return Read(f"IF({column.fits}, {utc}, {local})")
    if witness:
        local = f"IF({witness.proves_utc}, {utc}, {local})"
    return Read(local, f"IF({column.repeated}, {utc}, {local})")


def label_of(table: str, column: str) -> str:
    """The label of a view that holds what the user says of a column."""
    label = f"times-{table}-{column}".lower()
    if len(label) <= _LABEL_LENGTH:
        return label
    return f"times-{hashlib.sha256(label.encode()).hexdigest()[:32]}"
