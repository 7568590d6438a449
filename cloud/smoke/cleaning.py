"""Cleaning: removes the rows of smoke runs from the tables, and nothing else.

A row is removed only if its `message_id` begins with the full marker of a run. In the
tables of the datasets its unit must be that marker, too, and its day years ago.

BigQuery cannot change a row that `insertAll` wrote within the last 30 minutes, in rare
cases 90 (https://cloud.google.com/bigquery/docs/data-manipulation-language#limitations).
A DELETE that meets such a row fails as a whole. So each run is removed by its own
statement, and rows that are too new remain for `--clean`.

The ledger keeps its counts (see `ledger.py`). The raw archive keeps the messages, which
share files with real ones.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.cloud import bigquery

from cloud.deployment import Deployment
from cloud.smoke import queries
from cloud.smoke.findings import Finding, failed, ok, unknown
from cloud.smoke.messages import DAYS_BACK, MARKER_PATTERN, PREFIX, UNIT_COLUMNS
from command.text import first_line, listed
from pipeline.registry import Registry
from sql.connection import existing_tables
from sql.tables import DEAD_LETTERS, REPLAYS, UNMAPPED
from sql.templates import quoted

# Part of BigQuery's error for rows that it cannot change yet.
STREAMED = "streaming buffer"
# Every row of a smoke run is at least this old.
YOUNGEST_DAYS = DAYS_BACK - 100


@dataclass(slots=True)
class Outcome:
    """What cleaning did, in rows.

    Attributes:
        removed: Rows that were removed.
        streamed: Rows that BigQuery cannot remove yet.
        refused: Why other rows remain, one line each.
    """

    removed: int = 0
    streamed: int = 0
    refused: list[str] = field(default_factory=list)


def clean(
    client: bigquery.Client,
    deployment: Deployment,
    registry: Registry,
    marker: str | None = None,
    today: dt.date | None = None,
) -> Outcome:
    """Removes the rows of one run, or of all.

    Args:
        client: The BigQuery client.
        registry: All datasets.
        marker: The marker of the run; None for all runs.
        today: The day from which the age of rows is counted; None for the real one.

    Raises:
        UsageError: There is no such BigQuery dataset.
    """
    outcome = Outcome()
    day = today or dt.datetime.now(dt.UTC).date()
    try:
        there = existing_tables(client, deployment.tables)
        conditions = {t: c for t, c in _conditions(registry) if t in there}
        if not conditions:
            return outcome
        runs = _runs(client, deployment, conditions, marker, day)
    except queries.REFUSALS as error:
        outcome.refused.append(first_line(error))
        return outcome
    for table, run, count in runs:
        name = quoted(f"{deployment.tables}.{table}")
        try:
            _delete(client, name, conditions[table], run, day)
        except queries.REFUSALS as error:
            if STREAMED in str(error):
                outcome.streamed += count
            else:
                outcome.refused.append(f"{table}: {first_line(error)}")
        else:
            outcome.removed += count
    return outcome


def finding(outcome: Outcome, deployment: Deployment, *, settled: bool) -> Finding:
    """What became of the rows of a run at its end.

    Args:
        outcome: What cleaning did.
        settled: Whether every message of the run had arrived in the tables.
    """
    name, todo = "cleaning", deployment.smoke("--clean")
    if outcome.refused:
        return failed(name, listed(outcome.refused), todo)
    if not settled:
        return unknown(
            name,
            f"{outcome.removed} rows were removed; messages that still wait in the "
            "subscription become rows when a pipeline reads it",
            f"after that: {todo}",
        )
    if outcome.streamed:
        return unknown(
            name,
            f"{outcome.removed} rows were removed; {outcome.streamed} were streamed, "
            "and BigQuery cannot remove these for 30 minutes, in rare cases 90",
            f"in half an hour: {todo}",
        )
    return ok(name, f"{outcome.removed} rows of this run were removed")


def _conditions(registry: Registry) -> Iterator[tuple[str, str]]:
    """Each table, with the condition for rows that may be removed from it."""
    old = f"settlementDate < DATE_SUB(@today, INTERVAL {YOUNGEST_DAYS} DAY)"
    for name, unit in UNIT_COLUMNS.items():
        condition = f"STARTS_WITH(message_id, CONCAT({quoted(unit)}, '_'))"
        yield registry[name].table, f"{old} AND {condition}"
    for table in (DEAD_LETTERS, UNMAPPED, REPLAYS):
        yield table.name, "TRUE"


def _runs(
    client: bigquery.Client,
    deployment: Deployment,
    conditions: Mapping[str, str],
    marker: str | None,
    today: dt.date,
) -> list[tuple[str, str, int]]:
    """Table, marker and number of rows of each run that left rows in a table."""
    sql = " UNION ALL ".join(
        f"SELECT '{table}' AS name, COUNT(*) AS found, "  # noqa: S608 - names are quoted
        f"REGEXP_EXTRACT(message_id, r'^({MARKER_PATTERN})_') AS run "
        f"FROM {quoted(f'{deployment.tables}.{table}')} WHERE {condition} "
        f"AND REGEXP_CONTAINS(message_id, r'^{MARKER_PATTERN}_') "
        "AND STARTS_WITH(message_id, @marker) GROUP BY run"
        for table, condition in conditions.items()
    )
    prefix = f"{marker}_" if marker else PREFIX
    rows = queries.rows(client, sql, marker=prefix, today=today)
    return [(row["name"], row["run"], row["found"]) for row in rows]


def _delete(
    client: bigquery.Client, table: str, condition: str, run: str, today: dt.date
) -> None:
    sql = (
        f"DELETE FROM {table} WHERE {condition} "  # noqa: S608 - names are quoted
        "AND STARTS_WITH(message_id, @marker)"
    )
    queries.execute(client, sql, marker=f"{run}_", today=today)
