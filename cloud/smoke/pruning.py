"""Pruning: whether a question of one day reads that day, by BigQuery's own estimate."""

import datetime as dt
from collections.abc import Iterator

from google.cloud import bigquery

from cloud.deployment import Deployment
from cloud.smoke import queries
from cloud.smoke.findings import Finding, failed, ok, unknown
from command.text import first_line, size_text
from pipeline.registry import Registry
from sql.templates import quoted

# Large, and partitioned by settlementDate.
DATASET = "BOALF"
# Below this, one day of the table may be all that there is.
MIN_BYTES = 50_000_000
# One day of a table with some weeks.
MAX_SHARE = 0.5


def findings(
    client: bigquery.Client, deployment: Deployment, registry: Registry, day: dt.date
) -> Iterator[Finding]:
    """For each kind of view; nothing is read.

    Args:
        client: The BigQuery client.
        registry: All datasets.
        day: The day of the question.
    """
    if DATASET not in registry:
        return
    for suffix in ("unified", "latest"):
        name = f"pruning of _{suffix}"
        view = quoted(f"{deployment.tables}.{registry[DATASET].stem}_{suffix}")
        whole = f"SELECT * FROM {view}"  # noqa: S608 - the name is quoted
        try:
            of_all = queries.read_bytes(client, whole)
            asked = f"{whole} WHERE settlementDate = @day"
            of_day = queries.read_bytes(client, asked, day=day)
        except queries.REFUSALS as error:
            yield unknown(name, first_line(error))
            continue
        yield judged(name, of_day, of_all, deployment)


def judged(name: str, of_day: int, of_all: int, deployment: Deployment) -> Finding:
    """Whether a question of one day reads much less than one of all days."""
    seen = f"one day of {DATASET} reads {size_text(of_day)} of {size_text(of_all)}"
    if of_all < MIN_BYTES:
        return unknown(name, f"{seen}: too few rows to tell")
    if of_day > MAX_SHARE * of_all:
        return failed(
            name,
            f"{seen}: a question reads all days",
            f"{deployment.sql('apply')}; a historic table of yours must be "
            "partitioned, too",
        )
    return ok(name, seen)
