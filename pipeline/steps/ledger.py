"""The ledger: what became of every record, by dataset and minute, and how long it took.

Entries are additive: each step writes what it has counted since its bundle began, and
the sum over a minute, a day or a run is the truth. For any run,
`records = rows + duplicates + dead_letters + unmapped`.

The minute is that in which Pub/Sub received the message (`window_start`); a message of
a file has none.
"""

import datetime as dt
import functools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindows

from pipeline.core.batches import RowBatch, TableRow
from pipeline.core.coercion import TypedRecord
from pipeline.core.decoding import Decoded, Message, structs_of
from pipeline.registry import load_registry

# The namespace of the same counts among Beam's metrics.
METRICS = "ledger"
# Of the duplicates of a bounded run, those that were in the table before it.
PRESENT = "present"
# Of its dead letters, those of files that could not be read to their end.
UNREADABLE = "unreadable"
# Files beside the messages, such as a README.
SKIPPED = "skipped"
# A record ends as one of these.
OUTCOMES = ("rows", "duplicates", "dead_letters", "unmapped")
COUNTS = ("messages", "records", *OUTCOMES)
# From IRIS's queue to Pub/Sub, by message; from there to the row, by row.
DELAY_SUMS = (
    *("to_pubsub_count", "to_pubsub_seconds_sum"),
    *("to_row_count", "to_row_seconds_sum"),
)
DELAY_MAXIMA = ("to_pubsub_seconds_max", "to_row_seconds_max")
SUMS = (*COUNTS, *DELAY_SUMS)
MAXIMA = ("newest_event_utc", "newest_enqueued_utc", *DELAY_MAXIMA)
EMPTY: Mapping[str, Any] = {**dict.fromkeys(SUMS, 0), **dict.fromkeys(MAXIMA)}

Values = dict[str, Any]


