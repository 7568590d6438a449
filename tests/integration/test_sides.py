"""Bid rows and offer rows of one thing: both are kept, and never taken for versions."""

import json
from itertools import count

import pytest
from google.cloud import bigquery

from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.history_fixture import make_iris, registry_of

pytestmark = pytest.mark.integration

REGISTRY = registry_of("BOAV", "DISPTAV", "EBOCF", "ISPSTACK")
FIRST, SECOND = "2026-05-07T09:00:00Z", "2026-05-12T09:00:00Z"
NUMBERS = count()


def row(run, message="one", extra=None, **values):
    """A row of half-hour 20 of 6 May."""
    return {
        "createdDateTime": run,
        "settlementDate": "2026-05-06",
        "settlementPeriod": 20,
        "source": "IRIS",
        "ingested_utc": run,
        "message_id": f"{message} {run}",
        "record_id": f"{next(NUMBERS):032x}",
        "extra": json.dumps(extra) if extra else None,
        **values,
    }


def volume(run, total, message="one", extra=None, **pairs):
    values = {"acceptanceId": 100, "totalVolumeAccepted": total}
    return row(run, message, extra, **values, pairVolumes=pairs or None)


def cash(run, total, message="one", extra=None, **pairs):
    values = {"totalCashflow": total, "bidOfferPairCashflows": pairs or None}
    return row(run, message, extra, **values)


def stack(run, volume, message="one"):
    """An adjustment action: first in the stack of its side, without a unit."""
    return row(run, message, id="BSAD", sequenceNumber=1, volume=volume)


def of_unit(unit, rows, period=20):
    names = {"nationalGridBmUnit": unit, "bmUnit": f"T_{unit}"}
    return [{**row, **names, "settlementPeriod": period} for row in rows]


def of_units(sent):
    """All rows, each unit in a half-hour of its own: a run is of all units."""
    return [
        row
        for period, (unit, (rows, _)) in enumerate(sent.items(), 1)
        for row in of_unit(unit, rows, period)
    ]


