"""Rows of the Insights API, which lacks two columns of MID, beside those of IRIS."""

import pytest
from google.cloud import bigquery

from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.history_fixture import registry_of

pytestmark = pytest.mark.integration

REGISTRY = registry_of("MID")
STAMP = "2026-05-06T03:31:00Z"
# Settlement period, price, source, file, record_id; in the order in which they came.
ROWS = [
    (1, 10.5, "INSIGHTS_API", None, "1 api"),
    (1, 10.5, "IRIS", "7", "1"),
    # Two files with one price, and the API's row twice.
    (2, 20.0, "IRIS", "8", "2 a"),
    (2, 20.0, "INSIGHTS_API", None, "2 api"),
    (2, 20.0, "IRIS_ARCHIVE", "9", "2 b"),
    (2, 20.0, "INSIGHTS_API", None, "2 api"),
    (3, 30.0, "INSIGHTS_API", None, "3 api"),
    (3, 30.0, "INSIGHTS_API", None, "3 api"),
    # The API has another price.
    (4, 40.0, "IRIS", "10", "4"),
    (4, 41.0, "INSIGHTS_API", None, "4 api"),
    # IRIS without the stamp of its file: the same record as that of the API.
    (5, 50.0, "INSIGHTS_API", None, "5"),
    (5, 50.0, "IRIS", None, "5"),
    # An API row with all columns, and a file that IRIS never sent.
    (6, 60.0, "IRIS", "11", "6"),
    (6, 60.0, "INSIGHTS_API", "12", "6 api"),
    # Nobody knows where it is from: not from the API.
    (7, 70.0, None, None, None),
    (7, 70.0, "INSIGHTS_API", None, "7 api"),
    # The volume differs.
    (9, 90.0, "IRIS", "13", "9"),
    (9, 90.0, "INSIGHTS_API", None, "9 api"),
]
SHOWN = [
    (1, 10.5, "IRIS", "1"),
    (2, 20.0, "IRIS", "2 a"),
    (2, 20.0, "IRIS_ARCHIVE", "2 b"),
    (3, 30.0, "INSIGHTS_API", "3 api"),
    (4, 40.0, "IRIS", "4"),
    (4, 41.0, "INSIGHTS_API", "4 api"),
    (5, 50.0, "IRIS", "5"),
    (6, 60.0, "INSIGHTS_API", "6 api"),
    (6, 60.0, "IRIS", "6"),
    (7, 70.0, None, None),
    (9, 90.0, "INSIGHTS_API", "9 api"),
    (9, 90.0, "IRIS", "9"),
]
# History has the price of period 3 from the API alone, and that of 8 from nobody.
HISTORY = [(1, 10.5), (2, 20.0), (3, 30.0), (8, 80.0), (8, 80.0)]
OTHER_VOLUME = "9 api"


@pytest.fixture(scope="module")
def client(client) -> bigquery.Client:
    for dataset, columns in (
        ("alone", None),
        ("beside", "price, 1.0 AS volume"),
        ("without_volume", "price"),
    ):
        client.create_dataset(dataset)
        if columns:
            make_history(client, dataset, columns)
        apply_tables(client, dataset, list(all_tables(REGISTRY)), "EU")
        fill(client, dataset)
        assert apply_views(client, dataset, REGISTRY).conflicts == []
    return client


def make_history(client, dataset, columns):
    rows = ", ".join(f"STRUCT({n} AS n, {price} AS price)" for n, price in HISTORY)
    client.query_and_wait(
        f"CREATE TABLE {dataset}.bmrs_mid AS SELECT "
        "DATE '2026-05-06' AS settlementDate, n AS settlementPeriod, "
        "TIMESTAMP '2026-05-06 03:00:00+00' AS startTime, "
        f"'APXMIDP' AS dataProvider, {columns} FROM UNNEST([{rows}])"
    )


def fill(client, dataset):
    rows = [
        {
            "dataset": "MID",
            "settlementDate": "2026-05-06",
            "settlementPeriod": period,
            "startTime": "2026-05-06T03:00:00Z",
            "dataProvider": "APXMIDP",
            "price": price,
            "volume": 2.0 if record_id == OTHER_VOLUME else 1.0,
            "sourceFileDateTime": file and STAMP,
            "sourceFileSerialNumber": file,
            "source": source,
            "record_id": record_id,
            "message_id": f"m{number}",
            "ingested_utc": f"2026-05-06T04:00:{number:02}Z",
        }
        for number, (period, price, source, file, record_id) in enumerate(ROWS)
    ]
    table = client.get_table(f"{dataset}.bmrs_mid_iris")
    client.load_table_from_json(
        rows, table, job_config=bigquery.LoadJobConfig(schema=table.schema)
    ).result()


def values(client, sql: str) -> list[tuple]:
    return [tuple(row.values()) for row in client.query_and_wait(sql)]


def unified(client, dataset) -> list[tuple]:
    return values(
        client,
        "SELECT settlementPeriod, price, source, record_id "
        f"FROM {dataset}.bmrs_mid_unified WHERE settlementDate = DATE '2026-05-06' "
        "ORDER BY settlementPeriod, price, source, record_id",
    )


def test_a_row_of_the_api_gives_way_to_one_of_iris(client):
    assert unified(client, "alone") == SHOWN


@pytest.mark.parametrize("dataset", ["beside", "without_volume"])
def test_history_gives_way_to_both(client, dataset):
    """Also where history cannot tell the two volumes of period 9 apart."""
    history = (8, 80.0, "HISTORIC", None)
    assert unified(client, dataset) == sorted(
        [*SHOWN, history], key=lambda row: (row[0], row[1])
    )


@pytest.mark.parametrize("dataset", ["alone", "beside"])
def test_the_latest_version_is_the_one_with_a_file(client, dataset):
    found = values(
        client,
        "SELECT settlementPeriod, source, sourceFileSerialNumber "
        f"FROM {dataset}.bmrs_mid_latest WHERE settlementPeriod < 7 "
        "ORDER BY settlementPeriod",
    )
    assert found == [
        (1, "IRIS", "7"),
        (2, "IRIS_ARCHIVE", "9"),
        (3, "INSIGHTS_API", None),
        (4, "IRIS", "10"),
        (5, "IRIS", None),
        (6, "INSIGHTS_API", "12"),
    ]


@pytest.mark.parametrize("history", [False, True])
def test_one_record_of_both_is_shown_as_that_of_iris(client, request, history):
    """Where the API lacks nothing, too, and gave it first."""
    dataset, registry = own_dataset(client, request), registry_of("FREQ")
    apply_tables(client, dataset, list(all_tables(registry)), "EU")
    if history:
        client.query_and_wait(
            f"CREATE TABLE {dataset}.bmrs_freq AS SELECT "
            "TIMESTAMP '2026-05-06 04:00:00+00' AS measurementTime, 50.0 AS frequency"
        )
    client.query(
        f"INSERT INTO {dataset}.bmrs_freq_iris "
        "(measurementTime, frequency, source, record_id, ingested_utc) "
        "SELECT TIMESTAMP '2026-05-06 04:00:00+00', 50.0, source, 'r', "
        "TIMESTAMP_ADD(TIMESTAMP '2026-05-06 05:00:00+00', INTERVAL minute MINUTE) "
        "FROM UNNEST([STRUCT('INSIGHTS_API' AS source, 1 AS minute), ('IRIS', 2)])"
    ).result()
    assert apply_views(client, dataset, registry).conflicts == []
    found = values(client, f"SELECT source, frequency FROM {dataset}.bmrs_freq_unified")
    assert found == [("IRIS", 50.0)]
