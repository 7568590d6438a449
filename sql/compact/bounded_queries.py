"""Queries that never read more than their estimate."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from google.cloud import bigquery

# An estimate is one short request.
PARALLEL_REQUESTS = 8
# A query is billed by the MiB, at least 10 MiB (BigQuery's price list); a lower limit
# is refused.
MEBIBYTE = 2**20
LEAST_BILLED_BYTES = 10 * MEBIBYTE


def billed_bytes(processed_bytes: int) -> int:
    """What a query that processes this many bytes is billed for, at most."""
    rounded = -(-processed_bytes // MEBIBYTE) * MEBIBYTE
    return max(rounded, LEAST_BILLED_BYTES)


def estimate(client: bigquery.Client, statements: Sequence[str]) -> list[int]:
    """The bytes that each statement would process, by BigQuery; runs none of them."""
    config = bigquery.QueryJobConfig(dry_run=True)
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as threads:
        jobs = threads.map(
            lambda text: client.query(text, job_config=config), statements
        )
        return [int(job.total_bytes_processed or 0) for job in jobs]


def ask(
    client: bigquery.Client, statement: str, estimated_bytes: int
) -> bigquery.QueryJob:
    """Runs a statement; BigQuery refuses it if it exceeds its estimate."""
    config = bigquery.QueryJobConfig(
        maximum_bytes_billed=billed_bytes(estimated_bytes), use_query_cache=False
    )
    job = client.query(statement, job_config=config)
    job.result()
    return job
