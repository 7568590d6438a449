"""The cost of views: one day through each view, beside one day of its table."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from google.cloud import bigquery

from benchmarks.measurement import Measurement, Target
from benchmarks.warehouse import serving
from command.tables_path import TablesPath
from pipeline.registry import Registry, load_registry
from sql.apply import apply_views
from sql.refresh.command import resolutions
from sql.tables import all_tables
from sql.templates import fill

ROWS, DAYS = 1_000_000, 20
FIRST_DAY = date(2026, 4, 20)
ASKED_DAY = FIRST_DAY + timedelta(days=DAYS // 2)
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
TURNS = 5
TARGET = Target(4, at_most=True)
BETWEEN_TARGET = Target(3, at_most=True)
# Twenty times as fast as to resolve all declarations at each question.
DEFINITION_TARGET = Target(1 / 20, at_most=True)
# What arrives in five minutes of a usual day.
NEW_ROWS = 500

# In every 50 rows the last repeats the row before. In every ten records the last is a
# new version of the record before. `slot` is a half-hour, `unit` one of a thousand.
NUMBERS = """
SELECT
  *,
  MOD(thing, 1000) AS unit,
  MOD(DIV(thing, 1000), 48) AS slot,
  TIMESTAMP_ADD(
    TIMESTAMP(@day), INTERVAL 30 * MOD(DIV(thing, 1000), 48) MINUTE
  ) AS start_utc
