"""Queries: statements for BigQuery, and what it means when it does not answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.cloud import bigquery
from requests.exceptions import RequestException

REFUSALS = (GoogleAPICallError, RetryError, RequestException)
_TYPES = {str: "STRING", dt.date: "DATE", dt.datetime: "TIMESTAMP"}

Parameter = str | dt.date | dt.datetime | Sequence[str]


def rows(client: bigquery.Client, sql: str, **parameters: Parameter) -> list[Any]:
    """The rows of a query as things are now, whatever was asked before.

    Raises:
        google.api_core.exceptions.GoogleAPIError, requests.RequestException: BigQuery
            refuses, or cannot be reached (`REFUSALS`).
    """
    job = bigquery.QueryJobConfig(query_parameters=_typed(parameters))
    job.use_query_cache = False
    return list(client.query_and_wait(sql, job_config=job))


def execute(client: bigquery.Client, sql: str, **parameters: Parameter) -> None:
    """Runs a statement that changes rows, to its end.

    Raises:
        google.api_core.exceptions.GoogleAPIError, requests.RequestException: BigQuery
            refuses, or cannot be reached (`REFUSALS`).
    """
    job = bigquery.QueryJobConfig(query_parameters=_typed(parameters))
    client.query(sql, job_config=job).result()


def _typed(parameters: dict[str, Parameter]) -> list[Any]:
    return [
        bigquery.ScalarQueryParameter(name, _TYPES[type(value)], value)
        if isinstance(value, str | dt.date)
        else bigquery.ArrayQueryParameter(name, "STRING", list(value))
        for name, value in parameters.items()
    ]
