"""Made-up messages in tables and views of their own, for the market views."""

import json
from pathlib import Path
from typing import Any

from apache_beam.testing import test_pipeline
from google.cloud import bigquery

from pipeline.bigquery.warehouse import Warehouse
from pipeline.graph import Plan, build
from pipeline.registry import Registry
from pipeline.steps.sources import ReadFiles
from pipeline.steps.write_rows import WriteRows
from sql.apply import apply_tables, apply_views
from sql.tables import all_tables

FOLDER = Path(__file__).parents[1] / "fixtures" / "market"


def make_market(client: bigquery.Client, dataset: str, registry: Registry) -> None:
    """Makes tables and views, empty."""
    apply_tables(client, dataset, list(all_tables(registry)), "EU")
    outcome = apply_views(client, dataset, registry)
    assert outcome.conflicts == [], outcome.conflicts


def send(client: bigquery.Client, dataset: str) -> None:
    """Sends the kept messages through the pipeline."""
    warehouse = Warehouse(client.project, dataset)
    with test_pipeline.TestPipeline(runner="FnApiRunner") as pipeline:
        source = ReadFiles(str(FOLDER / "*" / "*" / "*"))
        rows = WriteRows(warehouse.insert)
        build(pipeline, Plan(source, "by_grouping", 24, rows, warehouse.insert))


def store(client: bigquery.Client, table: str, rows: list[dict[str, Any]]) -> None:
    """Stores rows instead of those of before."""
    for number, row in enumerate(rows):
        row.setdefault("record_id", f"{number} {json.dumps(row, sort_keys=True)}")
        row.setdefault("source", "IRIS")
    config = bigquery.LoadJobConfig(
        schema=client.get_table(table).schema,
        write_disposition="WRITE_TRUNCATE",
    )
    client.load_table_from_json(rows, table, job_config=config).result()


def rows(client: bigquery.Client, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in client.query_and_wait(sql)]


def values(client: bigquery.Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in client.query_and_wait(sql)]
