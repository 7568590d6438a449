"""History of all three generations and IRIS under one name, worked out by hand."""

import json
from datetime import UTC, date, datetime

import pytest
from google.cloud import bigquery

from sql.apply import apply_tables, apply_views
from sql.tables import all_tables
from tests.integration.history_fixture import make_history, make_iris, registry_of

pytestmark = pytest.mark.integration

IRIS = ("BOALF", "FREQ", "DISBSAD", "MID", "FUELINST", "INDO")
REGISTRY = registry_of(*IRIS, "DISEBSP", "OCNMFD", "REMIT", "BOAV", "MILS", "TEMP")
GENERATIONS = ("datetime", "text", "legacy")
# Whose views each BigQuery dataset has: of a generation, what there is history of.
VIEWS_OF = {
    "datetime": REGISTRY,
    "text": registry_of("BOALF", "DISBSAD", "FREQ", "MID"),
    "legacy": registry_of("BOALF", "FREQ", "MILS"),
    "alone": REGISTRY,
}
DAY = "settlementDate = DATE '2026-05-06'"


@pytest.fixture(scope="module")
def client(client) -> bigquery.Client:
    for generation in GENERATIONS:
        make_history(client, generation, generation)
    for dataset, registry in VIEWS_OF.items():
        make_iris(client, dataset, REGISTRY)
        assert apply_views(client, dataset, registry).conflicts == []
    return client


def rows(client, sql: str) -> list[dict]:
    return [dict(row) for row in client.query_and_wait(sql)]


def values(client, sql: str) -> list[tuple]:
    return [tuple(row.values()) for row in client.query_and_wait(sql)]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("generation", ["datetime", "text"])
def test_boalf_of_one_day(client, generation):
    """A record on both sides once, copies once, versions of either side kept."""
    found = values(
        client,
        "SELECT acceptanceNumber, levelTo, source, timeFrom, soFlag, "
        f"settlementPeriodTo, acceptanceTime FROM {generation}.bmrs_boalf_unified "
        f"WHERE {DAY} ORDER BY acceptanceNumber, levelTo",
    )
    at, accepted = utc("2026-05-06 03:00"), utc("2026-05-06 02:31")
    assert found == [
        (1170, -2, "IRIS", at, False, 9, utc("2026-05-06 02:46")),
        (217256, 480, "HISTORIC", at, True, 10, utc("2026-05-06 02:30")),
        (217257, 470, "HISTORIC", at, True, 10, accepted),
        (217257, 475, "IRIS", at, True, 10, accepted),
        (217257, 480, "IRIS", at, True, 10, accepted),
    ]


def test_boalf_of_the_first_generation(client):
    """One settlementPeriod fills both columns; what IRIS has of a record wins."""
    found = values(
        client,
        "SELECT acceptanceNumber, levelTo, source, settlementPeriodFrom, "
        "settlementPeriodTo, soFlag, rrFlag FROM legacy.bmrs_boalf_unified "
        f"WHERE {DAY} ORDER BY acceptanceNumber, levelTo",
    )
    assert found == [
        (1170, -2, "IRIS", 9, 9, False, False),
        (217256, 480, "HISTORIC", 9, 9, True, None),
        (217257, 470, "HISTORIC", 9, 9, True, None),
        (217257, 475, "IRIS", 9, 10, True, False),
        (217257, 480, "IRIS", 9, 10, True, False),
    ]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_freq_of_every_generation(client, generation):
    found = values(
        client,
        f"SELECT measurementTime, frequency, source FROM {generation}.bmrs_freq_unified"
        " WHERE measurementTime >= TIMESTAMP '2026-05-07' ORDER BY measurementTime",
    )
    assert found == [
        (utc("2026-05-07 23:59:30"), 50.1, "HISTORIC"),
        (utc("2026-05-07 23:59:45"), 50.017, "IRIS"),
        (utc("2026-05-08 00:00:00"), 49.97, "IRIS"),
    ]


