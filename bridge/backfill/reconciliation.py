"""Reconciliation: which messages of a dataset have left a trace in BigQuery."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from bridge.warehouse import connect
from command.tables_path import TablesPath
from command.text import one_line
from command.usage import UsageError

# A dataset name is data until it matches this; only then does it name a table.
DATASET_PATTERN = re.compile(r"[A-Za-z0-9_]{1,60}", re.ASCII)

# Where messages go that become no row of their dataset's own table.
SHARED_TABLES = ("iris_dead_letters", "iris_unmapped")
PAGE_ROWS = 50_000
FAILURES = (GoogleAPIError, GoogleAuthError, OSError)
# The client's own ten minutes are long for a wrong address.
RETRY = bigquery.DEFAULT_RETRY.with_timeout(60.0)


class TablesError(Exception):
    """BigQuery does not answer; the text is one line."""


@dataclass(frozen=True)
class Tables:
    """The tables that the pipeline writes to."""

    path: TablesPath

    def own_query(self, dataset: str) -> str | None:
        """Asks a dataset's own table for ids from @first to @last.

        None for a name that can name no table.
        """
        if not DATASET_PATTERN.fullmatch(dataset):
            return None
        table = self._table(f"bmrs_{dataset.lower()}_iris")
        return (
            f"SELECT DISTINCT message_id FROM {table} "  # noqa: S608 - checked name
            "WHERE message_id BETWEEN @first AND @last"
        )

    def shared_queries(self) -> Iterator[str]:
        """Asks the tables of all datasets for names from @first to @last."""
        for name in SHARED_TABLES:
            yield (
                "SELECT DISTINCT dataset, message_id "  # noqa: S608 - our own names
                f"FROM {self._table(name)} "
                "WHERE message_id BETWEEN @first AND @last"
            )

    def _table(self, name: str) -> str:
        return f"`{self.path}.{name}`"


class Lookup:
    """Asks BigQuery; a table that does not exist has no messages."""

    def __init__(self, tables: Tables) -> None:
        """Makes the client.

        Raises:
            UsageError: There are no Google credentials.
        """
        self._tables = tables
        self._client = connect(tables.path)

    def remove_known(self, listed: Mapping[str, set[str]]) -> None:
        """Takes out of `listed` what the tables have: one scan for each table.

        Args:
            listed: Ids by dataset; what is missing stays.

        Raises:
            TablesError: BigQuery does not answer.
        """
        everything = [end for ids in listed.values() if ids for end in _ends(ids)]
        if not everything:
            return
        for dataset, ids in listed.items():
            query = self._tables.own_query(dataset)
            if ids and query:
                for row in self._rows(query, *_ends(ids)):
                    ids.discard(row["message_id"])
        for query in self._tables.shared_queries():
            for row in self._rows(query, *_ends(everything)):
                listed.get(row["dataset"], set()).discard(row["message_id"])

    def _rows(self, query: str, first: str, last: str) -> Iterator[Any]:
        config = bigquery.QueryJobConfig(
            query_parameters=[
                bigquery.ScalarQueryParameter("first", "STRING", first),
                bigquery.ScalarQueryParameter("last", "STRING", last),
            ]
        )
        try:
            rows = self._client.query(query, job_config=config)
            yield from rows.result(page_size=PAGE_ROWS)
        except NotFound:
            return
        except FAILURES as error:
            raise TablesError(_told(error)) from None

    def check(self) -> None:
        """Makes sure that the BigQuery dataset is there.

        Raises:
            UsageError: It is not.
            TablesError: BigQuery does not answer.
        """
        name = self._tables.path
        try:
            self._client.get_dataset(str(name), retry=RETRY)
        except NotFound:
            raise UsageError(
                f"{name} does not exist: --project and --dataset name the tables"
            ) from None
        except FAILURES as error:
            raise TablesError(_told(error)) from None


def _told(error: Exception) -> str:
    return f"BigQuery does not answer: {one_line(error)}"


def _ends(ids: Collection[str]) -> tuple[str, str]:
    """The first and the last in the order of UTF-8, which is BigQuery's."""
    return min(ids, key=str.encode), max(ids, key=str.encode)