ZERO = {"negative1": 0.0, "positive1": 0.0}
# What one unit has sent, and the totals that `_latest` shows of it.
VOLUMES = {
    "SPLIT": (
        [
            volume(FIRST, -3.0, negative1=-3.0, positive1=0.0),
            volume(FIRST, 5.0, negative1=0.0, positive1=5.0),
        ],
        [-3.0, 5.0],
    ),
    # What undoes a bid is an offer, in the pair of the bid; and the other way round.
    "UNDONE-BID": (
        [
            volume(FIRST, -3.0, negative1=-2.0, negative2=-1.0),
            volume(FIRST, 1e-07, "two", negative1=1e-07),
        ],
        [-3.0, 1e-07],
    ),
    "UNDONE-OFFER": (
        [volume(FIRST, -2.0, positive1=-2.0), volume(FIRST, 5.0, "two", positive1=5.0)],
        [-2.0, 5.0],
    ),
    "RERUN": (
        [
            volume(FIRST, -3.0, negative1=-3.0),
            volume(FIRST, 5.0, "two", positive1=5.0),
            volume(SECOND, -4.0, negative1=-4.0),
            volume(SECOND, 6.0, "two", positive1=6.0),
        ],
        [-4.0, 6.0],
    ),
    # Only the offer is calculated again.
    "HALF-RERUN": (
        [
            volume(FIRST, -3.0, negative1=-3.0),
            volume(FIRST, 5.0, "two", positive1=5.0),
            volume(SECOND, 6.0, "two", positive1=6.0),
        ],
        [-3.0, 6.0],
    ),
    # It is not known whose it is, so it replaces neither.
    "ZERO": (
        [
            volume(FIRST, -3.0, negative1=-3.0, positive1=0.0),
            volume(FIRST, 5.0, "two", negative1=0.0, positive1=5.0),
            volume(FIRST, 0.0, "three", **ZERO),
        ],
        [-3.0, 0.0, 5.0],
    ),
    # A number that is zero still shows the side, beside one that is not there.
    "ZERO-BID": (
        [
            volume(FIRST, -3.0, negative1=-3.0),
            volume(FIRST, 5.0, "two", positive1=5.0),
            volume(SECOND, 0.0, negative1=0.0),
        ],
        [0.0, 5.0],
    ),
    # One row for both sides, whose net volume changes its sign.
    "UNSPLIT": (
        [
            volume(FIRST, 2.0, negative1=-3.0, positive1=5.0),
            volume(SECOND, -2.0, negative1=-5.0, positive1=3.0),
        ],
        [-2.0],
    ),
    # A field that the registry does not know, and the names of files.
    "MARKED": (
        [
            volume(FIRST, 0.0, "one", {"bidOffer": "BID"}, **ZERO),
            volume(FIRST, 0.0, "two", {"bidOffer": "OFFER"}, **ZERO),
        ],
        [0.0, 0.0],
    ),
    "NAMED": (
        [
            volume(FIRST, 0.0, "boav_bid_2026-05-06.json", **ZERO),
            volume(FIRST, 0.0, "Offers", **ZERO),
        ],
        [0.0, 0.0],
    ),
    "NAMED-BOTH": (
        [
            volume(FIRST, -3.0, "bid-offer-1.json", negative1=-3.0),
            volume(FIRST, 5.0, "bid-offer-2.json", positive1=5.0),
        ],
        [-3.0, 5.0],
    ),
    # Without pairs: rows of one message are not versions.
    "NO-PAIRS": (
        [
            volume(FIRST, -3.0),
            volume(FIRST, 5.0),
            volume(SECOND, -4.0),
            volume(SECOND, 6.0),
        ],
        [-4.0, 6.0],
    ),
}
CASHFLOWS = {
    "SPLIT": (
        [
            cash(FIRST, -120.0, negative1=-120.0, positive1=0.0),
            cash(FIRST, 900.0, negative1=0.0, positive1=900.0),
        ],
        [-120.0, 900.0],
    ),
    # A wind farm is paid for its bids.
    "WIND": (
        [
            cash(FIRST, 60.0, negative1=60.0, positive1=0.0),
            cash(FIRST, 900.0, "two", negative1=0.0, positive1=900.0),
            cash(SECOND, 58.0, negative1=58.0, positive1=0.0),
        ],
        [58.0, 900.0],
    ),
    # The offer that undoes a bid has its money in the same pair.
    "UNDONE": (
        [
            cash(FIRST, -120.0, negative1=-120.0),
            cash(FIRST, 20.0, negative1=20.0),
            cash(SECOND, -121.0, negative1=-121.0),
            cash(SECOND, 21.0, negative1=21.0),
        ],
        [-121.0, 21.0],
    ),
}


@pytest.fixture(scope="module")
def client(client) -> bigquery.Client:
    make_iris(client, "messages", REGISTRY, "bid_and_offer")
    apply_tables(client, "rows", list(all_tables(REGISTRY)), "EU")
    tables = {
        "BOAV": of_units(VOLUMES),
        "EBOCF": of_units(CASHFLOWS),
        "DISPTAV": [
            {k: v for k, v in each.items() if k != "acceptanceId"}
            | {"dataType": data_type}
            for each in of_unit("RERUN", VOLUMES["RERUN"][0])
            for data_type in ("Original", "Tagged")
        ],
        "ISPSTACK": [
            stack(run, value, message)
            for run, bid, offer in ((FIRST, -2.0, 3.0), (SECOND, -2.5, 4.0))
            for value, message in ((bid, "one"), (offer, "two"))
        ],
    }
    for name, rows in tables.items():
        load(client, f"rows.{REGISTRY[name].table}", rows)
    for dataset in ("messages", "rows"):
        assert apply_views(client, dataset, REGISTRY).conflicts == []
    return client


def load(client, table, rows):
    job = bigquery.LoadJobConfig(schema=client.get_table(table).schema)
    client.load_table_from_json(rows, table, job_config=job).result()


def values(client, sql):
    return [tuple(row.values()) for row in client.query_and_wait(sql)]


def totals(client, view, column, condition="TRUE"):
    found = values(client, f"SELECT {column} FROM {view} WHERE {condition} ORDER BY 1")
    return [total for (total,) in found]


def test_messages_with_both_sides_are_shown_with_both(client):
    view, column = "messages.bmrs_boav_latest", "totalVolumeAccepted"
    assert totals(client, view, column) == [-3.0, 5.0]
    view, column = "messages.bmrs_ebocf_latest", "totalCashflow"
    assert totals(client, view, column) == [-120.0, 900.0]


