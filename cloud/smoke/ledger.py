"""The ledger: whether it counted what a run published, and is balanced.

Its entries are partial counts of a minute, and a dataset's hold the real messages of
that minute, too. So a run is looked for in the growth of the sums, which is at least
its own; and they are never removed, which would take real messages with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.cloud import bigquery

from cloud.place import Place
from cloud.smoke import queries
from cloud.smoke.findings import Finding, failed, listed, ok, unknown
from cloud.smoke.messages import Run
from pipeline.steps.ledger import COUNTS, OUTCOMES
from sql.tables import LEDGER
from sql.templates import quoted

Sums = Mapping[str, Mapping[str, int]]


def datasets(run: Run) -> Sequence[str]:
    """The datasets of a run."""
    return tuple(dict.fromkeys(each.dataset for each in run.messages))


def sums(client: bigquery.Client, place: Place, run: Run) -> Sums:
    """The sums of all entries, by dataset and count.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: BigQuery refuses.
    """
    counts = ", ".join(f"SUM({quoted(name)}) AS {quoted(name)}" for name in COUNTS)
    sql = (
        f"SELECT dataset, {counts} FROM {quoted(f'{place.tables}.{LEDGER.name}')} "  # noqa: S608 - names are quoted
        "WHERE dataset IN UNNEST(@datasets) GROUP BY dataset"
    )
    return {
        row["dataset"]: {name: row[name] or 0 for name in COUNTS}
        for row in queries.rows(client, sql, datasets=datasets(run))
    }


def growth(before: Sums, after: Sums) -> Sums:
    """What was added to the sums."""
    return {
        dataset: {
            name: count - before.get(dataset, {}).get(name, 0)
            for name, count in counts.items()
        }
        for dataset, counts in after.items()
    }


def shortcomings(run: Run, before: Sums, after: Sums) -> list[str]:
    """What the ledger lacks of a run, or does not balance; empty when all is well.

    A live pipeline has records in hand at most moments: ask again before believing it.
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
        # What was in hand before, or has been lost long ago, is not the run's.
        if _in_hand(counts) and _in_hand(after.get(dataset, counts)):
            lacking.append(f"{dataset}: {_in_hand(counts)} records without an outcome")
    return lacking


def has_duplicates(run: Run, before: Sums, after: Sums) -> bool:
    """Whether the copies of a run are counted as what they are.

    Rows of real messages can stand for those of a copy that is still under way.
    """
    grown = growth(before, after)
    return all(
        grown.get(dataset, {}).get("duplicates", 0) >= count
        for dataset, count in run.expected("duplicates").items()
    )


def finding(
    run: Run, before: Sums, after: Sums, place: Place, *, settled: bool
) -> Finding:
    """Whether the ledger has the run, and is balanced.

    Args:
        run: The run.
        before: The sums before it.
        after: The sums now.
        place: The deployment.
        settled: Whether all of its messages have come to the tables.
    """
    if not settled:
        return unknown("ledger", "not every message has come to the tables")
    if lacking := shortcomings(run, before, after):
        return failed("ledger", listed(lacking), place.sql("check --only ledger"))
    records = sum(run.expected("records").values())
    return ok("ledger", f"counts all {records} records; balanced for {_names(run)}")


# A duplicate that comes to a drain that starts anew is counted as a row.
_COMPARED = (
    (("records",), "records"),
    (("rows", "duplicates"), "rows and duplicates"),
    (("dead_letters",), "dead letters"),
    (("unmapped",), "unmapped"),
)


def _in_hand(counts: Mapping[str, int]) -> int:
    return counts["records"] - sum(counts[name] for name in OUTCOMES)


def _names(run: Run) -> str:
    return ", ".join(datasets(run))
