"""The ledger: what became of every record, by minute and dataset.

Entries are additive: each step writes what it has counted since its bundle began, and
the sum over a minute, a day or a run is the truth. For any run,
`records = rows + duplicates + dead_letters + unmapped`.
"""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from pipeline.core.batches import TableRow

# The namespace of the same counts among Beam's metrics.
METRICS = "ledger"
# Of the duplicates of a bounded run, those that were in the table before it.
PRESENT = "present"
# Of its dead letters, those of files that could not be read to their end.
UNREADABLE = "unreadable"
# A record ends as one of these.
OUTCOMES = ("rows", "duplicates", "dead_letters", "unmapped")
COUNTS = ("messages", "records", *OUTCOMES)


class Tally:
    """Counts of one bundle."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def add(self, dataset: str, **counts: int) -> None:
        """Adds to the counts of a dataset; the names are those of `COUNTS`."""
        self._counts.setdefault(dataset, Counter()).update(counts)

    def entries(self) -> Iterator[Any]:
        """The ledger rows of the bundle, as a DoFn yields them when a bundle ends."""
        for row in ledger_rows(self._counts, dt.datetime.now(dt.UTC)):
            for name in COUNTS:
                Metrics.counter(METRICS, name).inc(row.values[name])
            yield GlobalWindows.windowed_value(row)

    def tagged_entries(self) -> Iterator[Any]:
        """The same, as the output `ledger` of a DoFn that has several outputs."""
        for entry in self.entries():
            yield TaggedOutput("ledger", entry)


def ledger_rows(
    counts: dict[str, Counter[str]], now: dt.datetime
) -> Iterator[TableRow]:
    """Makes one `iris_ledger` row a dataset, leaving out those that count nothing."""
    minute = now.strftime("%Y-%m-%dT%H:%M:00Z")
    for dataset, counted in counts.items():
        if any(counted.values()):
            entry_id = uuid.uuid4().hex
            values: dict[str, Any] = {name: counted[name] for name in COUNTS}
            values |= {"entry_id": entry_id, "minute_utc": minute, "dataset": dataset}
            yield TableRow(dataset, entry_id, values)


def merged(rows: Iterable[TableRow], *, by_minute: bool = True) -> list[TableRow]:
    """Adds up ledger rows of the same minute and dataset, to write fewer of them.

    Args:
        rows: The rows.
        by_minute: False adds up those of all minutes under the first.
    """
    sums: dict[tuple[str, str], TableRow] = {}
    for row in rows:
        key = (row.values["minute_utc"] if by_minute else "", row.dataset)
        if (known := sums.get(key)) is None:
            sums[key] = row
        else:
            added = {name: known.values[name] + row.values[name] for name in COUNTS}
            sums[key] = known._replace(values=known.values | added)
    return list(sums.values())


def counted(result: Any) -> dict[str, int]:
    """The counts of a pipeline that has ended, from Beam's metrics."""
    found = result.metrics().query(MetricsFilter().with_namespace(METRICS))
    sums = dict.fromkeys((*COUNTS, PRESENT, UNREADABLE), 0)
    for counter in found["counters"]:
        sums[counter.key.metric.name] += counter.committed
    return sums


def counts_line(counts: Mapping[str, int]) -> str:
    """What became of everything, in one line."""
    line = (
        "{messages:,} messages: {records:,} records = {rows:,} rows + "
        "{duplicates:,} duplicates + {dead_letters:,} dead letters + "
        "{unmapped:,} unmapped"
    ).format(**counts)
    if present := counts.get(PRESENT):
        line += f"; {present:,} of the duplicates were in the tables already"
    return line
