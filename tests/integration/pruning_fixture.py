"""Rows that are lost on the disk: a query that reads their day fails."""

import json
from pathlib import Path
from typing import Any

from google.cloud import bigquery


def store_lost(
    client: bigquery.Client, data: Path, table: str, rows: list[dict[str, Any]]
) -> None:
    """Appends rows, and removes the file that they are in.

    The local BigQuery knows the least and greatest value of each column of a file, and
    opens only those that a filter needs: what BigQuery does with partitions.

    Args:
        client: A client of the local BigQuery.
        data: Its data folder.
        table: `dataset.table`.
        rows: The rows.
    """
    folder = next(data.glob(f"**/{table.replace('.', '/')}"))
    before = {*folder.rglob("*.parquet")}
    for row in rows:
        row.setdefault("record_id", json.dumps(row, sort_keys=True))
        row.setdefault("source", "IRIS")
    config = bigquery.LoadJobConfig(
        schema=client.get_table(table).schema, write_disposition="WRITE_APPEND"
    )
    client.load_table_from_json(rows, table, job_config=config).result()
    added = {*folder.rglob("*.parquet")} - before
    assert added
    for file in added:
        file.unlink()
