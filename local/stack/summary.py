"""What a run has done: its counts and delays, per dataset and in total."""

import operator
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from google.cloud.bigquery import Client, QueryJobConfig, ScalarQueryParameter
from google.cloud.bigquery.table import RowIterator

from pipeline.core.reasons import UNMAPPED, Reasons

# A frozen BigQuery would hold the end of a run forever.
ANSWER_SECONDS = 30.0
# The table holds partial counts: any number of rows a minute and dataset.
LEDGER_SQL = """
SELECT IFNULL(dataset, 'unknown') AS dataset,
  SUM(messages) AS messages, SUM(records) AS records, SUM(`rows`) AS `rows`,
  SUM(duplicates) AS duplicates, SUM(dead_letters) AS dead_letters,
  SUM(unmapped) AS unmapped
FROM iris_ledger
GROUP BY 1
"""
DELAYS_SQL = """
SELECT IFNULL(dataset, 'unknown') AS dataset, MAX(newest_event_utc) AS newest_event_utc,
  SUM(to_pubsub_count) AS to_pubsub_count,
  SUM(to_pubsub_seconds_sum) AS to_pubsub_seconds_sum,
  MAX(to_pubsub_seconds_max) AS to_pubsub_seconds_max,
  SUM(to_row_count) AS to_row_count, SUM(to_row_seconds_sum) AS to_row_seconds_sum,
  MAX(to_row_seconds_max) AS to_row_seconds_max
FROM iris_ledger
WHERE minute_utc >= TIMESTAMP_TRUNC(@started, MINUTE)
GROUP BY 1
"""
HELD_SQL = """
SELECT reason, IFNULL(dataset, 'unknown') AS dataset,
  COUNT(DISTINCT dead_letter_id) AS held
FROM iris_dead_letters WHERE failed_utc >= @started GROUP BY 1, 2
UNION ALL
SELECT @unmapped, IFNULL(dataset, 'unknown'), COUNT(DISTINCT unmapped_id)
FROM iris_unmapped WHERE ingested_utc >= @started GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of the ledger; every record ends as one of the last four."""

    messages: int = 0
    records: int = 0
    rows: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    unmapped: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(operator.add, astuple(self), astuple(other)))

    def __sub__(self, other: Self) -> Self:
        return type(self)(*map(operator.sub, astuple(self), astuple(other)))

    @property
    def unaccounted(self) -> int:
        """Records without an outcome yet."""
        ends = self.rows + self.duplicates + self.dead_letters + self.unmapped
        return self.records - ends

    @property
    def balanced(self) -> bool:
        """Whether every record ended as exactly one thing."""
        return self.unaccounted == 0


Ledger = Mapping[str, Counts]
"""Counts by dataset."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How long messages and rows took, and the newest event time among their records.

    Attributes:
        newest_event_utc: None if no record has an event time.
        to_pubsub_count: Messages whose way from IRIS's queue to Pub/Sub was timed.
        to_pubsub_seconds_sum: How long they took together.
        to_pubsub_seconds_max: The longest; None for no messages.
        to_row_count: Rows whose way from Pub/Sub to BigQuery's answer was timed.
        to_row_seconds_sum: How long they took together.
        to_row_seconds_max: The longest; None for no rows.
    """

    newest_event_utc: datetime | None = None
    to_pubsub_count: int = 0
    to_pubsub_seconds_sum: float = 0.0
    to_pubsub_seconds_max: float | None = None
    to_row_count: int = 0
    to_row_seconds_sum: float = 0.0
    to_row_seconds_max: float | None = None

    def __add__(self, other: Self) -> Self:
        return type(self)(
            _larger(self.newest_event_utc, other.newest_event_utc),
            self.to_pubsub_count + other.to_pubsub_count,
            self.to_pubsub_seconds_sum + other.to_pubsub_seconds_sum,
            _larger(self.to_pubsub_seconds_max, other.to_pubsub_seconds_max),
            self.to_row_count + other.to_row_count,
            self.to_row_seconds_sum + other.to_row_seconds_sum,
            _larger(self.to_row_seconds_max, other.to_row_seconds_max),
        )

    def summary(self) -> dict[str, Any]:
        """What `run-summary.json` says of them."""
        newest = self.newest_event_utc
        return {
            "newest_event_utc": rfc3339(newest) if newest else None,
            "to_pubsub_seconds_mean": _mean(
                self.to_pubsub_seconds_sum, self.to_pubsub_count
            ),
            "to_pubsub_seconds_max": self.to_pubsub_seconds_max,
            "to_row_seconds_mean": _mean(self.to_row_seconds_sum, self.to_row_count),
            "to_row_seconds_max": self.to_row_seconds_max,
        }


