"""Rows to a data frame: `read` beside `client.query(...).to_dataframe()`."""

import time
from collections.abc import Callable, Iterator
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import grpc
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)

from benchmarks.measurement import Measurement, Target
from benchmarks.warehouse import serving
from gb_iris import read

ROWS = 200_000
TURNS = 3
DATASET = "reading"
TABLE = "bmrs_fuelinst_iris"
FILL = f"""
INSERT INTO {DATASET}.{TABLE} (
  dataset, publishTime, startTime, settlementDate, settlementPeriod, fuelType,
  generation
)
SELECT
  'FUELINST', TIMESTAMP_ADD(start_utc, INTERVAL 5 MINUTE), start_utc, DATE(start_utc),
  1 + MOD(DIV(number, 120), 48), CONCAT('FUEL-', CAST(MOD(number, 20) AS STRING)),
  IF(MOD(number, 50) = 0, NULL, MOD(number, 9000))
FROM (
  SELECT
    number,
    TIMESTAMP_ADD(
      TIMESTAMP '2026-01-01 00:00:00+00', INTERVAL 5 * DIV(number, 20) MINUTE
    ) AS start_utc
  FROM UNNEST(GENERATE_ARRAY(0, {{rows}} - 1)) AS number
)
"""
COLUMNS = ("startTime", "settlementDate", "fuelType", "generation")
STATEMENT = f"SELECT {', '.join(COLUMNS)} FROM {DATASET}.{TABLE}"


def measure(scale: float) -> Iterator[Measurement]:
    """The same rows by `read`, and by Google's client in its two ways."""
    rows = max(1_000, int(ROWS * scale))
    with (
        TemporaryDirectory(prefix="gb-iris-bench-") as work,
        serving(Path(work)) as warehouse,
        warehouse.tables(DATASET, [TABLE]),
        patch.dict(environ, warehouse.environment),
    ):
        warehouse.client.query_and_wait(FILL.format(rows=rows))
        yield from _measured(warehouse.client, _storage(warehouse.grpc_port), rows)


def _measured(
    client: bigquery.Client, storage: BigQueryReadClient, rows: int
) -> Iterator[Measurement]:
    ours, by_rest, by_storage = _best_seconds(
        rows,
        lambda: len(read(TABLE, dataset=DATASET, columns=COLUMNS)),
        lambda: len(
            client.query(STATEMENT).to_dataframe(create_bqstorage_client=False)
        ),
        lambda: len(client.query(STATEMENT).to_dataframe(storage)),
    )
    for way, seconds, target, meaning in (
        ("REST", by_rest, Target(4), "what streaming by Arrow brings"),
        (
            "the Storage API",
            by_storage,
            Target(0.7),
            "what types and order cost where Arrow is used already",
        ),
    ):
        yield Measurement(
            f"read {rows:,} rows, beside {way}",
            rows / ours,
            "rows/s",
            f"client.query().to_dataframe() by {way}",
            rows / seconds,
            target,
            meaning,
        )


def _best_seconds(rows: int, *sides: Callable[[], int]) -> list[float]:
    """The best time of each side; they take turns on a busy machine."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(TURNS):
        for taken, side in zip(times, sides, strict=True):
            started = time.monotonic()
            if (found := side()) != rows:
                raise AssertionError(f"{found} rows instead of {rows}")
            taken.append(time.monotonic() - started)
    return [min(taken) for taken in times]


def _storage(port: int) -> BigQueryReadClient:
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    return BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
