"""Arrivals: what became of the messages of a run, as the tables show it."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from google.cloud import bigquery

from cloud.deployment import DRAIN_JOB, Deployment
from cloud.smoke import queries
from cloud.smoke.findings import Finding, failed, ok, unknown
from cloud.smoke.messages import UNIT_COLUMNS, Run, by_reason
from command.text import listed
from pipeline.registry import Registry
from sql.tables import DEAD_LETTERS, UNMAPPED
from sql.templates import quoted

# The clock of this machine and the clock of the service may differ.
CLOCK_SKEW = dt.timedelta(minutes=10)
# Copies within this time are in one round of a drain, or in one stream.
TOGETHER_SECONDS = 60.0
_DEDUP_TODO = (
    "check --dedup_horizon_hours of the pipeline's command (default: 24), and that "
    "only one pipeline reads the subscription"
)


@dataclass(slots=True)
class Arrived:
    """What the tables hold of a run.

    Attributes:
        copies: Rows, by message.
        records: Different records among these rows, by message.
        letters: Different dead letters, by message and reason code.
        errors: The error text of a dead letter, by reason code.
        unmapped: Different unmapped messages, by message.
        apart_seconds: Time from the first to the last copy of a record, by message.
    """

    copies: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    unmapped: Counter[str] = field(default_factory=Counter)
    apart_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def reasons(self) -> Counter[str]:
        """Dead letters by reason code."""
        counts: Counter[str] = Counter()
        for (_, reason), count in self.letters.items():
            counts[reason] += count
        return counts


def look(
    client: bigquery.Client, deployment: Deployment, registry: Registry, run: Run
) -> Arrived:
    """What the tables hold of a run now.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refuses.
    """
    found = queries.rows(
        client,
        _statement(deployment, registry),
        marker=f"{run.marker}_",
        day=run.day,
        since=run.began - CLOCK_SKEW,
    )
    return arrived(found)


def _statement(deployment: Deployment, registry: Registry) -> str:
    """One statement for all tables; it reads only the partitions of the run."""
    parts = [
        _rows_of(f"{deployment.tables}.{registry[name].table}") for name in UNIT_COLUMNS
    ]
    letters = quoted(f"{deployment.tables}.{DEAD_LETTERS.name}")
    unmapped = quoted(f"{deployment.tables}.{UNMAPPED.name}")
    parts.append(
        "SELECT 'letter' AS kind, message_id, reason, COUNT(*) AS copies, "  # noqa: S608 - names are quoted
        "COUNT(DISTINCT dead_letter_id) AS records, 0.0 AS apart_seconds, "
        "ANY_VALUE(error) AS error "
        f"FROM {letters} WHERE failed_utc >= @since "
        "AND STARTS_WITH(message_id, @marker) GROUP BY message_id, reason"
    )
    parts.append(
        "SELECT 'unmapped' AS kind, message_id, '' AS reason, COUNT(*) AS copies, "  # noqa: S608 - names are quoted
        "COUNT(DISTINCT unmapped_id) AS records, 0.0 AS apart_seconds, '' AS error "
        f"FROM {unmapped} "
        "WHERE ingested_utc >= @since AND STARTS_WITH(message_id, @marker) "
        "GROUP BY message_id"
    )
    return "\nUNION ALL\n".join(parts)


def _rows_of(table: str) -> str:
    return (
        "SELECT 'row' AS kind, message_id, '' AS reason, COUNT(*) AS copies, "  # noqa: S608 - names are quoted
        "COUNT(DISTINCT record_id) AS records, CAST(TIMESTAMP_DIFF(MAX(ingested_utc), "
        "MIN(ingested_utc), SECOND) AS FLOAT64) AS apart_seconds, '' AS error "
        f"FROM {quoted(table)} WHERE settlementDate = @day "
        "AND STARTS_WITH(message_id, @marker) GROUP BY message_id"
    )


def arrived(rows: Iterable[bigquery.Row]) -> Arrived:
    """What the rows of the statement say."""
    found = Arrived()
    for row in rows:
        if row["kind"] == "row":
            found.copies[row["message_id"]] = row["copies"]
            found.records[row["message_id"]] = row["records"]
            found.apart_seconds[row["message_id"]] = row["apart_seconds"]
        elif row["kind"] == "letter":
            found.letters[row["message_id"], row["reason"]] = row["records"]
            found.errors[row["reason"]] = row["error"] or ""
        else:
            found.unmapped[row["message_id"]] = row["records"]
    return found


def is_settled(run: Run, found: Arrived) -> bool:
    """Whether every record of a run has an outcome, right or wrong."""
    letters: Counter[str] = Counter()
    for (message_id, _), count in found.letters.items():
        letters[message_id] += count
    return all(
        found.records[each.message_id]
        + letters[each.message_id]
        + found.unmapped[each.message_id]
        >= each.expected.records - each.expected.duplicates
        for each in run.messages
    )


def progress(run: Run, found: Arrived) -> str:
    """How much of a run has arrived, in one line."""
    return (
        f"{found.records.total()} of {sum(run.expected('rows').values())} rows, "
        f"{found.letters.total()} of {sum(by_reason(run).values())} dead letters, "
        f"{found.unmapped.total()} of {sum(run.expected('unmapped').values())} unmapped"
    )


def findings(
    run: Run, found: Arrived, deployment: Deployment, waited: str
) -> Iterator[Finding]:
    """Whether rows, dead letters and the unmapped message are those of the run.

    Args:
        found: What the tables hold.
        waited: For how long they were waited for: `after 15 m`.
    """
    todo = start_command(deployment)
    wanted = sum(run.expected("rows").values())
    count = found.records.total()
    if count < wanted:
        yield failed("rows", f"{count} of {wanted} {waited}", todo)
    else:
        yield ok("rows", f"{count} of {wanted} {waited}")
    yield _letters(run, found, deployment, waited, todo)
    wanted = sum(run.expected("unmapped").values())
    if found.unmapped.total() < wanted:
        yield failed("unmapped message", f"not in {UNMAPPED.name} {waited}", todo)
    else:
        yield ok("unmapped message", f"kept in {UNMAPPED.name}")


def _letters(
    run: Run, found: Arrived, deployment: Deployment, waited: str, todo: str
) -> Finding:
    wanted = by_reason(run)
    wrong = [reason for reason in found.reasons if reason not in wanted]
    if wrong:
        texts = [f"{reason}: {found.errors[reason]}" for reason in wrong]
        return failed("dead letters", listed(texts), deployment.sql("apply"))
    lacking = [reason for reason in wanted if found.reasons[reason] < wanted[reason]]
    if lacking:
        return failed("dead letters", f"no {listed(lacking)} {waited}", todo)
    return ok("dead letters", f"{listed(wanted)}, with reason and payload")


def start_command(deployment: Deployment) -> str:
    """The command that makes a pipeline read the subscription."""
    if deployment.local:
        return "make drain, or this command with --run-drain"
    region = deployment.region or "REGION"
    start = deployment.gcloud(f"run jobs execute {DRAIN_JOB} --region {region} --wait")
    return (
        f"{start}; if it fails, its log says why. To run a drain on this machine: "
        f"{deployment.smoke('--run-drain')}"
    )


def duplicate(
    run: Run,
    found: Arrived,
    unified: Mapping[str, int] | None,
    dropped: Mapping[str, int] | None,
    deployment: Deployment,
) -> Finding:
    """Whether the rows of the message that was published twice are there once.

    Args:
        found: What the tables hold.
        unified: Rows of the `_unified` views, by message; None if they fail.
        dropped: Duplicates that the ledger counted since the run began, by dataset;
            None if it fails.
    """
    name = "duplicate"
    todo = f"{deployment.sql('apply')}; then run this again"
    (copy,) = (each for each in run.messages if each.expected.duplicates)
    copies, records = found.copies[copy.message_id], found.records[copy.message_id]
    if not records:
        return unknown(name, "the rows of this message are not in the table")
    shown = None if unified is None else unified.get(copy.message_id, 0)
    if shown is not None and shown != records:
        return failed(name, f"_unified shows {shown} rows of {records} records", todo)
    apart = found.apart_seconds[copy.message_id]
    if copies > records and apart >= TOGETHER_SECONDS:
        once = "_unified shows them once" if shown else "_unified was not queried"
        return ok(
            name,
            f"the copies were read {apart:.0f} s apart, for example by two drains, and "
            f"both are in _iris; {once}",
        )
    if copies > records:
        return failed(
            name,
            f"{copies} rows of {records} records in _iris, within {apart:.0f} s",
            _DEDUP_TODO,
        )
    if dropped is not None and dropped.get(copy.dataset, 0) < copy.expected.duplicates:
        return failed(
            name,
            "there once, but the ledger counted no duplicate: the pipeline wrote both "
            "copies, and BigQuery dropped one, which it does only for a minute",
            _DEDUP_TODO,
        )
    return ok(name, f"published twice, there once; {records} records dropped")