def _larger(one: Any, other: Any) -> Any:
    return max((each for each in (one, other) if each is not None), default=None)


def _mean(seconds: float, count: int) -> float | None:
    return round(seconds / count, 3) if count else None


def _since(started: datetime) -> ScalarQueryParameter:
    return ScalarQueryParameter("started", "TIMESTAMP", started.astimezone(UTC))


def _rows(client: Client, statement: str, *given: ScalarQueryParameter) -> RowIterator:
    """The rows of a statement, which is asked once; who calls tries again."""
    return client.query_and_wait(
        statement,
        job_config=QueryJobConfig(query_parameters=given),
        retry=None,
        job_retry=None,
        api_timeout=ANSWER_SECONDS,
    )


def read_ledger(client: Client) -> Ledger:
    """Reads the counts of every dataset since the tables were made."""
    rows = _rows(client, LEDGER_SQL)
    counted = (dict(row) for row in rows)
    return {
        row.pop("dataset"): Counts(**{name: int(n or 0) for name, n in row.items()})
        for row in counted
    }


def read_delays(client: Client, started: datetime) -> Mapping[str, Delays]:
    """Reads the delays of every dataset that was counted since a time."""
    rows = _rows(client, DELAYS_SQL, _since(started))
    found = ({k: v for k, v in row.items() if v is not None} for row in rows)
    return {each.pop("dataset"): Delays(**each) for each in found}


def read_reasons(client: Client, started: datetime) -> Reasons:
    """Reads why records and messages did not become rows since a time."""
    unmapped = ScalarQueryParameter("unmapped", "STRING", UNMAPPED)
    rows = _rows(client, HELD_SQL, _since(started), unmapped)
    return {(row.reason, row.dataset): row.held for row in rows}


def since(start: Ledger, now: Ledger) -> Ledger:
    """The counts since the start, without datasets that did not change."""
    grown = {name: counts - start.get(name, Counts()) for name, counts in now.items()}
    return {name: counts for name, counts in grown.items() if counts != Counts()}


def total(ledger: Ledger) -> Counts:
    return sum(ledger.values(), Counts())


def summarize(
    ledger: Ledger,
    expected: int,
    started: datetime,
    finished: datetime,
    delays: Mapping[str, Delays] | None = None,
) -> dict[str, Any]:
    """Returns the content of `run-summary.json`.

    Args:
        ledger: What this run has counted.
        expected: The least number of messages that must be accounted for (some may be
            delivered twice).
        started: UTC.
        finished: UTC.
        delays: Those of this run, by dataset.
    """
    all_counts = total(ledger)
    balanced = all(counts.balanced for counts in (*ledger.values(), all_counts))
    return {
        "balanced": balanced and all_counts.messages >= expected,
        **asdict(all_counts),
        "total": asdict(all_counts),
        "datasets": {name: asdict(ledger[name]) for name in sorted(ledger)},
        "delays": {
            "total": sum((delays or {}).values(), Delays()).summary(),
            "datasets": {
                name: each.summary() for name, each in sorted((delays or {}).items())
            },
        },
        "started": rfc3339(started),
        "finished": rfc3339(finished),
        "seconds": round((finished - started).total_seconds(), 1),
    }


def rfc3339(moment: datetime) -> str:
    """A UTC time as text, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