@pytest.mark.parametrize("generation", ["datetime", "text"])
def test_flags_that_are_text_become_booleans(client, generation):
    found = values(
        client,
        f"SELECT id, isTendered, cost, source FROM {generation}.bmrs_disbsad_unified "
        f"WHERE {DAY} ORDER BY id",
    )
    assert found == [(1, None, 0.0, "IRIS"), (2, True, -12.5, "HISTORIC")]


@pytest.mark.parametrize("generation", ["datetime", "text"])
def test_mid_has_eight_copies_and_columns_that_history_lacks(client, generation):
    """Both files of IRIS stay: they differ in a column that only IRIS has."""
    found = values(
        client,
        "SELECT settlementPeriod, dataProvider, price, sourceFileSerialNumber, source "
        f"FROM {generation}.bmrs_mid_unified WHERE {DAY} "
        "ORDER BY settlementPeriod, sourceFileSerialNumber",
    )
    assert found == [
        (8, "N2EXMIDP", 0.0, None, "HISTORIC"),
        (9, "APXMIDP", 105.43, "10", "IRIS"),
        (9, "APXMIDP", 105.43, "9", "IRIS"),
    ]
    latest = f"SELECT settlementPeriod, sourceFileSerialNumber \
        FROM {generation}.bmrs_mid_latest WHERE {DAY} ORDER BY settlementPeriod"
    assert values(client, latest) == [(8, None), (9, "10")]


def test_fuelinst_keeps_all_six_values_of_a_half_hour(client):
    found = values(
        client,
        "SELECT startTime, generation, source FROM datetime.bmrs_fuelinst_unified "
        f"WHERE {DAY} AND fuelType = 'BIOMASS' ORDER BY startTime",
    )
    assert [(at.minute, mw) for at, mw, _ in found] == [
        (30, 2700), (35, 2700), (40, 2712), (45, 2712), (50, 2712), (55, 2712),
    ]  # fmt: skip
    assert [source for *_, source in found] == ["HISTORIC"] * 5 + ["IRIS"]


def test_system_prices_keep_every_run_and_the_latest_is_the_last(client):
    columns = "settlementPeriod, systemSellPrice, createdDateTime, dataset"
    every = f"SELECT {columns} FROM datetime.bmrs_disebsp_unified WHERE {DAY} \
        ORDER BY createdDateTime"
    first = (9, 80.5, utc("2026-05-06 03:52"), "DISEBSP")
    second = (9, 81.0, utc("2026-05-07 04:00"), "DISEBSP")
    assert values(client, every) == [first, second]
    latest = f"SELECT {columns} FROM datetime.bmrs_disebsp_latest WHERE {DAY}"
    assert values(client, latest) == [second]


def test_two_historic_tables_of_one_dataset_are_one(client):
    found = values(
        client,
        "SELECT forecastDate, surplus FROM datetime.bmrs_ocnmfd_unified "
        "ORDER BY forecastDate",
    )
    assert found == [(date(2026, 5, 8), 9000), (date(2026, 5, 9), 9001)]


def test_the_days_on_which_the_clocks_change(client):
    found = values(
        client,
        "SELECT settlementDate, settlementPeriod, startTime, demand, source "
        "FROM datetime.bmrs_indo_unified ORDER BY startTime",
    )
    spring, autumn = date(2025, 3, 30), date(2025, 10, 26)
    assert found == [
        (spring, 46, utc("2025-03-30 22:30"), 21000, "HISTORIC"),
        (autumn, 49, utc("2025-10-26 23:00"), 21900, "IRIS"),
        (autumn, 50, utc("2025-10-26 23:30"), 22000, "IRIS"),
    ]
    boalf = values(
        client,
        "SELECT settlementPeriodFrom, settlementPeriodTo, timeTo "
        "FROM text.bmrs_boalf_unified WHERE settlementDate = DATE '2025-10-26'",
    )
    assert boalf == [(49, 50, utc("2025-10-27 00:00"))]


