"""The latest rows of an interval, of datasets whose view reads all days."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import bigquery

from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.history_fixture import registry_of
from tests.integration.pruning_fixture import store_lost

pytestmark = pytest.mark.integration

DATASET = "latest_between"


@pytest.fixture(scope="module")
def client(client: bigquery.Client, bigquery_data: Path) -> bigquery.Client:
    registry = registry_of("WINDFOR", "MDP")
    apply_tables(client, DATASET, list(all_tables(registry)), "EU")
    assert apply_views(client, DATASET, registry).conflicts == []
    store(client, "windfor", *publication("2026-05-06T03:00", 100, 4, 5, 6))
    store(client, "windfor", *publication("2026-05-06T09:00", 200, 5, 6))
    store(client, "windfor", *publication("2026-05-07T03:00", 300, 6, 7))
    store(client, "mdp", period("2026-05-06", 60), period("2026-05-06", 70))
    store(client, "mdp", period("2026-05-07", 80))
    lost = publication("2026-05-09T03:00", 400, 6)
    store_lost(client, bigquery_data, f"{DATASET}.bmrs_windfor_iris", lost)
    day = "2026-05-09"
    store_lost(client, bigquery_data, f"{DATASET}.bmrs_mdp_iris", [period(day, 90)])
    return client


def publication(time: str, generation: int, *hours: int) -> list[dict[str, Any]]:
    return [
        {
            "publishTime": f"{time}:00Z",
            "startTime": f"2026-05-08T{hour:02}:00:00Z",
            "generation": generation,
            "record_id": f"{time} {hour}",
            "source": "IRIS",
        }
        for hour in hours
    ]


def period(day: str, value: int) -> dict[str, Any]:
    return {
        "settlementDate": day,
        "time": "2026-05-06T22:30:00Z",
        "nationalGridBmUnit": "U-1",
        "periodMax": value,
        "record_id": f"{day} {value}",
        "source": "IRIS",
        "enqueued_utc": f"{day}T00:00:{value % 60:02}Z",
    }


def store(client: bigquery.Client, name: str, *rows: dict[str, Any]) -> None:
    table = f"{DATASET}.bmrs_{name}_iris"
    config = bigquery.LoadJobConfig(schema=client.get_table(table).schema)
    client.load_table_from_json(list(rows), table, job_config=config).result()


def shown(client, name: str, columns: str, start: str, end: str) -> list[tuple]:
    times = (f"TIMESTAMP '{time}'" for time in (start, end))
    rows = client.query_and_wait(
        f"SELECT {columns} FROM {DATASET}.bmrs_{name}_latest_between"
        f"({', '.join(times)}) ORDER BY {columns}"
    )
    return [tuple(row.values()) for row in rows]


def forecast(client, start: str, end: str) -> list[tuple]:
    rows = shown(client, "windfor", "startTime, generation", start, end)
    return [(time.hour, generation) for time, generation in rows]


def test_a_publication_replaces_those_before_it_from_its_first_point(
    client,
):
    assert forecast(client, "2026-05-06", "2026-05-07") == [
        (4, 100),
        (5, 200),
        (6, 200),
    ]


def test_a_publication_outside_of_the_interval_is_not_known(client):
    assert forecast(client, "2026-05-06 00:00:00", "2026-05-06 09:00:00") == [
        (4, 100),
        (5, 100),
        (6, 100),
    ]


def test_days_together_show_the_last_publication_of_all(client):
    assert forecast(client, "2026-05-06", "2026-05-08") == [
        *((4, 100), (5, 200), (6, 300), (7, 300)),
    ]


def test_no_other_day_is_read(client):
    with pytest.raises(GoogleAPICallError):
        client.query_and_wait(f"SELECT * FROM {DATASET}.bmrs_windfor_latest")
    assert forecast(client, "2026-05-07", "2026-05-09") == [(6, 300), (7, 300)]


def test_a_settlement_day_shows_the_latest_version_that_it_has(client):
    # A day of settlement in summer begins at 23:00.
    day = ("2026-05-05 23:00:00", "2026-05-06 23:00:00")
    assert shown(client, "mdp", "settlementDate, periodMax", *day) == [
        (datetime(2026, 5, 6, tzinfo=UTC).date(), 70)
    ]


def test_settlement_days_together_show_one_version_of_a_thing(client):
    days = ("2026-05-05 23:00:00", "2026-05-07 23:00:00")
    assert shown(client, "mdp", "periodMax", *days) == [(80,)]


def test_no_time_shows_no_row(client):
    assert shown(client, "mdp", "periodMax", "2026-05-06", "2026-05-06") == []
