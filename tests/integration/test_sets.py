"""Publications that replace a set: `_latest` has the last one whole, and no other."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud import bigquery

from pipeline.command import main
from pipeline.steps import dedup
from sql.__main__ import main as sql_main
from sql.apply import apply_tables, apply_views
from sql.check import command as check
from sql.tables import all_tables
from tests.integration.bigquery_fixture import own_dataset
from tests.integration.history_fixture import FIXTURES, registry_of

pytestmark = pytest.mark.integration

DAY = "2026-05-06"
METHODS = ("FILE_LOADS", "STREAMING_INSERTS")

Publish = Callable[..., None]


@pytest.fixture
def dataset(client, request) -> str:
    return own_dataset(client, request)


@pytest.fixture
def publish(client, dataset, tmp_path, capsys) -> Publish:
    """Sends messages through the pipeline: each call is a run of its own."""

    def run(*messages, method="FILE_LOADS", source=None):
        folder = tmp_path / f"in{len(list(tmp_path.iterdir()))}"
        for name, records in messages:
            subject = name.split("_")[0]
            path = folder / subject / name
            path.parent.mkdir(parents=True, exist_ok=True)
            named = [{"dataset": subject, **record} for record in records]
            path.write_text(json.dumps(named))
        load(dataset, folder, method)

    return run


def load(dataset: str, folder: Path, method: str = "FILE_LOADS") -> None:
    dedup.forget()  # as a new process would
    options = [f"--files={folder}", "--project=gb-iris", f"--dataset={dataset}"]
    assert main([*options, f"--write_method={method}"]) == 0


def apply(client: bigquery.Client, dataset: str, *names: str) -> None:
    registry = registry_of(*names)
    apply_tables(client, dataset, list(all_tables(registry)), "EU")
    assert apply_views(client, dataset, registry).conflicts == []


def values(client, sql: str) -> list[tuple]:
    return [tuple(row.values()) for row in client.query_and_wait(sql)]


def shown(client, dataset, name, columns, where="TRUE") -> list[tuple]:
    """What `_latest` shows, in the order of the columns."""
    return values(
        client,
        f"SELECT {columns} FROM {dataset}.bmrs_{name}_latest WHERE {where} "
        f"ORDER BY {columns}",
    )


def count(client, dataset, name) -> int:
    return values(client, f"SELECT COUNT(*) FROM {dataset}.bmrs_{name}")[0][0]


def action(number: int, volume: float, period: int = 20) -> dict:
    return {
        "settlementDate": DAY,
        "settlementPeriod": period,
        "id": number,
        "cost": volume * 10,
        "volume": volume,
        "soFlag": False,
        "storFlag": False,
        "partyId": None,
    }


def segment(start: str, end: str, level: int, unit: str = "QAGEN-1", **more) -> dict:
    return {
        "settlementDate": DAY,
        "settlementPeriod": 20,
        "timeFrom": f"{DAY}T{start}:00Z",
        "timeTo": f"{DAY}T{end}:00Z",
        "levelFrom": level,
        "levelTo": level,
        "nationalGridBmUnit": unit,
        "bmUnit": f"T_{unit}",
        **more,
    }


def accepted(start: str, end: str, level: int, flag: str, **more) -> dict:
    row = segment(start, end, level, amendmentFlag=flag)
    del row["settlementPeriod"]
    return {
        **row,
        "settlementPeriodFrom": 20,
        "settlementPeriodTo": 20,
        "acceptanceNumber": 7,
        "acceptanceTime": f"{DAY}T08:00:00Z",
        "deemedBoFlag": False,
        "soFlag": False,
        "storFlag": False,
        "rrFlag": False,
        **more,
    }


def test_a_run_of_the_stack_replaces_the_one_before(client, dataset):
    apply(client, dataset, "ISPSTACK")
    load(dataset, FIXTURES / "sets")
    assert shown(client, dataset, "ispstack", "sequenceNumber, id, volume") == [
        (1, "T_QAGEN-9", -0.5),
        (2, "T_QAWND-1", -2.0),
    ]
    assert count(client, dataset, "ispstack_unified") == 4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("runs", [1, 2])
def test_an_action_that_is_not_sent_again_is_gone(
    client, dataset, publish, method, runs
):
    """Each record of the second message is identical to one of the first."""
    apply(client, dataset, "DISBSAD")
    first = ("DISBSAD_202605061000_9.json", [action(n, n) for n in (1, 2, 3)])
    # The same minute: the serial numbers tell which is later.
    second = ("DISBSAD_202605061000_10.json", [action(n, n) for n in (1, 3)])
    other = ("DISBSAD_202605061030_11.json", [action(1, 5.0, period=21)])
    messages = [second, first, other]
    if runs == 1:
        publish(*messages, method=method)
    else:
        publish(*messages[1:], method=method)
        publish(messages[0], method=method)
    assert shown(client, dataset, "disbsad", "settlementPeriod, id, volume") == [
        (20, 1, 1.0),
        (20, 3, 3.0),
        (21, 1, 5.0),
    ]
    assert count(client, dataset, "disbsad_unified") == 4
    assert count(client, dataset, "disbsad_iris") == 6


@pytest.mark.parametrize("method", METHODS)
def test_a_message_that_comes_again_is_no_publication(client, dataset, publish, method):
    apply(client, dataset, "DISBSAD")
    first = ("DISBSAD_202605061000_1.json", [action(1, 1.0), action(2, 2.0)])
    second = ("DISBSAD_202605061100_2.json", [action(1, 1.0)])
    publish(first, second, method=method)
    if method == "FILE_LOADS":  # an insert knows only what its process has seen
        publish(first, second, first, method=method)
    assert count(client, dataset, "disbsad_iris") == 3
    assert shown(client, dataset, "disbsad", "id, volume") == [(1, 1.0)]


def test_copies_in_the_table_change_nothing(client, dataset, publish):
    apply(client, dataset, "DISBSAD")
    publish(
        ("DISBSAD_202605061000_1.json", [action(1, 1.0), action(2, 2.0)]),
        ("DISBSAD_202605061100_2.json", [action(1, 1.0)]),
    )
    table = f"{dataset}.bmrs_disbsad_iris"
    client.query_and_wait(f"INSERT INTO {table} SELECT * FROM {table}")
    assert shown(client, dataset, "disbsad", "id, volume") == [(1, 1.0)]
    assert count(client, dataset, "disbsad_unified") == 2


def test_the_check_does_not_take_members_of_sets_for_copies(
    client, dataset, publish, monkeypatch, capsys
):
    """A record that is repeated by another message, and an action that is changed."""
    apply(client, dataset, "DISBSAD")
    publish(
        ("DISBSAD_202605061000_1.json", [action(1, 1.0), action(2, 2.0)]),
        ("DISBSAD_202605061100_2.json", [action(1, 1.0), action(2, 3.0)]),
    )
    registry = registry_of("DISBSAD")
    monkeypatch.setattr(check, "load_registry", lambda: registry)
    options = ["--project=gb-iris", f"--dataset={dataset}", "--only=duplicates"]

    def found():
        capsys.readouterr()
        sql_main(["check", *options, f"--at={DAY}T12:00:00Z", "--format=json"])
        results = json.loads(capsys.readouterr().out)["results"]
        return [
            (result["status"], result["measured"])
            for result in results
            if result["check"] == "duplicates"
        ]

    assert found() == [("ok", 0)]
    table = f"{dataset}.bmrs_disbsad_iris"
    client.query_and_wait(f"INSERT INTO {table} SELECT * FROM {table} WHERE id = 1")
    assert found() == [("warn", 2)]


def test_compacting_keeps_the_members_of_every_set(client, dataset, publish, capsys):
    apply(client, dataset, "DISBSAD")
    publish(
        ("DISBSAD_202605061000_1.json", [action(1, 1.0), action(2, 2.0)]),
        ("DISBSAD_202605061100_2.json", [action(1, 1.0)]),
    )
    table = f"{dataset}.bmrs_disbsad_iris"
    client.query_and_wait(f"INSERT INTO {table} SELECT * FROM {table}")
    options = ["--project=gb-iris", f"--dataset={dataset}", "--execute"]
    assert sql_main(["compact", "bmrs_disbsad_iris", *options]) == 0
    assert count(client, dataset, "disbsad_iris") == 3
    assert shown(client, dataset, "disbsad", "id, volume") == [(1, 1.0)]


def test_figures_that_return_to_former_values_are_the_latest(client, dataset, publish):
    apply(client, dataset, "DISBSAD", "NETBSAD")
    for serial, volume in enumerate((1.0, 2.0, 1.0), 1):
        name = f"20260506100{serial}_{serial}.json"
        net = {
            "settlementDate": DAY,
            "settlementPeriod": 20,
            "netBuyPriceVolumeAdjustmentEnergy": volume,
        }
        publish((f"DISBSAD_{name}", [action(1, volume)]), (f"NETBSAD_{name}", [net]))
    assert shown(client, dataset, "disbsad", "id, volume") == [(1, 1.0)]
    column = "netBuyPriceVolumeAdjustmentEnergy"
    assert shown(client, dataset, "netbsad", column) == [(1.0,)]


@pytest.mark.parametrize("name", ["PN", "QPN"])
def test_a_profile_with_other_times_replaces_the_one_before(
    client, dataset, publish, name
):
    """One segment is the same in both; another unit keeps its own."""
    apply(client, dataset, name)
    publish(
        (
            f"{name}_202605060900_1.json",
            [
                segment("08:30", "08:45", 10),
                segment("08:45", "09:00", 20),
                segment("08:30", "09:00", 5, "QAGEN-2"),
            ],
        ),
    )
    publish(
        (
            f"{name}_202605060910_2.json",
            [
                segment("08:30", "08:45", 10),
                segment("08:45", "08:50", 30),
                segment("08:50", "09:00", 40),
            ],
        )
    )
    columns = "nationalGridBmUnit, FORMAT_TIMESTAMP('%M', timeFrom), levelFrom"
    wanted = [
        ("QAGEN-1", "30", 10),
        ("QAGEN-1", "45", 30),
        ("QAGEN-1", "50", 40),
        ("QAGEN-2", "30", 5),
    ]
    for where in ("TRUE", f"settlementDate = DATE '{DAY}'"):
        assert shown(client, dataset, name.lower(), columns, where) == wanted


def test_offers_with_fewer_pairs_replace_all_pairs(client, dataset, publish):
    apply(client, dataset, "BOD")

    def pair(number, start, end, price):
        return segment(start, end, 50, pairId=number, offer=price, bid=price - 1)

    publish(
        (
            "BOD_202605060900_1.json",
            [pair(n, "08:30", "09:00", 10.0 * n) for n in (-1, 1, 2)],
        ),
        (
            "BOD_202605060905_2.json",
            [pair(1, "08:30", "08:40", 10.0), pair(1, "08:40", "09:00", 12.0)],
        ),
    )
    assert shown(client, dataset, "bod", "pairId, offer") == [(1, 10.0), (1, 12.0)]


def test_an_amendment_replaces_all_segments_of_its_acceptance(client, dataset, publish):
    """The number is used again: another time is another acceptance."""
    apply(client, dataset, "BOALF")
    again = {"acceptanceTime": f"{DAY}T12:00:00Z"}
    publish(
        (
            "BOALF_202605060801_1.json",
            [
                accepted("08:30", "08:45", 10, "ORI"),
                accepted("08:45", "09:00", 20, "ORI"),
                accepted("08:30", "09:00", 1, "ORI", acceptanceNumber=8),
            ],
        ),
        ("BOALF_202605061201_2.json", [accepted("12:30", "13:00", 3, "ORI", **again)]),
    )
    publish(
        (
            "BOALF_202605060805_3.json",
            [
                accepted("08:30", "08:40", 10, "UPD"),
                accepted("08:40", "08:45", 15, "UPD"),
            ],
        )
    )
    columns = "acceptanceNumber, timeFrom, levelTo, amendmentFlag"
    found = [(row[0], *row[2:]) for row in shown(client, dataset, "boalf", columns)]
    others = [(7, 3, "ORI"), (8, 1, "ORI")]
    assert found == [(7, 10, "UPD"), (7, 15, "UPD"), *others]

    publish(("BOALF_202605060810_4.json", [accepted("08:30", "08:45", 0, "DEL")]))
    found = [(row[0], *row[2:]) for row in shown(client, dataset, "boalf", columns)]
    assert found == [(7, 0, "DEL"), *others]


def stages(client, dataset) -> list[tuple]:
    columns = "acceptanceNumber, timeFrom, levelTo, amendmentFlag"
    found = shown(client, dataset, "boalf", columns)
    return [(number, level, flag) for number, _, level, flag in found]


def amended_and_withdrawn() -> list[dict]:
    """Acceptance 7 with its amendment, and 8 with its withdrawal; 9 is an original."""
    return [
        accepted("08:30", "08:45", 10, "ORI"),
        accepted("08:45", "09:00", 20, "ORI"),
        accepted("08:30", "08:40", 15, "UPD"),
        accepted("08:30", "09:00", 5, "ORI", acceptanceNumber=8),
        accepted("08:30", "09:00", 6, "UPD", acceptanceNumber=8),
        accepted("08:30", "09:00", 6, "DEL", acceptanceNumber=8),
        accepted("08:30", "09:00", 1, "ORI", acceptanceNumber=9),
    ]


CHANGED = [(7, 15, "UPD"), (8, 6, "DEL"), (9, 1, "ORI")]


@pytest.mark.parametrize("name", ["BOALF_202605060801_1.json", "BOALF_day.json"])
def test_an_original_is_over_where_its_change_is_in_the_same_message(
    client, dataset, publish, name
):
    """A message of IRIS, and an answer of the API."""
    apply(client, dataset, "BOALF")
    publish((name, amended_and_withdrawn()))
    assert stages(client, dataset) == CHANGED


def test_an_original_that_arrives_after_its_change_is_over(client, dataset, publish):
    apply(client, dataset, "BOALF")
    parts = amended_and_withdrawn()
    originals = [each for each in parts if each["amendmentFlag"] == "ORI"]
    changes = [each for each in parts if each["amendmentFlag"] != "ORI"]
    publish(("BOALF_202605060805_1.json", changes))
    publish(("BOALF_202605060809_2.json", originals))
    assert stages(client, dataset) == CHANGED


def test_an_original_is_over_where_its_change_is_in_history(client, dataset):
    rows = "), (".join(
        f"'{each['amendmentFlag']}', {each['acceptanceNumber']}, {each['levelTo']}, "
        f"DATETIME '{each['timeFrom'][:-1]}', DATETIME '{each['timeTo'][:-1]}', "
        f"DATE '{DAY}', 20, 20, DATETIME '{DAY} 08:00:00', 'QAGEN-1', 'T_QAGEN-1'"
        for each in amended_and_withdrawn()
    )
    client.query_and_wait(
        f"CREATE TABLE {dataset}.bmrs_boalf (amendmentFlag STRING, "
        "acceptanceNumber INT64, levelTo INT64, timeFrom DATETIME, timeTo DATETIME, "
        "settlementDate DATE, settlementPeriodFrom INT64, settlementPeriodTo INT64, "
        "acceptanceTime DATETIME, nationalGridBmUnit STRING, bmUnit STRING); "
        f"INSERT INTO {dataset}.bmrs_boalf VALUES ({rows})"
    )
    apply(client, dataset, "BOALF")
    assert stages(client, dataset) == CHANGED


def point(publish_time: str, start: str, value: int, boundary: str = "N") -> dict:
    day, time = start.split()
    return {
        "publishTime": f"{publish_time.replace(' ', 'T')}:00Z",
        "startTime": f"{day}T{time}:00Z",
        "settlementDate": day,
        "settlementPeriod": 1,
        "boundary": boundary,
        "demand": value,
    }


def test_a_forecast_replaces_its_horizon_and_nothing_before_it(
    client, dataset, publish
):
    apply(client, dataset, "NDF")
    first, second = f"{DAY} 09:47", f"{DAY} 10:17"
    tomorrow = "2026-05-07"
    publish(
        (
            "NDF_202605060947_1.json",
            [
                *(point(first, f"{DAY} {t}", 1) for t in ("10:00", "10:30", "11:00")),
                *(point(first, f"{DAY} {t}", 1) for t in ("11:30", "12:00")),
                point(first, f"{DAY} 11:00", 1, "B1"),
                point(first, f"{tomorrow} 09:00", 1),
            ],
        )
    )
    # It begins later, as a forecast does, and has fewer points.
    publish(
        (
            "NDF_202605061017_2.json",
            [point(second, f"{DAY} {t}", 2) for t in ("10:30", "11:30")],
        )
    )
    wanted = [
        ("B1", "06 11:00", 1),
        ("N", "06 10:00", 1),
        ("N", "06 10:30", 2),
        ("N", "06 11:30", 2),
        ("N", "07 09:00", 1),
    ]
    columns = "boundary, FORMAT_TIMESTAMP('%d %H:%M', startTime), demand"
    assert shown(client, dataset, "ndf", columns) == wanted
    today = shown(client, dataset, "ndf", columns, f"settlementDate = '{DAY}'")
    assert today == wanted[:-1]


def test_a_forecast_that_arrives_late_replaces_nothing(client, dataset, publish):
    """The record says when it was published; its message came after the later one."""
    apply(client, dataset, "NDF")
    starts = [f"{DAY} {t}" for t in ("11:00", "11:30", "12:00")]
    publish(
        (
            "NDF_202605061017_2.json",
            [point(f"{DAY} 10:17", start, 2) for start in starts[::2]],
        )
    )
    publish(
        (
            "NDF_202605061100_3.json",
            [point(f"{DAY} 09:47", start, 1) for start in starts],
        )
    )
    assert shown(client, dataset, "ndf", "demand") == [(2,), (2,)]


def test_forecasts_by_day_and_week_and_without_a_settlement_date(
    client, dataset, publish
):
    apply(client, dataset, "WINDFOR", "NDFD", "NDFW", "FOU2T14D")

    def message(name, number, records):
        publish_time = f"2026-12-0{number}T10:00:00Z"
        stamped = [{"publishTime": publish_time, **record} for record in records]
        return (f"{name}_2026120{number}1000_{number}.json", stamped)

    def wind(hours, mw):
        return [
            {"startTime": f"2026-12-03T{hour:02}:00:00Z", "generation": mw}
            for hour in hours
        ]

    def days(numbers, mw):
        return [{"forecastDate": f"2026-12-{n}", "demand": mw} for n in numbers]

    def weeks(pairs, mw):
        return [{"year": year, "week": week, "demand": mw} for year, week in pairs]

    def fuels(numbers, mw, fuel):
        return [
            {"forecastDate": f"2026-12-{n}", "outputUsable": mw, "fuelType": fuel}
            for n in numbers
        ]

    publish(
        message("WINDFOR", 1, wind((1, 2, 3, 4), 1)),
        message("WINDFOR", 2, wind((2, 4), 2)),
        message("NDFD", 1, days((10, 11, 12, 13), 1)),
        message("NDFD", 2, days((11, 13), 2)),
        message("NDFW", 1, weeks([(2026, 52), (2026, 53), (2027, 1), (2027, 2)], 1)),
        message("NDFW", 2, weeks([(2026, 53), (2027, 2)], 2)),
        message(
            "FOU2T14D", 1, fuels((10, 11, 12), 1, "CCGT") + fuels((10, 11), 1, "COAL")
        ),
        message("FOU2T14D", 2, fuels((11,), 2, "CCGT")),
    )
    hour = "EXTRACT(HOUR FROM startTime), generation"
    assert shown(client, dataset, "windfor", hour) == [(1, 1), (2, 2), (4, 2)]
    day = "EXTRACT(DAY FROM forecastDate)"
    assert shown(client, dataset, "ndfd", f"{day}, demand") == [
        (10, 1),
        (11, 2),
        (13, 2),
    ]
    assert shown(client, dataset, "ndfw", "year, week, demand") == [
        (2026, 52, 1),
        (2026, 53, 2),
        (2027, 2, 2),
    ]
    columns = f"fuelType, {day}, outputUsable"
    assert shown(client, dataset, "fou2t14d", columns) == [
        ("CCGT", 10, 1),
        ("CCGT", 11, 2),
        ("COAL", 10, 1),
        ("COAL", 11, 1),
    ]


def test_a_publication_of_iris_replaces_that_of_history(client, dataset, publish):
    """What IRIS has of a half-hour is whole; other half-hours are history's."""
    client.query_and_wait(
        f"CREATE TABLE {dataset}.bmrs_disbsad AS SELECT "
        f"DATETIME '{DAY}' AS settlementDate, period AS settlementPeriod, id, "
        "id * 10.0 AS cost, 1.0 * id AS volume, FALSE AS soFlag, FALSE AS storFlag, "
        "'2026-09-01T00:00:00Z' AS _ingested_utc "
        "FROM UNNEST([20, 21]) AS period, UNNEST([1, 2, 3]) AS id"
    )
    apply(client, dataset, "DISBSAD")
    publish(("DISBSAD_202605061000_1.json", [action(1, 1.0), action(2, 7.0)]))
    columns = "settlementPeriod, id, volume, source"
    assert shown(client, dataset, "disbsad", columns) == [
        (20, 1, 1.0, "IRIS"),
        (20, 2, 7.0, "IRIS"),
        *((21, n, float(n), "HISTORIC") for n in (1, 2, 3)),
    ]


