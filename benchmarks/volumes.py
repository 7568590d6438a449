"""The cost of accepted volumes: some days of all units, beside a scan of their rows."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from google.cloud import bigquery

from benchmarks.measurement import Measurement, Target
from benchmarks.views import best_seconds
from benchmarks.warehouse import serving
from pipeline.registry import Registry, load_registry
from sql.apply import apply_views
from sql.tables import REFERENCE_UNITS

# A day of all units of Great Britain is 60,000 rows of PN, 250,000 of BOD and 10,000
# of BOALF.
UNITS = 1_250
DAYS = (1, 4, 16)
FIRST_DAY = date(2026, 4, 20)
OF_A_SCAN = Target(10, at_most=True)
# A day of many must not cost more than a day alone.
OF_ONE_DAY = Target(1.15, at_most=True)

HALF_HOURS = """
SELECT
  unit,
  half_hour,
  TIMESTAMP_ADD(TIMESTAMP(@day, 'Europe/London'), INTERVAL 30 * half_hour MINUTE)
    AS start_utc
FROM UNNEST(GENERATE_ARRAY(0, @units - 1)) AS unit
CROSS JOIN UNNEST(GENERATE_ARRAY(0, 47)) AS half_hour
"""
# Four pairs, and a fifth of every sixth unit.
PAIRS = f"""
SELECT * FROM ({HALF_HOURS})
CROSS JOIN UNNEST([-2, -1, 1, 2, 3]) AS pair
WHERE pair < 3 OR MOD(unit, 6) = 0
"""
# Acceptances of every fourth unit: up, on, down. Some go on in the next half-hour, and
# some overlap the one before.
SEGMENTS = f"""
SELECT
  *,
  TIMESTAMP_ADD(start_utc, INTERVAL MOD(unit, 25) + offsets[part] MINUTE) AS begin_utc,
  TIMESTAMP_ADD(start_utc, INTERVAL MOD(unit, 25) + offsets[part + 1] MINUTE) AS end_utc
