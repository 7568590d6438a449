"""The warehouse: BigQuery, as the tiles ask it. It only reads."""

import datetime as dt
import functools
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from google.api_core.retry import Retry
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY
from google.cloud.bigquery.table import RowIterator
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from command.tables_path import TablesPath
from dashboard.budget import Budget
from gb_iris.failure import in_one_line
from gb_iris.relation import Relation, relation

FOLDER = Path(__file__).with_name("sql")
# Nobody waits longer for a picture; a server that was stopped answers nothing at all.
QUERY_SECONDS = 45.0
# Of a file: a page of them is in memory.
PAGE_ROWS = 20_000
RETRY_SECONDS = 20.0


class Rows(NamedTuple):
    """The answer of a query.

    Attributes:
        rows: By column; times are aware, decimals are floats.
        billed_bytes: What a project pays for; 0 on this machine.
        seconds: How long it took.
        sql: The statement, if the tile shows it.
    """

    rows: list[dict[str, Any]]
    billed_bytes: int
    seconds: float
    sql: str = ""


class Warehouse:
    """The tables of one place, asked from several threads.

    Attributes:
        path: Where the tables are.
        is_local: Whether they are on this machine: nothing is billed.
        queries: How many were sent.
        budget: Of a project; None on this machine.
    """

    def __init__(
        self,
        client: bigquery.Client,
        path: TablesPath,
        *,
        is_local: bool,
        budget: Budget | None = None,
    ) -> None:
        self.path = path
        self.is_local = is_local
        self.budget = budget
        self.queries = 0
        self._client = client
        self._retry: Retry | None = (
            None if is_local else DEFAULT_RETRY.with_timeout(RETRY_SECONDS)
        )

    def ask(self, sql: str, parameters: Mapping[str, Any]) -> Rows:
        """Runs a statement.

        Args:
            sql: A template, see `fill`.
            parameters: By name.

        Raises:
            ReadError: BigQuery refuses, or does not answer.
        """
        config = bigquery.QueryJobConfig(
            query_parameters=[parameter(*item) for item in parameters.items()]
        )
        found, billed, seconds = self.run(self.fill(sql), config)
        rows = [{name: plain(row[name]) for name in row.keys()} for row in found]  # noqa: SIM118 - a row iterates over its values
        return Rows(rows, billed, seconds)

    def run(
        self, statement: str, config: bigquery.QueryJobConfig
    ) -> tuple[list[bigquery.Row], int, float]:
        """Runs a statement; returns rows, bytes billed, and seconds.

        Raises:
            ReadError: BigQuery refuses, or does not answer.
        """
        started = time.monotonic()
        with in_one_line():
            found = self._send(statement, config)
            rows = list(found)
        return rows, self._billed(found), time.monotonic() - started

    def batches(self, statement: str, config: bigquery.QueryJobConfig) -> Iterator[Any]:
        """The rows of a statement, in batches of Arrow.

        Raises:
            ReadError: BigQuery refuses, or does not answer.
        """
        with in_one_line():
            found = self._send(statement, config, page_size=PAGE_ROWS)
            self._billed(found)
            # By REST: the service's account may not open sessions of the other API.
            yield from found.to_arrow_iterable(bqstorage_client=None)

    def _send(
        self, statement: str, config: bigquery.QueryJobConfig, **options: Any
    ) -> RowIterator:
        self.queries += 1
        if self.budget:
            config.maximum_bytes_billed = self.budget.query_bytes
        return self._client.query_and_wait(
            statement,
            job_config=config,
            retry=self._retry,
            job_retry=None,
            api_timeout=QUERY_SECONDS,
            wait_timeout=QUERY_SECONDS,
            **options,
        )

    def _billed(self, found: RowIterator) -> int:
        """Counts what a query was billed, which only its job says.

        It is 10 MB a table at least; nothing where BigQuery had the answer.
        """
        if not self.budget or not found.job_id:
            return 0
        with in_one_line():
            job = self._client.get_job(
                found.job_id, location=found.location, retry=self._retry
            )
        billed = int(job.total_bytes_billed or 0)
        self.budget.add(billed)
        return billed

    def relation(self, name: str) -> Relation:
        """The view with the latest rows of a dataset.

        Raises:
            UsageError: It does not exist.
            ReadError: BigQuery refuses, or does not answer.
        """
        with in_one_line():
            given = {"retry": self._retry, "timeout": QUERY_SECONDS}
            return relation(self._client, self.path, name, "latest", given)

    def tables(self) -> list[Any]:
        """All tables and views, without their columns.

        Raises:
            ReadError: BigQuery refuses, or does not answer.
        """
        with in_one_line():
            return list(
                self._client.list_tables(
                    str(self.path), retry=self._retry, timeout=QUERY_SECONDS
                )
            )

    def fill(self, sql: str, **values: Any) -> str:
        """The SQL of a template: a file in `sql/`, with the names of this place."""
        return _environment().get_template(sql).render(of=self._quoted, **values)

    def _quoted(self, name: str) -> str:
        return f"`{self.path}.{name}`"


def parameter(
    name: str, value: Any
) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    """A query parameter with the type of its value."""
    if isinstance(value, (list, tuple)):
        kind = _kind(value[0]) if value else "STRING"
        return bigquery.ArrayQueryParameter(name, kind, list(value))
    return bigquery.ScalarQueryParameter(name, _kind(value), value)


def _kind(value: Any) -> str:
    for python, kind in (
        (bool, "BOOL"),
        (int, "INT64"),
        (float, "FLOAT64"),
        (dt.datetime, "TIMESTAMP"),
        (dt.date, "DATE"),
    ):
        if isinstance(value, python):
            return kind
    return "STRING"


def plain(value: Any) -> Any:
    """A value as JSON can have it, but for times."""
    return float(value) if isinstance(value, Decimal) else value


@functools.cache
def _environment() -> Environment:
    # It makes SQL, not HTML: a browser never reads it.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(FOLDER), undefined=StrictUndefined
    )
