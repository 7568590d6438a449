"""Compares what was sent with the tables: nothing lost, nothing twice in a view."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.cloud.bigquery import Client

from pipeline.registry import Dataset, load_registry
from tests.faults.soak.messages import UNKNOWN, Message

QUERY_SECONDS = 600.0
LEDGER_SQL = """
SELECT SUM(messages) AS messages, SUM(records) AS records, SUM(`rows`) AS `rows`,
  SUM(duplicates) AS duplicates, SUM(dead_letters) AS dead_letters,
  SUM(unmapped) AS unmapped
FROM iris_ledger
"""
ENDS = ("rows", "duplicates", "dead_letters", "unmapped")
SHOWN = 5


@dataclass
class Difference:
    """What does not fit.

    Attributes:
        lost: Records, dead letters and unmapped messages that are in no table.
        doubled: Rows that a view shows beyond the first of a record.
        strange: Rows that nobody has sent.
        repeated: Rows of `_iris` tables beyond the first of a record: allowed.
        examples: Some of what is lost.
    """

    checked: int = 0
    lost: int = 0
    doubled: int = 0
    strange: int = 0
    repeated: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_none(self) -> bool:
        return not (self.lost or self.doubled or self.strange)

    def miss(self, what: str, ids: Iterable[str]) -> None:
        """Counts ids that are in no table."""
        for one in sorted(ids):
            self.lost += 1
            if len(self.examples) < SHOWN:
                self.examples.append(f"{what} {one}")


class Expected:
    """What a number of messages must have become, by table."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.records: dict[str, set[str]] = defaultdict(set)
        self.refused: dict[str, int] = {}
        self.unmapped: set[str] = set()
        for message in messages:
            self.records[message.dataset].update(message.records)
            if message.refused:
                self.refused[message.message_id] = message.refused
            if message.dataset == UNKNOWN:
                self.unmapped.add(message.message_id)


def compare(client: Client, expected: Expected) -> Difference:
    """Compares all tables with all messages of a soak."""
    found = Difference()
    for dataset in load_registry().values():
        _compare_records(client, dataset, expected.records[dataset.name], found)
    _compare_held(
        client, "iris_dead_letters", "dead_letter_id", expected.refused, found
    )
    unmapped = dict.fromkeys(expected.unmapped, 1)
    _compare_held(client, "iris_unmapped", "unmapped_id", unmapped, found)
    return found


def missing(client: Client, expected: Expected, since: str) -> Difference:
    """Looks for the records of a part of the messages, in rows since a time (UTC)."""
    found = Difference()
    for name, ids in expected.records.items():
        if not ids:
            continue
        table = load_registry()[name].table
        sql = f"SELECT DISTINCT record_id AS id FROM {table} WHERE ingested_utc >= "
        there = {row.id for row in _ask(client, f"{sql} TIMESTAMP '{since}'")}
        found.checked += len(ids)
        found.miss(table, ids - there)
    return found


def ledger(client: Client, seconds: float) -> dict[str, int]:
    """The sums of the ledger.

    Raises:
        OSError: BigQuery does not answer.
        GoogleAPICallError: It answers with an error.
    """
    (row,) = client.query_and_wait(
        LEDGER_SQL,
        api_timeout=seconds,
        wait_timeout=seconds,
        retry=None,
        job_retry=None,
    )
    return {name: int(count or 0) for name, count in row.items()}


def _compare_records(
    client: Client, dataset: Dataset, expected: set[str], found: Difference
) -> None:
    table = dataset.table
    sql = f"SELECT record_id AS id, COUNT(*) AS n FROM {table} GROUP BY 1"
    there = {row.id: int(row.n) for row in _ask(client, sql)}
    found.checked += len(expected)
    found.miss(table, expected - there.keys())
    found.strange += len(there.keys() - expected)
    found.repeated += sum(there.values()) - len(there)
    view = table.removesuffix("_iris") + "_unified"
    sql = f"SELECT COUNT(*) AS n, COUNT(DISTINCT record_id) AS d FROM {view}"
    (shown,) = _ask(client, sql)
    found.doubled += shown.n - shown.d
    found.lost += max(0, len(there) - shown.d)


def _compare_held(
    client: Client, table: str, key: str, expected: dict[str, int], found: Difference
) -> None:
    sql = f"SELECT message_id AS id, COUNT(DISTINCT {key}) AS n FROM {table} GROUP BY 1"
    there = {row.id: int(row.n) for row in _ask(client, sql)}
    found.checked += sum(expected.values())
    found.miss(table, (i for i, n in expected.items() if there.get(i, 0) < n))
    found.strange += sum(max(0, n - expected.get(i, 0)) for i, n in there.items())


def _ask(client: Client, sql: str) -> Iterator[Any]:
    # No second attempt: on a busy machine it finds the job of the first.
    rows = client.query_and_wait(
        sql,
        api_timeout=QUERY_SECONDS,
        wait_timeout=QUERY_SECONDS,
        retry=None,
        job_retry=None,
    )
    return iter(rows)