def test_remit_reads_json_text_and_the_highest_revision_is_the_latest(client):
    """Revision 2 was published before revision 1."""
    columns = "revisionNumber, eventStatus, outageProfile, extra"
    found = rows(
        client,
        f"SELECT {columns} FROM datetime.bmrs_remit_unified ORDER BY revisionNumber",
    )
    assert found[0]["outageProfile"] == [
        {
            "startTime": utc("2026-05-06 05:00"),
            "endTime": utc("2026-05-07 05:00"),
            "capacity": 205.5,
        }
    ]
    assert found[1]["outageProfile"] == []
    assert json.loads(found[1]["extra"])["outageProfile"] == "no json"
    assert json.loads(found[0]["extra"]) == {
        "messageId": "11XRWENET12345-1",
        "participantName": "RWE",
    }
    (latest,) = rows(client, f"SELECT {columns} FROM datetime.bmrs_remit_latest")
    assert (latest["revisionNumber"], latest["eventStatus"]) == (2, "Dismissed")


def test_a_note_that_is_data_keeps_rows_apart_and_is_shown(client):
    """A bid and an offer of BOAV with equal values; the bid was fetched twice."""
    found = rows(
        client,
        "SELECT pairVolumes.negative1, pairVolumes.positive1, startTime, extra "
        f"FROM datetime.bmrs_boav_unified WHERE {DAY} ORDER BY extra",
    )
    assert [json.loads(row.pop("extra")) for row in found] == [
        {"_direction": "bid"},
        {"_direction": "offer"},
    ]
    expected = {
        "negative1": -1.5,
        "positive1": 2.0,
        "startTime": utc("2026-05-06 03:00"),
    }
    assert found == [expected, expected]


ODD = registry_of("DISEBSP", "FUELINST", "INDO", "BOALF")


@pytest.fixture(scope="module")
def odd(client) -> str:
    """History that no loader should have made, and IRIS beside it."""
    client.create_dataset("odd", exists_ok=True)
    for statement in (
        # Two tables of one dataset, one of which lacks what tells versions apart.
        "CREATE TABLE odd.bmrs_costs AS SELECT DATETIME '2025-06-01' AS settlementDate,"
        " 1 AS settlementPeriod, run AS createdDateTime, price AS systemBuyPrice "
        "FROM UNNEST([STRUCT(DATETIME '2025-06-01 01:00:00' AS run, 10.0 AS price), "
        "(DATETIME '2025-06-02 01:00:00', 99.0)])",
        "CREATE TABLE odd.bmrs_disebsp AS SELECT DATE '2025-06-01' AS settlementDate, "
        "2 AS settlementPeriod",
        # Values that no column can hold.
        "CREATE TABLE odd.bmrs_fuelinst AS SELECT "
        "DATE '2025-06-01' AS settlementDate, generation, fuelType "
        "FROM UNNEST([STRUCT(12.5 AS generation, 'CCGT' AS fuelType), (13.5, 'CCGT'), "
        "(13.5, 'CCGT'), (14.0, 'CCGT')])",
        # A load that left out names that IRIS has, and came after IRIS.
        "CREATE TABLE odd.bmrs_boalf AS SELECT DATE '2026-05-06' AS settlementDate, "
        "'AG-DUKP08' AS nationalGridBmUnit, CAST(NULL AS STRING) AS bmUnit, "
        "1170 AS acceptanceNumber, "
        "TIMESTAMP '2026-05-06 02:46:00+00' AS acceptanceTime, "
        "TIMESTAMP '2026-05-06 03:00:00+00' AS timeFrom, "
        "TIMESTAMP '2026-05-06 03:14:00+00' AS timeTo, level AS levelFrom, "
        "level AS levelTo, 'ORI' AS amendmentFlag, '2026-09-01T00:00:00Z' "
        "AS _ingested_utc FROM UNNEST([-2, -3]) AS level",
    ):
        client.query_and_wait(statement)
    make_iris(client, "odd", ODD)
    client.query_and_wait(
        "INSERT INTO odd.bmrs_indo_iris (settlementDate, settlementPeriod, demand) "
        "VALUES ('2025-10-26', 1, 1), ('2025-10-26', 1, 1)"
    )
    client.query_and_wait(
        "INSERT INTO odd.bmrs_disebsp_iris (settlementDate, settlementPeriod, "
        "createdDateTime, systemBuyPrice, source, record_id) VALUES ('2025-06-01', 1, "
        "TIMESTAMP '2025-06-02 01:00:00+00', 99.0, 'IRIS', 'a')"
    )
    assert apply_views(client, "odd", ODD).conflicts == []
    return "odd"


