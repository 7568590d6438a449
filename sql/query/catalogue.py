"""The catalogue: tables, views and columns that there are, each asked for once."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery
from google.cloud.bigquery.table import TableListItem

from sql.connection import PARALLEL_REQUESTS
from sql.query.job import Tables
from sql.query.statements import names


class Catalogue:
    """What statements may name; forgotten when a statement changes it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._items: dict[str, dict[str, TableListItem]] = {}
        self._found: dict[str, bigquery.Table | None] = {}

    def forget(self) -> None:
        self._items, self._found = {}, {}

    def items(self, dataset: str | None = None) -> dict[str, TableListItem]:
        """Tables and views of a dataset, of the usual one by default; by their name."""
        name = dataset or self._tables.path.dataset
        if name not in self._items:
            listed = self._tables.client.list_tables(
                f"{self._tables.path.project}.{name}", retry=self._tables.retry
            )
            self._items[name] = {item.table_id: item for item in listed}
        return self._items[name]

    def datasets(self) -> list[str]:
        client, project = self._tables.client, self._tables.path.project
        listed = client.list_datasets(project, retry=self._tables.retry)
        return [item.dataset_id for item in listed]

    def table(self, name: str) -> bigquery.Table | None:
        """A table or view of the usual dataset with its columns; None: it is gone."""
        if name not in self._found:
            try:
                self._found[name] = self._tables.client.get_table(
                    f"{self._tables.path}.{name}", retry=self._tables.retry
                )
            except GoogleAPICallError:
                self._found[name] = None
        return self._found[name]

    def named_in(self, sql: str) -> list[bigquery.Table]:
        """The tables that a statement names."""
        known = self.items()
        return self.tables(name for name in dict.fromkeys(names(sql)) if name in known)

    def tables(self, wanted: Iterable[str]) -> list[bigquery.Table]:
        """Tables with their columns, several asked for at a time."""
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            return [table for table in pool.map(self.table, wanted) if table]