class Tally:
    """Counts of one bundle, by dataset and minute."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str | None], Values] = {}

    def add(self, dataset: str, published_utc: str | None, **counts: int) -> None:
        """Adds to the counts of a dataset and minute.

        Args:
            dataset: The registry's name, or the subject of an unknown dataset.
            published_utc: When Pub/Sub received the message; None if it did not.
            counts: By the names of `COUNTS`.
        """
        sums = self._of(dataset, published_utc)
        for name, count in counts.items():
            sums[name] += count

    def add_message(self, message: Message, decoded: Decoded) -> None:
        """Counts a message, its records, and how long it took to Pub/Sub."""
        sums = self._of(decoded.dataset, message.published_utc)
        sums["messages"] += 1
        sums["records"] += decoded.count
        sums["dead_letters"] += len(decoded.dead_letters)
        sums["unmapped"] += decoded.unmapped
        _raise(sums, "newest_event_utc", _newest_event(decoded))
        if (published := epoch_seconds(message.published_utc)) is None:
            return
        enqueued = epoch_seconds(message.attributes.get("enqueued_time"))
        if enqueued is not None and _is_first_try(message):
            _add_delays(sums, "to_pubsub", published - enqueued, 1)

    def add_written(
        self,
        rows: Sequence[tuple[RowBatch, TypedRecord]],
        missing: Set[int],
        answered: float,
    ) -> None:
        """Counts rows that BigQuery has accepted, and how long they took.

        Args:
            rows: The records that were to be written, each with its message.
            missing: The positions of those that were not accepted.
            answered: When BigQuery had answered, in seconds since the epoch.
        """
        counts: dict[int, int] = {}
        batches: dict[int, RowBatch] = {}
        for position, (batch, _) in enumerate(rows):
            if position not in missing:
                identity = id(batch)
                batches[identity] = batch
                counts[identity] = counts.get(identity, 0) + 1
        for identity, count in counts.items():
            self._add_rows(batches[identity], count, answered)

    def _add_rows(self, batch: RowBatch, count: int, answered: float) -> None:
        sums = self._of(batch.dataset, batch.published_utc)
        sums["rows"] += count
        _raise(sums, "newest_enqueued_utc", batch.metadata.get("enqueued_utc"))
        published = epoch_seconds(batch.published_utc)
        if published is not None:
            _add_delays(sums, "to_row", answered - published, count)

    def entries(self) -> Iterator[Any]:
        """The ledger rows of the bundle, as a DoFn yields them when a bundle ends."""
        for row in self.rows(dt.datetime.now(dt.UTC)):
            for name in COUNTS:
                Metrics.counter(METRICS, name).inc(row.values[name])
            yield GlobalWindows.windowed_value(row)

    def tagged_entries(self) -> Iterator[Any]:
        """The same, as the output `ledger` of a DoFn that has several outputs."""
        for entry in self.entries():
            yield TaggedOutput("ledger", entry)

    def rows(self, now: dt.datetime) -> Iterator[TableRow]:
        """One `iris_ledger` row a dataset and minute that counts anything.

        Args:
            now: When this was counted, UTC.
        """
        minute = now.strftime("%Y-%m-%dT%H:%M:00Z")
        for (dataset, window_start), sums in self._sums.items():
            if counts_anything(sums):
                entry_id = uuid.uuid4().hex
                values = {
                    "entry_id": entry_id,
                    "minute_utc": minute,
                    "dataset": dataset,
                    "window_start": window_start,
                    "pane": None,
                    **sums,
                }
                yield TableRow(dataset, entry_id, values)

    def _of(self, dataset: str, published_utc: str | None) -> Values:
        # RFC 3339 in UTC, as Pub/Sub's clients write it.
        minute = f"{published_utc[:16]}:00Z" if published_utc else None
        key = (dataset, minute)
        if (sums := self._sums.get(key)) is None:
            sums = self._sums[key] = dict(EMPTY)
        return sums


def epoch_seconds(text: str | None) -> float | None:
    """The seconds since the epoch of an RFC 3339 time; None if it is not one."""
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _is_first_try(message: Message) -> bool:
    """Whether IRIS's queue is where it came from.

    A replay or a message of an archive is sent long after its time, on purpose.
    """
    attributes = message.attributes
    publish_id = attributes.get("publish_id")
    is_replay = publish_id is not None and publish_id != message.message_id
    return attributes.get("source", "IRIS") == "IRIS" and not is_replay


def _newest_event(decoded: Decoded) -> str | None:
    """The newest event time of a message; a day is its midnight in UTC."""
    if not decoded.records:
        return None
    time_of = _event_time(decoded.dataset)
    # Typed times are canonical texts, which sort like the times.
    times = [time_of(record.values) for record in decoded.records]
    newest: str = max(time for time in times if time) if any(times) else ""
    if not newest:
        return None
    return newest if "T" in newest else f"{newest}T00:00:00Z"


@functools.cache
def _event_time(dataset: str) -> Callable[[Any], str | None]:
    return structs_of(dataset).getter(load_registry()[dataset].event_time)


def _add_delays(sums: Values, way: str, seconds: float, count: int) -> None:
    """Adds a number of equal delays."""
    # Whole milliseconds: sums are then the same in any order.
    seconds = round(seconds, 3)
    sums[f"{way}_count"] += count
    sums[f"{way}_seconds_sum"] = _sum(sums[f"{way}_seconds_sum"], seconds * count)
    _raise(sums, f"{way}_seconds_max", seconds)


def _raise(sums: Values, name: str, value: Any) -> None:
    """Keeps the larger of two values, of which either may be missing."""
    if value is not None and (sums[name] is None or sums[name] < value):
        sums[name] = value


def _sum(one: float, other: float) -> float:
    total = one + other
    return round(total, 3) if type(total) is float else total


def counts_anything(values: Mapping[str, Any]) -> bool:
    """Whether any count of an entry is not 0."""
    return any(values[name] for name in COUNTS)


def added(one: Mapping[str, Any], other: Mapping[str, Any]) -> Values:
    """The values of two entries as one; what is neither sum nor maximum is the first's.

    A value is missing in an entry that a job counted before it was updated.
    """
    values = {**EMPTY, **one}
    for name in SUMS:
        values[name] = _sum(values[name], other.get(name, 0))
    for name in MAXIMA:
        _raise(values, name, other.get(name))
    return values


def merged(
    rows: Iterable[TableRow],
    by: tuple[str, ...] = ("minute_utc", "window_start", "pane"),
) -> list[TableRow]:
    """Adds up ledger rows of the same dataset, to write fewer of them.

    Args:
        rows: The rows.
        by: The columns in which rows must be equal to be one.
    """
    sums: dict[tuple[Any, ...], TableRow] = {}
    for row in rows:
        key = (row.dataset, *(row.values.get(name) for name in by))
        if (known := sums.get(key)) is None:
            sums[key] = row
        else:
            sums[key] = known._replace(values=added(known.values, row.values))
    return list(sums.values())


def without_minutes(rows: Iterable[TableRow]) -> Iterator[TableRow]:
    """The same rows as those of a run that has no publish times."""
    blank = {name: EMPTY[name] for name in (*DELAY_SUMS, *DELAY_MAXIMA)}
    for row in rows:
        yield row._replace(values={**row.values, **blank, "window_start": None})


def counted(result: Any) -> dict[str, int]:
    """The counts of a pipeline that has ended, from Beam's metrics."""
    found = result.metrics().query(MetricsFilter().with_namespace(METRICS))
    sums = dict.fromkeys((*COUNTS, PRESENT, UNREADABLE, SKIPPED), 0)
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