FROM (
  SELECT
    *,
    record - IF(MOD(record, 10) = 9, 1, 0) AS thing,
    IF(MOD(record, 10) = 9, 2, 1) AS version
  FROM (
    SELECT number, number - IF(MOD(number, 50) = 49, 1, 0) AS record
    FROM UNNEST(GENERATE_ARRAY(0, @rows - 1)) AS number
  )
)
"""
END = "TIMESTAMP_ADD(start_utc, INTERVAL 30 MINUTE)"
VERSION_UTC = "TIMESTAMP_ADD(start_utc, INTERVAL version MINUTE)"
UNIT = "CONCAT('T_UNIT-', CAST(unit AS STRING))"
METADATA = {
    "ingested_utc": "TIMESTAMP_ADD(start_utc, INTERVAL 1000 + number SECOND)",
    "enqueued_utc": "TIMESTAMP_ADD(start_utc, INTERVAL number SECOND)",
    "source": "'IRIS'",
    "message_id": "CONCAT('message-', CAST(number AS STRING))",
    "record_id": "TO_HEX(MD5(CONCAT(CAST(@day AS STRING), '/', "
    "CAST(record AS STRING))))",
}
LEVELS = {
    "settlementDate": "@day",
    "timeFrom": "start_utc",
    "timeTo": END,
    # Another one in each half-hour, so that each is a piece of what is resolved.
    "levelFrom": "MOD(DIV(thing, 7), 500)",
    "levelTo": "MOD(DIV(thing, 7), 500)",
    "nationalGridBmUnit": UNIT,
    "bmUnit": UNIT,
}
DECLARED = LEVELS | {
    "settlementPeriod": "slot + 1",
    "notificationTime": VERSION_UTC,
    "notificationSequence": "version",
}
# Columns that no query here reads are NULL.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "BOALF": LEVELS
    | {
        "acceptanceNumber": "thing",
        "acceptanceTime": "start_utc",
        "settlementPeriodFrom": "slot + 1",
        "settlementPeriodTo": "slot + 1",
        "amendmentFlag": "IF(version = 1, 'ORI', 'UPD')",
    },
    "FUELINST": {
        "settlementDate": "@day",
        "settlementPeriod": "slot + 1",
        "publishTime": VERSION_UTC,
        "startTime": "start_utc",
        "fuelType": UNIT,
        "generation": "MOD(record, 500)",
    },
    "MELS": DECLARED,
    "MILS": DECLARED,
}


class Question(NamedTuple):
    """A query of a view, and of its table.

    Attributes:
        dataset: The dataset of the view.
        view: The end of the view's name, or a call of a table function.
        columns: The selected columns.
        target: How many times as long as the table the view may take.
    """

    dataset: str
    view: str
    columns: str
    target: Target = TARGET


BY_UNIT = "nationalGridBmUnit, COUNT(*) AS pieces, SUM(levelTo) AS level"
BY_FUEL = "fuelType, COUNT(*) AS pieces, SUM(generation) AS level"
BETWEEN = (
    f"resolved_between(TIMESTAMP '{ASKED_DAY}', "
    f"TIMESTAMP '{ASKED_DAY + timedelta(days=1)}', 7)"
)
QUESTIONS = (
    Question("BOALF", "unified", BY_UNIT),
    Question("BOALF", "latest", BY_UNIT),
    Question("FUELINST", "latest", BY_FUEL),
    Question("MELS", "resolved", BY_UNIT),
    Question("MELS", BETWEEN, BY_UNIT, BETWEEN_TARGET),
    Question("MILS", "resolved", BY_UNIT),
    Question("MILS", BETWEEN, BY_UNIT, BETWEEN_TARGET),
)


def measure(scale: float) -> Iterator[Measurement]:
    """Each view over a full table: one day of many."""
    registry = load_registry()
    known = Registry([registry[name] for name in COLUMNS])
    names = [table.name for table in all_tables(known)]
    rows = max(1_000, int(ROWS * scale / DAYS))
    with (
        TemporaryDirectory(prefix="gb-iris-bench-") as work,
        serving(Path(work)) as warehouse,
        warehouse.tables("views", names) as path,
    ):
        apply_views(warehouse.client, "views", known, registry)
        for name, dataset in known.items():
            _fill(warehouse.client, f"{path}.{dataset.table}", COLUMNS[name], rows)
        client = warehouse.client
        first_seconds = _refresh_seconds(client, path)
        for question in QUESTIONS:
            yield _measured(client, path, question, rows)
        yield _beside_its_definition(client, path, rows)
        yield from _with_new_rows(client, path, rows, first_seconds)


def _refresh_seconds(client: bigquery.Client, path: str) -> float:
    """How long `sql refresh` takes for MELS; it is done for all datasets."""
    taken = []
    for resolution in resolutions(client, TablesPath(*path.split("."))):
        started = time.monotonic()
        resolution.update(client)
        taken.append(time.monotonic() - started)
    return taken[0]


def _beside_its_definition(
    client: bigquery.Client, path: str, rows: int
) -> Measurement:
    """One day of what is resolved, and the same of all declarations at the question."""
    source = f"{path}.bmrs_mels_unified"
    defined = f"({fill('views/resolved.sql', source=source)})"
    view = f"`{path}.bmrs_mels_resolved`"
    [seconds] = best_seconds(client, _statement(BY_UNIT, defined), turns=1)
    [seen] = best_seconds(client, _statement(BY_UNIT, view))
    return Measurement(
        f"mels resolved, one day of {rows * DAYS:,} rows, once more",
        1000 * seen,
        "ms",
        "all declarations resolved at the question",
        1000 * seconds,
        DEFINITION_TARGET,
        "what the table saves that `sql refresh` keeps",
    )


def _with_new_rows(
    client: bigquery.Client, path: str, rows: int, first_seconds: float
) -> Iterator[Measurement]:
    """The view before declarations that arrived are refreshed, and the refresh."""
    table = f"`{path}.bmrs_mels_iris`"
    client.query_and_wait(
        f"INSERT INTO {table} SELECT * REPLACE ("
        "CONCAT('new-', record_id) AS record_id, 9 AS notificationSequence, "
        "TIMESTAMP_ADD(ingested_utc, INTERVAL 90 DAY) AS ingested_utc) "
        f"FROM {table} WHERE settlementDate = DATE '{LAST_DAY}' LIMIT {NEW_ROWS}"
    )
    question = Question("MELS", "resolved", BY_UNIT)
    measured = _measured(client, path, question, rows)
    name = f"{measured.name}, {NEW_ROWS} of them new"
    yield dataclasses.replace(measured, name=name)
    yield Measurement(
        f"refresh of {NEW_ROWS} new declarations",
        _refresh_seconds(client, path),
        "s",
        f"the first refresh, of {rows * DAYS:,}",
        first_seconds,
        None,
        "what a refresh costs that has little to do",
    )


def _fill(
    client: bigquery.Client, table: str, columns: Mapping[str, str], rows: int
) -> None:
    """Adds the days one after the other, as in real use."""
    chosen = {**columns, **METADATA}
    statement = (
        f"INSERT INTO `{table}` ({', '.join(chosen)}) "
        f"SELECT {', '.join(chosen.values())} FROM ({NUMBERS})"
    )
    for number in range(DAYS):
        day = bigquery.ScalarQueryParameter(
            "day", "DATE", FIRST_DAY + timedelta(days=number)
        )
        count = bigquery.ScalarQueryParameter("rows", "INT64", rows)
        config = bigquery.QueryJobConfig(query_parameters=[day, count])
        client.query_and_wait(statement, job_config=config)


def _measured(
    client: bigquery.Client, path: str, question: Question, rows: int
) -> Measurement:
    dataset = load_registry()[question.dataset]
    view, _, arguments = question.view.partition("(")
    source = f"`{path}.{dataset.stem}_{view}`"
    through = f"{source}({arguments}" if arguments else source
    nothing, table, seen = best_seconds(
        client,
        "SELECT 1",
        _statement(question.columns, f"`{path}.{dataset.table}`"),
        _statement(question.columns, through),
    )
    return Measurement(
        f"{dataset.name.lower()} {view}, one day of {rows * DAYS:,} rows",
        1000 * seen,
        "ms",
        "the same query of the table",
        1000 * table,
        question.target,
        "how many times as long as the table the view takes for one day",
        {
            "select_1_ms": 1000 * nothing,
            "ratio_without_select_1": (seen - nothing) / max(table - nothing, 1e-6),
            "rows_of_the_day": rows,
        },
    )


def _statement(columns: str, source: str) -> str:
    return (
        f"SELECT {columns} FROM {source} "
        f"WHERE settlementDate = DATE '{ASKED_DAY}' GROUP BY 1"
    )


def best_seconds(
    client: bigquery.Client, *statements: str, turns: int = TURNS
) -> list[float]:
    """The best time of each statement; they take turns on a busy machine."""
    times: list[list[float]] = [[] for _ in statements]
    for _ in range(turns):
        for taken, statement in zip(times, statements, strict=True):
            started = time.monotonic()
            list(client.query_and_wait(statement))
            taken.append(time.monotonic() - started)
    return [min(taken) for taken in times]
