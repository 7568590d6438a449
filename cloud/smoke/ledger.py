"""The ledger: whether it counted the messages of a run, and is balanced.

Its entries are partial counts of a minute. Those of a dataset include the real messages
of that minute, too. So the check compares the growth of the sums with the counts of the
run: it is at least as large. Entries are never removed, since that would remove the
counts of real messages.
"""

from collections.abc import Mapping, Sequence

from google.cloud import bigquery

from cloud.deployment import Deployment
from cloud.smoke import queries
from cloud.smoke.findings import Finding, failed, ok, unknown
from cloud.smoke.messages import Run
from command.text import listed
from pipeline.steps.ledger import COUNTS, OUTCOMES
from sql.tables import LEDGER
from sql.templates import quoted

Sums = Mapping[str, Mapping[str, int]]


def datasets(run: Run) -> Sequence[str]:
    """The datasets of a run, each once."""
    return tuple(dict.fromkeys(each.dataset for each in run.messages))


def sums(client: bigquery.Client, deployment: Deployment, run: Run) -> Sums:
    """The sums of all entries, by dataset and count.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refuses.
    """
    counts = ", ".join(f"SUM({quoted(name)}) AS {quoted(name)}" for name in COUNTS)
    sql = (
        f"SELECT dataset, {counts} FROM {quoted(f'{deployment.tables}.{LEDGER.name}')} "  # noqa: S608 - names are quoted
        "WHERE dataset IN UNNEST(@datasets) GROUP BY dataset"
    )
    return {
        row["dataset"]: {name: row[name] or 0 for name in COUNTS}
        for row in queries.rows(client, sql, datasets=datasets(run))
    }


def growth(before: Sums, after: Sums) -> Sums:
    """The growth of the sums."""
    return {
        dataset: {
            name: count - before.get(dataset, {}).get(name, 0)
            for name, count in counts.items()
        }
        for dataset, counts in after.items()
    }


def shortcomings(run: Run, before: Sums, after: Sums) -> list[str]:
    """What the ledger lacks of a run, or why it is not balanced; empty if all is well.

    A live pipeline has records in flight at most times: a result is reliable only if a
    later call returns it, too.
    """
    grown = growth(before, after)
    lacking = []
    for dataset in datasets(run):
        counts = grown.get(dataset, dict.fromkeys(COUNTS, 0))
        for names, label in _COMPARED:
            wanted = sum(run.expected(n).get(dataset, 0) for n in names)
            found = sum(counts[name] for name in names)
            if found < wanted:
                lacking.append(f"{dataset}: {found} of {wanted} {label}")
        # Records that were in flight before, or lost long ago, are not of this run.
        if _in_flight(counts) and _in_flight(after.get(dataset, counts)):
            lacking.append(
                f"{dataset}: {_in_flight(counts)} records without an outcome"
            )
    return lacking


def has_duplicates(run: Run, before: Sums, after: Sums) -> bool:
    """Whether the ledger counted the copies of a run as duplicates.

    Rows of real messages can hide that a copy is still in flight.
    """
    grown = growth(before, after)
    return all(
        grown.get(dataset, {}).get("duplicates", 0) >= count
        for dataset, count in run.expected("duplicates").items()
    )


def finding(
    run: Run, before: Sums, after: Sums, deployment: Deployment, *, settled: bool
) -> Finding:
    """Whether the ledger counted the run, and is balanced.

    Args:
        before: The sums before it.
        after: The sums now.
        settled: Whether every message of the run has arrived in the tables.
    """
    if not settled:
        return unknown("ledger", "not every message has arrived in the tables")
    if lacking := shortcomings(run, before, after):
        return failed("ledger", listed(lacking), deployment.sql("check --only ledger"))
    records = sum(run.expected("records").values())
    names = ", ".join(datasets(run))
    return ok("ledger", f"counts all {records} records; balanced for {names}")


# A new drain does not know what earlier ones read: it counts a duplicate as a row.
_COMPARED = (
    (("records",), "records"),
    (("rows", "duplicates"), "rows and duplicates"),
    (("dead_letters",), "dead letters"),
    (("unmapped",), "unmapped"),
)


def _in_flight(counts: Mapping[str, int]) -> int:
    return counts["records"] - sum(counts[name] for name in OUTCOMES)
