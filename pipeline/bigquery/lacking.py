"""Lacking: tables and columns of the registry that a BigQuery dataset does not have."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from google.api_core.exceptions import Forbidden
from google.api_core.retry import Retry
from google.cloud import bigquery

from command.tables_path import TablesPath
from pipeline.registry import METADATA_COLUMNS, Dataset

# For about ninety tables; BigQuery allows 100 requests a second and user.
THREADS = 8


class Lacking(NamedTuple):
    """What is not there.

    Attributes:
        tables: Names of tables.
        columns: Columns of tables that are there, as `table.column`.
        unread: Names of tables that this account may not read.
    """

    tables: list[str]
    columns: list[str]
    unread: list[str]


def lacking(
    client: bigquery.Client,
    path: TablesPath,
    datasets: Iterable[Dataset],
    retry: Retry | None = None,
    timeout: float | None = None,
) -> Lacking:
    """Compares the tables of datasets with the registry.

    Args:
        client: The client.
        path: Where the tables are.
        datasets: The datasets.
        retry: For each request.
        timeout: For each request, in seconds.

    Raises:
        google.api_core.exceptions.NotFound: There is no such BigQuery dataset.
    """
    unread: list[str] = []

    def without(dataset: Dataset) -> list[str]:
        name = f"{path}.{dataset.table}"
        try:
            found = client.get_table(name, retry=retry, timeout=timeout).schema
        except Forbidden:
            unread.append(dataset.table)
            return []
        names = {column.name.lower() for column in found}
        wanted = (*dataset.columns, *METADATA_COLUMNS)
        return [
            f"{dataset.table}.{column.name}"
            for column in wanted
            if column.name.lower() not in names
        ]

    there = {
        item.table_id
        for item in client.list_tables(str(path), retry=retry, timeout=timeout)
    }
    datasets = list(datasets)
    present = [dataset for dataset in datasets if dataset.table in there]
    with ThreadPoolExecutor(THREADS) as threads:
        columns = [name for names in threads.map(without, present) for name in names]
    tables = [dataset.table for dataset in datasets if dataset.table not in there]
    return Lacking(tables, columns, sorted(unread))
