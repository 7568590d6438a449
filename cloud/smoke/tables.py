"""Tables and views: whether they are those that the registry makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from google.api_core.exceptions import NotFound
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem

from cloud.place import Place
from cloud.smoke.findings import Finding, failed, listed, ok
from pipeline.registry import Registry
from sql.connection import PARALLEL_REQUESTS
from sql.schemas import Merged, merged_schema
from sql.tables import Table, all_tables
from sql.views.all_views import all_views
from sql.views.held import HELD


def findings(
    client: bigquery.Client, place: Place, registry: Registry
) -> Iterator[Finding]:
    """Whether all tables and views of the registry are there, with their columns."""
    try:
        items = {item.table_id: item for item in client.list_tables(str(place.tables))}
    except NotFound:
        yield failed(
            "tables",
            f"there is no BigQuery dataset {place.tables}",
            place.sql("apply"),
        )
        return
    wanted = list(all_tables(registry))
    yield there(items, wanted, place)
    present = [table for table in wanted if _kind(items, table.name) == "TABLE"]
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        found = threads.map(
            lambda table: client.get_table(f"{place.tables}.{table.name}").schema,
            present,
        )
        merged = {
            table.name: merged_schema(schema, table.columns)
            for table, schema in zip(present, found, strict=True)
        }
    yield columns(merged, place)
    views = [view.name for view in all_views(registry, place.tables, {})]
    yield views_there(items, [*views, HELD], place)


def there(
    items: Mapping[str, TableListItem], wanted: Sequence[Table], place: Place
) -> Finding:
    """Whether all tables exist."""
    lacking = [t.name for t in wanted if _kind(items, t.name) != "TABLE"]
    if lacking:
        return failed(
            "tables",
            f"{len(lacking)} of {len(wanted)} are missing: {listed(lacking)}",
            place.sql("apply"),
        )
    return ok("tables", f"{len(wanted)} there")


def columns(merged: Mapping[str, Merged], place: Place) -> Finding:
    """Whether all tables have the columns of the registry, of its types."""
    wrong = []
    for name, each in merged.items():
        wrong += [f"{name}.{path} is missing" for path in each.added]
        wrong += [f"{name}.{path} is INT64, not FLOAT64" for path in each.widened]
        wrong += [f"{name}.{conflict}" for conflict in each.conflicts]
    if wrong:
        return failed("columns", listed(wrong), place.sql("apply"))
    return ok("columns", f"those of the registry in {len(merged)} tables")


def views_there(
    items: Mapping[str, TableListItem], wanted: Sequence[str], place: Place
) -> Finding:
    """Whether all views exist."""
    lacking = [name for name in wanted if _kind(items, name) != "VIEW"]
    if lacking:
        return failed(
            "views",
            f"{len(lacking)} of {len(wanted)} are missing: {listed(lacking)}",
            place.sql("apply"),
        )
    return ok("views", f"{len(wanted)} there")


def _kind(items: Mapping[str, TableListItem], name: str) -> str | None:
    item = items.get(name)
    return item.table_type if item else None
