"""The views: whether they answer, and show the rows of a run once."""

from collections.abc import Iterator

from google.cloud import bigquery

from cloud.deployment import Deployment
from cloud.smoke import queries
from cloud.smoke.arrivals import Arrived
from cloud.smoke.findings import Finding, failed, ok, unknown
from cloud.smoke.messages import UNIT_COLUMNS, Run
from command.text import first_line, listed
from pipeline.registry import Registry
from sql.templates import quoted
from sql.views.held import HELD

Counts = dict[str, int]


def look(
    client: bigquery.Client,
    deployment: Deployment,
    registry: Registry,
    run: Run,
    suffix: str,
) -> Counts | str:
    """Rows of a run by message, in the views of a kind; or why they do not answer.

    Args:
        client: The BigQuery client.
        registry: All datasets.
        suffix: `unified` or `latest`.
    """
    parts = [
        _part(
            f"{deployment.tables}.{registry[name].stem}_{suffix}",
            f"settlementDate = @day AND {quoted(unit)} = @unit",
        )
        for name, unit in UNIT_COLUMNS.items()
    ]
    return _counts(client, run, " UNION ALL ".join(parts))


def held(client: bigquery.Client, deployment: Deployment, run: Run) -> Counts | str:
    """Rows of `iris_held` of a run by message, or why it does not answer."""
    return _counts(client, run, _part(f"{deployment.tables}.{HELD}", "TRUE"))


def findings(
    found: Arrived,
    unified: Counts | str,
    latest: Counts | str,
    waiting: Counts | str,
    deployment: Deployment,
) -> Iterator[Finding]:
    """Whether each kind of view shows what the tables hold."""
    for name, counts in (("unified", unified), ("latest", latest)):
        yield _compared(f"_{name} views", counts, dict(found.records), deployment)
    letters: Counts = dict(found.unmapped)
    for (message_id, _), count in found.letters.items():
        letters[message_id] = letters.get(message_id, 0) + count
    yield _compared(HELD, waiting, letters, deployment)


def _compared(
    name: str, counts: Counts | str, wanted: Counts, deployment: Deployment
) -> Finding:
    if isinstance(counts, str):
        return failed(name, counts, deployment.sql("apply"))
    wrong = [
        f"{counts.get(message, 0)} rows of {message}, not {count}"
        for message, count in wanted.items()
        if counts.get(message, 0) != count
    ]
    if wrong:
        return failed(name, listed(wrong), deployment.sql("apply"))
    if not wanted:
        return unknown(name, "answers, but the tables hold no rows of this run")
    return ok(name, f"answers with the {sum(wanted.values())} rows of this run")


def _part(view: str, where: str) -> str:
    return (
        f"SELECT message_id, COUNT(*) AS found FROM {quoted(view)} WHERE {where} "  # noqa: S608 - names are quoted
        "AND STARTS_WITH(message_id, @marker) GROUP BY message_id"
    )


def _counts(client: bigquery.Client, run: Run, sql: str) -> Counts | str:
    try:
        rows = queries.rows(
            client, sql, marker=f"{run.marker}_", unit=run.marker, day=run.day
        )
    except queries.REFUSALS as error:
        return first_line(error)
    return {row["message_id"]: row["found"] for row in rows}
