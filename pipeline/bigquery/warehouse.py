"""The BigQuery dataset that holds the tables, as the steps of the graph write to it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.bigquery.appends import Table, append
from pipeline.bigquery.client import connect
from pipeline.bigquery.inserts import Insert, Rejected, insert, table_threads
from pipeline.bigquery.loads import Loaded, Spooled, load, occupied
from pipeline.registry import Dataset, load_registry


class Warehouse(NamedTuple):
    """A dataset of a project; several of its tables are written at a time."""

    project: str
    dataset: str

    def insert(self, tables: dict[str, list[Insert]]) -> dict[str, list[Rejected]]:
        """Inserts rows into tables, by name; returns the refused ones."""
        client = connect(self.project)
        return _at_once(
            tables,
            lambda table, rows: insert(client, f"{self._place}.{table}", rows),
        )

    def append(
        self, tables: dict[str, list[Insert]], *, exactly_once: bool = False
    ) -> dict[str, list[Rejected]]:
        """Appends rows to the tables of datasets, as `insert` does by another API."""
        place = (self.project, self.dataset)
        return _at_once(
            tables,
            lambda table, rows: append(
                Table(place, _datasets()[table]), rows, exactly_once=exactly_once
            ),
        )

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


def _at_once(
    tables: dict[str, list[Insert]],
    write: Callable[[str, list[Insert]], list[Rejected]],
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
