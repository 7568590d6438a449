"""A local BigQuery for one measurement, with empty tables."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from google.cloud import bigquery

from local.bigquery import emulator
from local.data_folder import DataFolder
from pipeline.registry import load_registry
from sql.apply import apply_tables
from sql.tables import all_tables


class Warehouse(NamedTuple):
    """A local BigQuery that runs.

    Attributes:
        client: A client of it.
        host: Its address, `http://HOST:PORT`.
        grpc_port: The port of its Storage APIs.
    """

    client: bigquery.Client
    host: str
    grpc_port: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a program at it."""
        return {
            "BIGQUERY_EMULATOR_HOST": self.host,
            "BIGQUERY_GRPC_PORT": str(self.grpc_port),
        }

    @contextmanager
    def tables(self, dataset: str, names: Sequence[str] = ()) -> Iterator[str]:
        """A dataset of empty tables: those of the names, or all of the product's."""
        wanted = [
            table
            for table in all_tables(load_registry())
            if not names or table.name in names
        ]
        apply_tables(self.client, dataset, wanted, "EU")
        try:
            yield f"{self.client.project}.{dataset}"
        finally:
            # Full tables would slow the next run down.
            self.client.delete_dataset(dataset, delete_contents=True)


@contextmanager
def serving(work: Path) -> Iterator[Warehouse]:
    """Starts a local BigQuery, and stops it however the measurement ends."""
    server = emulator.start(DataFolder(work / "warehouse"))
    try:
        asyncio.run(server.ready())
        client = emulator.connect(server.host, dataset=None)
        yield Warehouse(client, server.host, server.grpc_port)
    finally:
        asyncio.run(server.child.stop(emulator.STOP_SECONDS))
