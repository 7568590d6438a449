"""The context that a check receives, and the results that it returns."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from google.cloud import bigquery

from command.tables_path import TablesPath
from pipeline.registry import Dataset, Registry
from sql.tables import LEDGER
from sql.templates import fill

_PARAMETER_TYPES = {dt.datetime: "TIMESTAMP", dt.date: "DATE", str: "STRING"}


class Status(StrEnum):
    """What a check found."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found in one dataset.

    Attributes:
        check: The check's name.
        dataset: The IRIS dataset; None if the result is about all of them.
        status: How bad it is.
        measured: The number that the check measured, if there is one.
        unit: What `measured` counts.
        detail: The text for a person.
        figures: More numbers, for programs.
    """

    check: str
    dataset: str | None
    status: Status
    measured: float | None
    unit: str
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What a check needs.

    Attributes:
        client: The BigQuery client.
        path: Where the tables are.
        registry: What is known of every dataset.
        tables: The tables and views that exist.
        at: The "now" of the check.
        days: How many settlement days completeness checks.
        since: Older dead letters and unmapped messages are ignored.
        answers: The rows of earlier queries, for checks that run the same query.
    """

    client: bigquery.Client
    path: TablesPath
    registry: Registry
    tables: frozenset[str]
    at: dt.datetime
    days: int
    since: dt.datetime
    answers: dict[Any, list[Any]] = field(default_factory=dict, repr=False)

    def present(self) -> list[Dataset]:
        """The datasets that have a table."""
        return [d for d in self.registry.values() if d.table in self.tables]

    def filled(self) -> list[Dataset]:
        """The datasets whose table has a row, so that statements stay short."""
        present = self.present()
        rows = self.query("row_counts.sql", datasets=present) if present else []
        counts = {row.dataset: row.row_count for row in rows}
        return [dataset for dataset in present if counts[dataset.name]]

    def begun(self) -> dt.datetime | None:
        """When the feed began: the first minute of the ledger; None if it is empty."""
        if LEDGER.name not in self.tables:
            return None
        [row] = self.query("begun.sql", table=LEDGER.name)
        begun: dt.datetime | None = row.begun_utc
        return begun

    def query(
        self,
        template: str,
        parameters: Mapping[str, dt.date | str] | None = None,
        **values: Any,
    ) -> list[Any]:
        """The rows of a statement; the same statement runs once.

        Args:
            template: Its file in `sql/check/`.
            parameters: The query's parameters.
            values: The variables of the template, besides the path.
        """
        statement = fill(f"check/{template}", path=self.path, **values)
        given = tuple((parameters or {}).items())
        if (statement, given) not in self.answers:
            typed = [
                bigquery.ScalarQueryParameter(name, _PARAMETER_TYPES[type(one)], one)
                for name, one in given
            ]
            job = bigquery.QueryJobConfig(query_parameters=typed)
            rows = self.client.query_and_wait(statement, job_config=job)
            self.answers[statement, given] = list(rows)
        return self.answers[statement, given]
