"""Files of another day, which a question about a day must not open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.cloud import bigquery


@contextmanager
def hidden(files: set[Path]) -> Iterator[None]:
    """Files of a table are not there for a while: what reads them fails."""
    for file in files:
        file.rename(file.with_suffix(".away"))
    try:
        yield
    finally:
        for file in files:
            file.with_suffix(".away").rename(file)


def stored_files(
    client: bigquery.Client, data: Path, table: str, rows: list[dict[str, Any]]
) -> set[Path]:
    """Stores each row in a file of its own; returns those of the last row.

    Args:
        client: The local BigQuery.
        data: Its folder.
        table: An empty `_iris` table.
        rows: Its rows, the last of another day.
    """
    there: set[Path] = set()
    for number, row in enumerate(rows):
        there = set(data.rglob("*.parquet"))
        row |= {"source": "IRIS", "record_id": str(number)}
        config = bigquery.LoadJobConfig(schema=client.get_table(table).schema)
        client.load_table_from_json([row], table, job_config=config).result()
    return set(data.rglob("*.parquet")) - there
