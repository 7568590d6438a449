"""Tables and views: whether they are the ones that the registry describes."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from cloud.deployment import Deployment
from cloud.smoke.findings import Finding, failed, ok
from command.text import listed
from pipeline.registry import Registry
from sql.connection import PARALLEL_REQUESTS
from sql.market.catalogue import market_views
from sql.schemas import Merged, merged_schema
from sql.tables import all_tables
from sql.views.all_views import all_views
from sql.views.held import HELD


def findings(
    client: bigquery.Client, deployment: Deployment, registry: Registry
) -> Iterator[Finding]:
    """Whether all tables and views of the registry exist, with their columns."""
    try:
        items = client.list_tables(str(deployment.tables))
        kinds = {item.table_id: item.table_type for item in items}
    except NotFound:
        yield failed(
            "tables",
            f"there is no BigQuery dataset {deployment.tables}",
            deployment.sql("apply"),
        )
        return
    wanted = list(all_tables(registry))
    names = [table.name for table in wanted]
    yield exist("tables", "TABLE", names, kinds, deployment)
    present = [table for table in wanted if kinds.get(table.name) == "TABLE"]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        found = threads.map(
            lambda table: client.get_table(f"{deployment.tables}.{table.name}").schema,
            present,
        )
        merged = {
            table.name: merged_schema(schema, table.columns)
            for table, schema in zip(present, found, strict=True)
        }
    yield columns(merged, deployment)
    views = [
        *all_views(registry, deployment.tables, {}),
        *market_views(registry, deployment.tables),
    ]
    names = [*(view.name for view in views), HELD]
    yield exist("views", "VIEW", names, kinds, deployment)


def exist(
    check: str,
    kind: str,
    wanted: Sequence[str],
    kinds: Mapping[str, str],
    deployment: Deployment,
) -> Finding:
    """Whether all tables, or all views, exist.

    Args:
        check: The name of the check.
        kind: `TABLE` or `VIEW`.
        wanted: The names that must exist.
        kinds: What exists: the kind by name.
    """
    lacking = [name for name in wanted if kinds.get(name) != kind]
    if lacking:
        return failed(
            check,
            f"{len(lacking)} of {len(wanted)} are missing: {listed(lacking)}",
            deployment.sql("apply"),
        )
    return ok(check, f"{len(wanted)} exist")


def columns(merged: Mapping[str, Merged], deployment: Deployment) -> Finding:
    """Whether all tables have the columns of the registry, with its types."""
    wrong = []
    for name, each in merged.items():
        wrong += [f"{name}.{path} is missing" for path in each.added]
        wrong += [f"{name}.{path} is INT64, not FLOAT64" for path in each.widened]
        wrong += [f"{name}.{conflict}" for conflict in each.conflicts]
    if wrong:
        return failed("columns", listed(wrong), deployment.sql("apply"))
    return ok("columns", f"as in the registry, in {len(merged)} tables")