def as_api(client, dataset, name, day="2026-05-08"):
    """Makes the rows of messages called `..._api.json` those of an answer of a day."""
    client.query_and_wait(
        f"UPDATE {dataset}.bmrs_{name}_iris SET source = 'INSIGHTS_API', "
        f"message_id = 'API_X', ingested_utc = TIMESTAMP '{day}' "
        "WHERE message_id LIKE '%_api.json'"
    )


API = "DISBSAD_202605080000_api.json"


def test_an_answer_of_the_api_with_news_is_the_last_publication(
    client, dataset, publish
):
    """Also the row that is identical to one of IRIS belongs to it."""
    apply(client, dataset, "DISBSAD")
    publish(("DISBSAD_202605061000_1.json", [action(n, n) for n in (1, 2, 3)]))
    publish((API, [action(1, 1.0), action(2, 9.0)]))
    as_api(client, dataset, "disbsad")
    assert shown(client, dataset, "disbsad", "id, volume, source") == [
        (1, 1.0, "INSIGHTS_API"),
        (2, 9.0, "INSIGHTS_API"),
    ]
    assert count(client, dataset, "disbsad_unified") == 4


def test_an_answer_that_is_cut_at_its_end_takes_no_row(client, dataset, publish):
    apply(client, dataset, "DISBSAD")
    publish(("DISBSAD_202605061000_1.json", [action(n, n) for n in (1, 2, 3)]))
    publish((API, [action(1, 1.0)]))
    as_api(client, dataset, "disbsad")
    assert [row[0] for row in shown(client, dataset, "disbsad", "id")] == [1, 2, 3]


def test_an_answer_from_before_the_last_message_is_not_the_last(
    client, dataset, publish
):
    apply(client, dataset, "DISBSAD")
    publish((API, [action(1, 4.0)]))
    as_api(client, dataset, "disbsad", "2026-05-06")
    publish(("DISBSAD_202605061000_1.json", [action(1, 1.0)]))
    assert shown(client, dataset, "disbsad", "id, volume") == [(1, 1.0)]


def test_without_iris_the_api_fills_what_history_lacks(client, dataset, publish):
    client.query_and_wait(
        f"CREATE TABLE {dataset}.bmrs_disbsad AS SELECT "
        f"DATE '{DAY}' AS settlementDate, 20 AS settlementPeriod, 1 AS id, "
        "10.0 AS cost, 1.0 AS volume, FALSE AS soFlag, FALSE AS storFlag"
    )
    apply(client, dataset, "DISBSAD")
    publish((API, [action(2, 2.0)]))
    as_api(client, dataset, "disbsad")
    assert [row[0] for row in shown(client, dataset, "disbsad", "id")] == [1, 2]
