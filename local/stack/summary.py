"""What a run has done: the six counts, per dataset and in total."""

import operator
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from typing import Any, Self

from google.cloud.bigquery import Client

# The table holds partial counts: any number of rows a minute and dataset.
LEDGER_SQL = """
SELECT IFNULL(dataset, 'unknown') AS dataset,
  SUM(messages) AS messages, SUM(records) AS records, SUM(`rows`) AS `rows`,
  SUM(duplicates) AS duplicates, SUM(dead_letters) AS dead_letters,
  SUM(unmapped) AS unmapped
FROM iris_ledger
GROUP BY 1
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


def read_ledger(client: Client) -> Ledger:
    """Reads the counts of every dataset since the tables were made."""
    rows = client.query_and_wait(LEDGER_SQL, retry=None, job_retry=None)
    counted = (dict(row) for row in rows)
    return {
        row.pop("dataset"): Counts(**{name: int(n or 0) for name, n in row.items()})
        for row in counted
    }


def since(start: Ledger, now: Ledger) -> Ledger:
    """The counts since the start, without datasets that did not change."""
    grown = {name: counts - start.get(name, Counts()) for name, counts in now.items()}
    return {name: counts for name, counts in grown.items() if counts != Counts()}


def total(ledger: Ledger) -> Counts:
    return sum(ledger.values(), Counts())


def summarize(
    ledger: Ledger, expected: int | None, started: datetime, finished: datetime
) -> dict[str, Any]:
    """Returns the content of `run-summary.json`.

    Args:
        ledger: What this run has counted.
        expected: The least number of messages that must be accounted for (some may be
            delivered twice); None when the run was stopped before its end.
        started: UTC.
        finished: UTC.
    """
    all_counts = total(ledger)
    balanced = all(counts.balanced for counts in (*ledger.values(), all_counts))
    complete = expected is None or all_counts.messages >= expected
    return {
        "balanced": balanced and complete,
        **asdict(all_counts),
        "total": asdict(all_counts),
        "datasets": {name: asdict(ledger[name]) for name in sorted(ledger)},
        "started": rfc3339(started),
        "finished": rfc3339(finished),
        "seconds": round((finished - started).total_seconds(), 1),
    }


def rfc3339(moment: datetime) -> str:
    """A UTC time as text, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