FROM (SELECT *, [0, 4, 26, 31] AS offsets FROM ({HALF_HOURS}))
CROSS JOIN UNNEST([0, 1, 2]) AS part
WHERE MOD(unit, 4) = 0 AND MOD(half_hour + unit, 9) IN (0, 1)
"""
UNIT = "CONCAT('T_UNIT-', CAST(unit AS STRING))"
SHARED = {
    "settlementDate": "@day",
    "nationalGridBmUnit": UNIT,
    "bmUnit": UNIT,
    "source": "'IRIS'",
    "enqueued_utc": "start_utc",
    "ingested_utc": "start_utc",
}
OF_HALF_HOUR = SHARED | {
    "settlementPeriod": "half_hour + 1",
    "timeFrom": "start_utc",
    "timeTo": "TIMESTAMP_ADD(start_utc, INTERVAL 30 MINUTE)",
    "message_id": "CONCAT('message-', CAST(half_hour AS STRING))",
}
ROWS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "PN": (
        HALF_HOURS,
        OF_HALF_HOUR
        | {
            "levelFrom": "100 + MOD(half_hour, 7)",
            "levelTo": "100 + MOD(half_hour + 1, 7)",
            "record_id": "CONCAT('PN', CAST(@day AS STRING), ' ', "
            "CAST(1000 * unit + half_hour AS STRING))",
        },
    ),
    "BOD": (
        PAIRS,
        OF_HALF_HOUR
        | {
            "pairId": "pair",
            "levelFrom": "20 * pair",
            "levelTo": "20 * pair",
            "offer": "80.0 + 10 * pair",
            "bid": "70.0 + 10 * pair",
            "record_id": "CONCAT('BOD', CAST(@day AS STRING), ' ', "
            "CAST(100000 * unit + 100 * half_hour + pair AS STRING))",
        },
    ),
    "BOALF": (
        SEGMENTS,
        SHARED
        | {
            "settlementDate": "DATE(begin_utc, 'Europe/London')",
            "settlementPeriodFrom": "half_hour + 1",
            "settlementPeriodTo": "half_hour + 1",
            "timeFrom": "begin_utc",
            "timeTo": "end_utc",
            "levelFrom": "[100, 145, 145][part]",
            "levelTo": "[145, 145, 90][part]",
            "acceptanceNumber": "half_hour",
            "acceptanceTime": "start_utc",
            "amendmentFlag": "'ORI'",
            "message_id": "CONCAT('message-', CAST(half_hour AS STRING))",
            "record_id": "CONCAT('BOALF', CAST(@day AS STRING), ' ', "
            "CAST(1000 * unit + 10 * half_hour + part AS STRING))",
        },
    ),
}
# Every column that the function reads in all three tables.
READ = (
    "COUNT(*) AS row_count, TO_JSON_STRING(STRUCT(MIN(timeFrom), MAX(timeTo), "
    "SUM(levelFrom), SUM(levelTo), MAX(bmUnit), MAX(source), MAX(message_id), "
    "MAX(record_id), MAX(enqueued_utc), MAX(ingested_utc))) AS totals"
)


def measure(scale: float) -> Iterator[Measurement]:
    """Some days of many, each time beside a scan of their rows, and beside one day."""
    registry = load_registry()
    known = Registry([registry[name] for name in ROWS])
    names = [REFERENCE_UNITS.name, *(dataset.table for dataset in known.values())]
    units = max(50, round(UNITS * scale))
    with (
        TemporaryDirectory(prefix="gb-iris-bench-") as work,
        serving(Path(work)) as warehouse,
        warehouse.tables("volumes", names) as path,
    ):
        apply_views(warehouse.client, "volumes", known)
        for number in range(max(DAYS)):
            day = FIRST_DAY + timedelta(days=number)
            for name, dataset in known.items():
                _fill(warehouse.client, f"{path}.{dataset.table}", name, day, units)
        alone = None
        for days in DAYS:
            one = _measured(warehouse.client, path, known, days)
            yield one
            if alone is not None:
                yield _beside(one, alone, days)
            alone = alone or one.value


def _fill(
    client: bigquery.Client, table: str, name: str, day: date, units: int
) -> None:
    rows, columns = ROWS[name]
    config = bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter("day", "DATE", day),
            bigquery.ScalarQueryParameter("units", "INT64", units),
        ]
    )
    statement = (
        f"INSERT INTO `{table}` ({', '.join(columns)}) "
        f"SELECT {', '.join(columns.values())} FROM ({rows})"
    )
    client.query_and_wait(statement, job_config=config)


def _measured(
    client: bigquery.Client, path: str, known: Registry, days: int
) -> Measurement:
    last = FIRST_DAY + timedelta(days=days - 1)
    scans = " UNION ALL ".join(
        f"SELECT settlementDate, nationalGridBmUnit, {READ} FROM `{path}.{d.table}` "
        f"WHERE settlementDate BETWEEN DATE '{FIRST_DAY}' AND DATE '{last}' "
        "GROUP BY 1, 2"
        for d in known.values()
    )
    begin, end = (
        f"TIMESTAMP(DATE '{day}', 'Europe/London')"
        for day in (FIRST_DAY, last + timedelta(days=1))
    )
    scan = f"SELECT SUM(row_count), COUNT(DISTINCT totals) FROM ({scans})"
    scanned, computed = best_seconds(
        client,
        scan,
        "SELECT COUNT(*), SUM(cashflow) FROM "
        f"`{path}.gb_acceptance_volumes_between`({begin}, {end})",
    )
    counted = next(iter(client.query_and_wait(scan)))
    return Measurement(
        f"accepted volumes, {days} of {max(DAYS)} days",
        1000 * computed,
        "ms",
        "an aggregate of the same columns and rows by day and unit",
        1000 * scanned,
        OF_A_SCAN,
        "how many times as long as a scan of the rows the volumes take",
        {"rows": counted[0]},
    )


def _beside(many: Measurement, alone: float, days: int) -> Measurement:
    return Measurement(
        f"accepted volumes, a day of {days}",
        many.value / days,
        "ms",
        "one day alone",
        alone,
        OF_ONE_DAY,
        "how many times as long as a day alone a day of many takes",
    )
