"""The BigQuery dataset that holds the tables, as the steps of the graph write to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.appends import Table, append
from pipeline.inserts import Insert, Rejected, connect, insert, table_threads
from pipeline.loads import Loaded, Spooled, load, occupied
from pipeline.registry import Dataset, load_registry


class Warehouse(NamedTuple):
    """A dataset of a project; several of its tables are written at a time."""

    project: str
    dataset: str

    def insert(self, tables: dict[str, list[Insert]]) -> dict[str, list[Rejected]]:
        """Inserts rows into tables, by name; returns the refused ones."""
        client = connect(self.project)
        answers = {
            table: table_threads().submit(
                insert, client, f"{self._place}.{table}", rows
            )
            for table, rows in tables.items()
        }
        return {table: answer.result() for table, answer in answers.items()}

    def append(
        self, tables: dict[str, list[Insert]], *, exactly_once: bool = False
    ) -> dict[str, list[Rejected]]:
        """Appends rows to the tables of datasets, as `insert` does by another API."""
        by_table = {dataset.table: dataset for dataset in load_registry().values()}
        answers = {
            table: table_threads().submit(
                append,
                Table((self.project, self.dataset), by_table[table]),
                rows,
                exactly_once=exactly_once,
            )
            for table, rows in tables.items()
        }
        return {table: answer.result() for table, answer in answers.items()}

    def load(
        self, spooled: Mapping[Dataset, Sequence[Spooled]]
    ) -> Iterator[tuple[Dataset, Loaded]]:
        """Loads files into the tables of their datasets; gives what became of each."""
        client = connect(self.project)
        busy = occupied(client, self._place, spooled)
        answers = {
            dataset: table_threads().submit(
                load, client, self._place, dataset, files, occupied=dataset in busy
            )
            for dataset, files in spooled.items()
        }
        for dataset, answer in answers.items():
            yield dataset, answer.result()

    @property
    def _place(self) -> str:
        return f"{self.project}.{self.dataset}"