def test_versions_stay_where_another_historic_table_does_not_know_them(client, odd):
    """IRIS has the second run of period 1, which is left out, and not the first."""
    found = values(
        client,
        "SELECT settlementPeriod, systemBuyPrice, source "
        "FROM odd.bmrs_disebsp_unified ORDER BY settlementPeriod, systemBuyPrice",
    )
    assert found == [
        (1, 10.0, "HISTORIC"),
        (1, 99.0, "IRIS"),
        (2, None, "HISTORIC"),
    ]


def test_values_that_no_column_holds_are_in_extra_and_keep_rows_apart(client, odd):
    found = values(
        client,
        "SELECT generation, extra FROM odd.bmrs_fuelinst_unified "
        "WHERE source = 'HISTORIC' ORDER BY generation, extra",
    )
    assert [(mw, extra and json.loads(extra)) for mw, extra in found] == [
        (None, {"generation": 12.5}),
        (None, {"generation": 13.5}),
        (14, None),
    ]


def test_iris_wins_over_a_load_that_left_out_a_name_or_came_later(client, odd):
    columns = "levelFrom, bmUnit, source"
    where = f"WHERE {DAY} AND acceptanceNumber = 1170 ORDER BY levelFrom"
    iris, history = (-2, "2__DUKPR008", "IRIS"), (-3, None, "HISTORIC")
    every = f"SELECT {columns} FROM odd.bmrs_boalf_unified {where}"
    assert values(client, every) == [history, iris]
    latest = f"SELECT {columns} FROM odd.bmrs_boalf_latest {where}"
    assert values(client, latest) == [iris]


def test_units_that_have_but_an_elexon_name_are_told_apart_by_it(client):
    registry = registry_of("EBOCF")
    apply_tables(client, "unnamed", list(all_tables(registry)), "EU")
    client.query_and_wait(
        "CREATE TABLE unnamed.bmrs_ebocf AS SELECT '2026-05-06' AS settlementDate, "
        "1 AS settlementPeriod, CAST(NULL AS STRING) AS nationalGridBmUnit, bmUnit, "
        "0.0 AS totalCashflow FROM UNNEST(['2__A', '2__B']) AS bmUnit"
    )
    client.query_and_wait(
        "INSERT INTO unnamed.bmrs_ebocf_iris (settlementDate, settlementPeriod, "
        "bmUnit, totalCashflow, source, record_id) "
        "VALUES ('2026-05-06', 1, '2__B', 0.0, 'IRIS', 'b')"
    )
    assert apply_views(client, "unnamed", registry).conflicts == []
    found = values(
        client, "SELECT bmUnit, source FROM unnamed.bmrs_ebocf_unified ORDER BY bmUnit"
    )
    assert found == [("2__A", "HISTORIC"), ("2__B", "IRIS")]


def test_rows_that_nobody_gave_an_id_are_not_taken_for_copies(client, odd):
    sql = "SELECT COUNT(*) FROM odd.bmrs_indo_unified WHERE record_id IS NULL"
    assert values(client, sql) == [(2,)]


def test_one_level_of_the_first_generation_is_both_levels(client):
    found = values(
        client,
        "SELECT levelFrom, levelTo, notificationSequence, bmUnit, ingested_utc "
        f"FROM legacy.bmrs_mils_unified WHERE {DAY}",
    )
    assert found == [(-40, -40, 7, None, utc("2026-06-01 00:00"))]