@pytest.mark.parametrize("unit", VOLUMES)
def test_the_latest_volumes_of_each_side(client, unit):
    condition = f"settlementDate = '2026-05-06' AND nationalGridBmUnit = '{unit}'"
    view, column = "rows.bmrs_boav_latest", "totalVolumeAccepted"
    assert totals(client, view, column, condition) == VOLUMES[unit][1]


@pytest.mark.parametrize("unit", CASHFLOWS)
def test_the_latest_cashflows_of_each_side(client, unit):
    view, column = "rows.bmrs_ebocf_latest", "totalCashflow"
    found = totals(client, view, column, f"nationalGridBmUnit = '{unit}'")
    assert found == CASHFLOWS[unit][1]


def test_volumes_of_every_stage_have_both_sides(client):
    view, column = "rows.bmrs_disptav_latest", "totalVolumeAccepted"
    for data_type in ("Original", "Tagged"):
        condition = f"dataType = '{data_type}'"
        assert totals(client, view, column, condition) == [-4.0, 6.0]


def test_both_stacks_have_a_first_place(client):
    assert totals(client, "rows.bmrs_ispstack_latest", "volume") == [-2.5, 4.0]


HISTORIES = {
    "datetime": ("DATETIME '{}'", "_direction", "bid", "offer"),
    "text": ("'{}T00:00:00'", "_direction", "Bid", "Offer"),
    "legacy": ("TIMESTAMP '{}'", "Direction", "B", "O"),
}


@pytest.mark.parametrize("generation", HISTORIES)
def test_the_direction_of_a_historic_row_is_its_side(client, generation):
    """It has no values that show it, and IRIS has the bid of one unit."""
    date, column, bid, offer = HISTORIES[generation]
    name = f"history_{generation}"
    apply_tables(client, name, list(all_tables(REGISTRY)), "EU")
    client.query_and_wait(
        f"CREATE TABLE {name}.bmrs_ebocf AS "
        f"SELECT {date.format('2026-05-06')} AS settlementDate, "
        "20 AS settlementPeriod, unit AS nationalGridBmUnit, "
        f"{date.format('2026-05-07')} AS createdDateTime, side AS {column}, "
        "'2026-05-08' AS _ingested_utc "
        f"FROM UNNEST(['OLD', 'NEW']) AS unit, UNNEST(['{bid}', '{offer}']) AS side"
    )
    same_run = cash("2026-05-07T00:00:00Z", -120.0, negative1=-120.0)
    load(client, f"{name}.bmrs_ebocf_iris", of_unit("NEW", [same_run]))
    assert apply_views(client, name, REGISTRY).conflicts == []
    for view in ("unified", "latest"):
        found = values(
            client,
            "SELECT nationalGridBmUnit, source, totalCashflow, "
            f"JSON_VALUE(extra, '$.{column}') "
            f"FROM {name}.bmrs_ebocf_{view} ORDER BY 1, 2, 4",
        )
        assert found == [
            ("NEW", "HISTORIC", None, offer),
            ("NEW", "IRIS", -120.0, None),
            ("OLD", "HISTORIC", None, bid),
            ("OLD", "HISTORIC", None, offer),
        ]


def test_a_later_run_of_iris_replaces_the_side_that_history_has(client):
    apply_tables(client, "later", list(all_tables(REGISTRY)), "EU")
    client.query(
        "CREATE TABLE later.bmrs_boav AS SELECT '2026-05-06' AS settlementDate, "
        "20 AS settlementPeriod, 'UNIT' AS nationalGridBmUnit, 'T_UNIT' AS bmUnit, "
        "100 AS acceptanceId, total AS totalVolumeAccepted, "
        "'2026-05-07T00:00:00Z' AS createdDateTime, direction AS _direction "
        "FROM UNNEST([STRUCT(-3.0 AS total, 'bid' AS direction), (5.0, 'offer')])"
    ).result()
    again = volume(SECOND, -4.0, negative1=-4.0, positive1=0.0)
    load(client, "later.bmrs_boav_iris", of_unit("UNIT", [again]))
    assert apply_views(client, "later", REGISTRY).conflicts == []
    column = "totalVolumeAccepted"
    assert totals(client, "later.bmrs_boav_unified", column) == [-4.0, -3.0, 5.0]
    assert totals(client, "later.bmrs_boav_latest", column) == [-4.0, 5.0]
