"""Reconciliation: which messages are in BigQuery already."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery

from bridge.envelope import UNKNOWN_DATASET
from bridge.warehouse import connect
from command.tables_path import TablesPath
from command.text import one_line
from command.usage import UsageError

# A dataset name is data until it matches this; only then does it name a table.
DATASET_PATTERN = re.compile(r"[A-Za-z0-9_]{1,60}", re.ASCII)

# The table of a dataset.
TABLE_PATTERN = re.compile(r"bmrs_([a-z0-9_]+)_iris", re.ASCII)
# Where messages are that are not rows of their dataset's own table.
SHARED_TABLES = ("iris_dead_letters", "iris_unmapped")
PAGE_ROWS = 50_000
FAILURES = (GoogleAPIError, GoogleAuthError, OSError)
# The client's default of ten minutes is long for a wrong address.
RETRY = bigquery.DEFAULT_RETRY.with_timeout(60.0)


class TablesError(Exception):
    """BigQuery does not answer; the text is one line."""


def own_query(path: TablesPath, dataset: str) -> str | None:
    """The query for ids from @first to @last in the table of one dataset.

    None if the dataset's name cannot be the name of a table.
    """
    if not DATASET_PATTERN.fullmatch(dataset):
        return None
    return (
        "SELECT DISTINCT message_id "  # noqa: S608 - checked name
        f"FROM `{path}.bmrs_{dataset.lower()}_iris` "
        "WHERE message_id BETWEEN @first AND @last"
    )


def shared_queries(path: TablesPath) -> Iterator[str]:
    """The queries for ids from @first to @last in the tables of all datasets."""
    for name in SHARED_TABLES:
        yield (
            "SELECT DISTINCT dataset, message_id "  # noqa: S608 - our own names
            f"FROM `{path}.{name}` "
            "WHERE message_id BETWEEN @first AND @last"
        )


class Lookup:
    """Looks for messages in BigQuery; a table that does not exist has none."""

    def __init__(self, path: TablesPath) -> None:
        """Creates the client.

        Raises:
            UsageError: There are no Google credentials.
        """
        self._path = path
        self._client = connect(path)

    def remove_known(self, listed: Mapping[str, set[str]]) -> None:
        """Removes from `listed` what the tables have, with one scan of each table.

        Args:
            listed: Ids by dataset; missing messages stay.

        Raises:
            TablesError: BigQuery does not answer.
        """
        everything = [end for ids in listed.values() if ids for end in _ends(ids)]
        if not everything:
            return
        for dataset, ids in listed.items():
            query = own_query(self._path, dataset)
            if ids and query:
                for row in self._rows(query, *_ends(ids)):
                    ids.discard(row["message_id"])
        nameless = listed.get(UNKNOWN_DATASET, set())
        if nameless:
            self._remove_known_anywhere(nameless)
        for query in shared_queries(self._path):
            for row in self._rows(query, *_ends(everything)):
                listed.get(row["dataset"], set()).discard(row["message_id"])
                nameless.discard(row["message_id"])

    def _remove_known_anywhere(self, ids: set[str]) -> None:
        """Removes messages without a subject: their rows are where their records say.

        Such messages are rare; each table is asked.
        """
        for table in self._tables():
            query = own_query(self._path, table)
            if ids and query:
                for row in self._rows(query, *_ends(ids)):
                    ids.discard(row["message_id"])

    def _tables(self) -> list[str]:
        """The datasets that have a table, in lower case."""
        try:
            tables = [
                each.table_id for each in self._client.list_tables(str(self._path))
            ]
        except NotFound:
            return []
        except FAILURES as error:
            raise TablesError(_text(error)) from None
        return [found[1] for each in tables if (found := TABLE_PATTERN.fullmatch(each))]

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
            raise TablesError(_text(error)) from None

    def check(self) -> None:
        """Makes sure that the BigQuery dataset exists.

        Raises:
            UsageError: It does not.
            TablesError: BigQuery does not answer.
        """
        try:
            self._client.get_dataset(str(self._path), retry=RETRY)
        except NotFound:
            raise UsageError(
                f"{self._path} does not exist: name the project and the BigQuery "
                "dataset of the tables with --project and --dataset"
            ) from None
        except FAILURES as error:
            raise TablesError(_text(error)) from None


def _text(error: Exception) -> str:
    return f"BigQuery does not answer: {one_line(error)}"


def _ends(ids: Collection[str]) -> tuple[str, str]:
    """The first and the last in the order of UTF-8, which is BigQuery's."""
    return min(ids, key=str.encode), max(ids, key=str.encode)
