"""The warehouse: the BigQuery dataset of the tables, as the steps write to it."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from command.tables_path import TablesPath
from pipeline.bigquery import load_locks
from pipeline.bigquery.appends import Table, append
from pipeline.bigquery.client import connect
from pipeline.bigquery.inserts import Rejected, Row, Tables, insert, table_threads
from pipeline.bigquery.loads import Loaded, Spooled, filled_datasets, load
from pipeline.registry import Dataset, load_registry


class Warehouse(NamedTuple):
    """A dataset of a project; several of its tables are written at a time.

    Attributes:
        project: The project.
        dataset: The BigQuery dataset.
        limit_seconds: How long a request for rows is repeated before its table waits.
    """

    project: str
    dataset: str
    limit_seconds: float = math.inf

    def insert(self, tables: Tables) -> dict[str, list[Rejected]]:
        """Inserts rows into tables, by name; returns those that are not stored."""
        client = connect(self.project)
        return _at_once(
            tables,
            lambda table, rows: insert(
                client, f"{self._path}.{table}", rows, self.limit_seconds
            ),
        )

    def append(
        self, tables: Tables, *, exactly_once: bool = False
    ) -> dict[str, list[Rejected]]:
        """Appends rows to the tables of datasets through the Storage Write API."""
        return _at_once(
            tables,
            lambda table, rows: append(
                Table(self._path, _datasets()[table]),
                rows,
                exactly_once=exactly_once,
                limit_seconds=self.limit_seconds,
            ),
        )

    def load(
        self, spooled: Mapping[Dataset, Sequence[Spooled]]
    ) -> Iterator[tuple[Dataset, Loaded]]:
        """Loads files into the tables of their datasets; yields each one's outcome."""
        names = [f"{self._path}.{dataset.table}" for dataset in spooled]
        with load_locks.loading(names):
            yield from self._load(spooled)

    def _load(
        self, spooled: Mapping[Dataset, Sequence[Spooled]]
    ) -> Iterator[tuple[Dataset, Loaded]]:
        client, limit_seconds = connect(self.project), self.limit_seconds
        filled = filled_datasets(client, self._path, spooled, limit_seconds)
        answers = {
            dataset: table_threads().submit(
                load,
                client,
                self._path,
                dataset,
                files,
                is_filled=dataset in filled,
                limit_seconds=limit_seconds,
            )
            for dataset, files in spooled.items()
        }
        for dataset, answer in answers.items():
            yield dataset, answer.result()

    @property
    def _path(self) -> TablesPath:
        return TablesPath(self.project, self.dataset)


def _at_once(
    tables: Tables,
    write: Callable[[str, Sequence[Row]], list[Rejected]],
) -> dict[str, list[Rejected]]:
    """Writes several tables at a time; returns the refused rows of each."""
    answers = {
        table: table_threads().submit(write, table, rows)
        for table, rows in tables.items()
    }
    return {table: answer.result() for table, answer in answers.items()}


@functools.cache
def _datasets() -> dict[str, Dataset]:
    """The datasets of the registry by their tables."""
    return {dataset.table: dataset for dataset in load_registry().values()}
