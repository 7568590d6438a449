"""Sources: what a tile asks when one statement of its own is not enough."""

import datetime as dt
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from google.cloud import bigquery

from dashboard.warehouse import Rows, Warehouse
from pipeline.registry import load_registry
from sql.check.context import Context

# Before any message of IRIS.
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _Answer:
    """What `Client.query` returns, as far as the checks use it."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def result(self, page_size: int | None = None) -> list[Any]:
        return self._rows


class Meter:
    """A client for the code of `sql check` and `sql drift`: it adds up what is billed.

    Args:
        warehouse: Where it asks.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self.billed_bytes, self.seconds = 0, 0.0
        self._warehouse = warehouse

    def query_and_wait(
        self, statement: str, job_config: bigquery.QueryJobConfig | None = None
    ) -> list[Any]:
        config = job_config or bigquery.QueryJobConfig()
        rows, billed, seconds = self._warehouse.run(statement, config)
        self.billed_bytes += billed
        self.seconds += seconds
        return rows

    def query(
        self, statement: str, job_config: bigquery.QueryJobConfig | None = None
    ) -> _Answer:
        return _Answer(self.query_and_wait(statement, job_config))

    def list_tables(self, dataset: str) -> Iterable[Any]:
        return self._warehouse.tables()

    def rows(self, found: Iterable[dict[str, Any]]) -> Rows:
        """The answer of a tile, with what it was billed."""
        return Rows(list(found), self.billed_bytes, self.seconds)


@dataclass(frozen=True, slots=True)
class Sources:
    """What tiles may ask.

    Attributes:
        warehouse: The tables.
        bridge_url: Where the bridge serves its health; empty if that is not known.
    """

    warehouse: Warehouse
    bridge_url: str = ""

    def context(self, meter: Meter, at: dt.datetime, days: int = 1) -> Context:
        """What the checks need, for some days before an instant."""
        names = frozenset(item.table_id for item in self.warehouse.tables())
        client = cast(bigquery.Client, meter)
        path = self.warehouse.path
        return Context(client, path, load_registry(), names, at, days, BEGINNING)

    def commands(self) -> Iterator[str]:
        """The variables that name this place for `make`."""
        if not self.warehouse.is_local:
            yield f"PROJECT={self.warehouse.path.project}"
            yield f"DATASET={self.warehouse.path.dataset}"

    @staticmethod
    def secret_expires() -> str:
        """The last day of the client secret, as the environment says."""
        return os.environ.get("IRIS_SECRET_EXPIRES", "")
