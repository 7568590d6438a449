"""Queries: statements for BigQuery, and the errors of one that does not answer."""

import datetime as dt
from collections.abc import Mapping, Sequence

from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.cloud import bigquery
from requests.exceptions import RequestException

REFUSALS = (GoogleAPICallError, RetryError, RequestException)

Parameter = str | dt.date | dt.datetime | Sequence[str]


def rows(
    client: bigquery.Client, sql: str, **parameters: Parameter
) -> list[bigquery.Row]:
    """The rows of a query, computed now and not taken from BigQuery's cache.

    Raises:
        google.api_core.exceptions.GoogleAPIError, requests.RequestException: BigQuery
            refuses, or cannot be reached (`REFUSALS`).
    """
    job = bigquery.QueryJobConfig(query_parameters=_typed(parameters))
    job.use_query_cache = False
    return list(client.query_and_wait(sql, job_config=job))


def read_bytes(client: bigquery.Client, sql: str, **parameters: Parameter) -> int:
    """What a query would read, by BigQuery; it is not run.

    Raises:
        google.api_core.exceptions.GoogleAPIError, requests.RequestException: BigQuery
            refuses, or cannot be reached (`REFUSALS`).
    """
    job = bigquery.QueryJobConfig(query_parameters=_typed(parameters), dry_run=True)
    job.use_query_cache = False
    return int(client.query(sql, job_config=job).total_bytes_processed or 0)


def execute(client: bigquery.Client, sql: str, **parameters: Parameter) -> None:
    """Runs a statement that changes rows, to its end.

    Raises:
        google.api_core.exceptions.GoogleAPIError, requests.RequestException: BigQuery
            refuses, or cannot be reached (`REFUSALS`).
    """
    job = bigquery.QueryJobConfig(query_parameters=_typed(parameters))
    client.query(sql, job_config=job).result()


def _typed(
    parameters: Mapping[str, Parameter],
) -> list[bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter]:
    return [_parameter(name, value) for name, value in parameters.items()]


def _parameter(
    name: str, value: Parameter
) -> bigquery.ScalarQueryParameter | bigquery.ArrayQueryParameter:
    if isinstance(value, str):
        return bigquery.ScalarQueryParameter(name, "STRING", value)
    if isinstance(value, dt.datetime):  # before date, since it is one, too
        return bigquery.ScalarQueryParameter(name, "TIMESTAMP", value)
    if isinstance(value, dt.date):
        return bigquery.ScalarQueryParameter(name, "DATE", value)
    return bigquery.ArrayQueryParameter(name, "STRING", list(value))