@pytest.mark.parametrize(
    "name",
    [
        "bmrs_mils_resolved",
        "bmrs_mils_resolved_between(TIMESTAMP '2026-05-06', TIMESTAMP '2026-05-07', 1)",
    ],
)
def test_limits_are_resolved_from_history_and_iris_together(client, name):
    """A declaration of IRIS cuts one of history in the middle."""
    client.query_and_wait("DELETE FROM legacy.bmrs_mils_iris WHERE TRUE")
    client.query_and_wait(
        "INSERT INTO legacy.bmrs_mils_iris (settlementDate, timeFrom, timeTo, "
        "levelFrom, levelTo, notificationSequence, nationalGridBmUnit, record_id) "
        "VALUES ('2026-05-06', TIMESTAMP '2026-05-06 03:10:00+00', "
        "TIMESTAMP '2026-05-06 03:20:00+00', -10, -10, 8, 'MRWD-1', 'a')"
    )
    found = values(
        client,
        "SELECT settlementPeriod, timeFrom, timeTo, levelFrom "
        f"FROM legacy.{name} ORDER BY timeFrom",
    )
    times = [utc(f"2026-05-06 03:{minute:02}") for minute in (0, 10, 20, 30)]
    assert found == [
        (9, times[0], times[1], -40),
        (9, times[1], times[2], -10),
        (9, times[2], times[3], -40),
    ]


def test_without_history_the_views_answer_from_iris(client):
    counts = {
        name: values(client, f"SELECT COUNT(*) FROM alone.bmrs_{name}_unified")[0][0]
        for name in ("boalf", "freq", "disbsad", "mid", "fuelinst", "indo", "temp")
    }
    assert counts == {
        "boalf": 3, "freq": 2, "disbsad": 1, "mid": 2, "fuelinst": 1, "indo": 2,
        "temp": 0,
    }  # fmt: skip


def test_a_view_has_the_same_columns_in_every_case(client):
    for dataset in REGISTRY.values():
        schemas = [
            [
                (field.name, field.field_type, [inner.name for inner in field.fields])
                for field in client.get_table(f"{name}.{dataset.stem}_{kind}").schema
            ]
            for name, registry in VIEWS_OF.items()
            if dataset.name in registry
            for kind in ("unified", "latest")
        ]
        assert all(schema == schemas[0] for schema in schemas), dataset.name


def test_rows_that_came_twice_in_spite_of_all_are_shown_once(client):
    client.query_and_wait(
        "CREATE TABLE IF NOT EXISTS alone.before AS "
        "SELECT COUNT(*) AS n FROM alone.bmrs_indo_iris"
    )
    client.query_and_wait(
        "INSERT INTO alone.bmrs_indo_iris SELECT * FROM alone.bmrs_indo_iris"
    )
    assert values(client, "SELECT COUNT(*) FROM alone.bmrs_indo_iris") == [(4,)]
    assert values(client, "SELECT COUNT(*) FROM alone.bmrs_indo_unified") == [(2,)]


def test_a_second_apply_changes_nothing_and_another_schema_replaces_the_view(client):
    again = apply_views(client, "text", VIEWS_OF["text"])
    assert (again.created, again.replaced, again.conflicts) == ([], [], [])
    client.query_and_wait("ALTER TABLE text.bmrs_freq ADD COLUMN station STRING")
    client.query_and_wait("ALTER TABLE text.bmrs_freq DROP COLUMN frequency")
    changed = apply_views(client, "text", VIEWS_OF["text"])
    assert (changed.replaced, changed.conflicts) == (["bmrs_freq_unified"], [])
    assert "bmrs_freq" in changed.histories
    notes = [note for note in changed.notes if note.startswith("bmrs_freq")]
    assert "bmrs_freq has no frequency: NULL for its rows" in notes
    assert "bmrs_freq.station is not a column of FREQ: see extra" in notes
    found = values(
        client, "SELECT frequency, source FROM text.bmrs_freq_unified ORDER BY 1, 2"
    )
    assert found == [(None, "HISTORIC"), (49.97, "IRIS"), (50.017, "IRIS")]


def test_a_table_that_has_the_name_of_a_view_is_left_alone(client):
    client.create_dataset("taken", exists_ok=True)
    client.query_and_wait("CREATE TABLE taken.bmrs_temp_unified (mine INT64)")
    registry = registry_of("TEMP")
    apply_tables(client, "taken", list(all_tables(registry)), "EU")
    outcome = apply_views(client, "taken", registry)
    assert outcome.conflicts[0] == (
        "bmrs_temp_unified is a TABLE, not a view: rename or drop it"
    )
