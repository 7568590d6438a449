"""`gb_outages`, `gb_outages_now` and `gb_outages_at`, worked out by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.cloud import bigquery

from tests.integration.history_fixture import registry_of
from tests.integration.made_outages import report
from tests.integration.market_fixture import make_market, rows, send, store, values

pytestmark = pytest.mark.integration

REGISTRY = registry_of("REMIT", "PN", "UOU2T14D")
AT = "2026-05-06T12:00:00Z"
MADE = "made"


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    for name in ("cases", MADE):
        make_market(client, name, REGISTRY)
    send(client, "cases")
    return client


@pytest.fixture
def outages(client):
    """What is out at `AT`, after the messages of one test."""

    def ask(messages, columns="unit, unavailableCapacity", at=AT, pairs=()):
        store(client, f"{MADE}.bmrs_remit_iris", messages)
        store(client, f"{MADE}.bmrs_pn_iris", [notified(*p) for p in pairs])
        sql = f"SELECT {columns} FROM {MADE}.gb_outages_at(TIMESTAMP '{at}')"
        return sorted(values(client, sql), key=str)

    return ask


def step(start: str | None, end: str | None, capacity: float | None) -> dict[str, Any]:
    return {"startTime": start, "endTime": end, "capacity": capacity}


def notified(national_grid: str | None, elexon: str | None) -> dict[str, Any]:
    return {
        "settlementDate": "2026-05-05",
        "settlementPeriod": 1,
        "timeFrom": "2026-05-04T23:00:00Z",
        "timeTo": "2026-05-04T23:30:00Z",
        "nationalGridBmUnit": national_grid,
        "bmUnit": elexon,
    }


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_plant_and_a_trader_report_one_outage(client):
    """869 MW once, from the plant's start; revisions count once; steps decide."""
    found = rows(
        client,
        "SELECT unit, nationalGridBmUnit, bmUnit, unavailableCapacity, eventStartTime, "
        "reports, revisionNumber FROM "
        "cases.gb_outages_at(TIMESTAMP '2026-11-28 12:00:00+00') ORDER BY unit",
    )
    assert [tuple(row.values()) for row in found] == [
        ("QAHUM-1", "QAHUM-1", "T_QAHUM-1", 869, utc("2025-11-01 22:30"), 2, 1),
        ("QAHYM-7", "QAHYM-7", "T_QAHYM-7", 609, utc("2025-11-01 22:30"), 1, 52),
        ("QAPRF-1", None, None, 100, utc("2025-11-01 22:30"), 1, 1),
    ]


def test_now_is_the_current_instant(client, outages):
    outages([report("A-1", eventEndTime=None), report("A-2", affectedUnit="ABCD-2")])
    now = values(client, f"SELECT unit, unavailableCapacity FROM {MADE}.gb_outages_now")
    assert now == [("ABCD-1", 300)]


def test_before_its_second_step_the_outage_takes_more(client):
    sql = (
        "SELECT unavailableCapacity, availableCapacity FROM cases.gb_outages_at("
        "TIMESTAMP '2025-11-01 23:15:00+00') WHERE unit = 'QAPRF-1'"
    )
    assert values(client, sql) == [(500, 500)]


def test_the_highest_revision_counts_even_if_a_lower_one_is_published_later(outages):
    late = {"publishTime": "2026-05-06T09:00:00Z", "unavailableCapacity": 10}
    two = {"revisionNumber": 2, "unavailableCapacity": 250}
    columns = "mrid, revisionNumber, unavailableCapacity"
    found = outages([report("A-1", **late), report("A-1", **two)], columns)
    assert found == [("A-1", 2, 250)]


def test_of_equal_revisions_the_one_published_last_counts(outages):
    late = {"publishTime": "2026-05-06T09:00:00Z", "eventStatus": "Dismissed"}
    assert outages([report("A-1"), report("A-1", **late)]) == []


@pytest.mark.parametrize("status", ["Dismissed", "dismissed", "Inactive", "Withdrawn"])
def test_an_event_that_is_off_or_over_is_not_out(outages, status):
    assert outages([report("A-1", eventStatus=status)]) == []


def test_an_event_that_is_over_was_out_until_its_message_said_so(outages):
    over = {"revisionNumber": 2, "eventStatus": "Inactive"}
    messages = [
        report("A-1"),
        report("A-1", publishTime="2026-05-06T13:00:00Z", **over),
    ]
    assert outages(messages) == [("ABCD-1", 300)]
    assert outages(messages, at="2026-05-06T13:00:00Z") == []


def test_a_window_is_half_open_and_may_have_no_end(outages):
    assert outages([report("A-1")], at="2026-05-05T09:59:59Z") == []
    assert outages([report("A-1")], at="2026-05-05T10:00:00Z") == [("ABCD-1", 300)]
    assert outages([report("A-1")], at="2026-05-08T10:00:00Z") == []
    found = outages(
        [report("A-1", eventEndTime=None)],
        "unit, eventEndTime",
        at="2027-01-01T00:00:00Z",
    )
    assert found == [("ABCD-1", None)]


def test_without_a_profile_or_in_a_gap_of_it_the_event_itself_counts(outages):
    morning = step("2026-05-05T10:00:00Z", "2026-05-06T11:00:00Z", 100)
    evening = step("2026-05-06T12:00:01Z", "2026-05-08T10:00:00Z", 0)
    assert outages([report("A-1", outageProfile=[morning, evening])]) == [
        ("ABCD-1", 300)
    ]
    assert outages([report("A-1", unavailableCapacity=None)]) == [("ABCD-1", 300)]


@pytest.mark.parametrize(
    ("steps", "lost"),
    [
        ([step("2026-05-05T10:00:00Z", AT, 0), step(AT, None, 450)], 50),
        ([step(None, "2026-05-07T00:00:00Z", 120.5)], 379.5),
        ([step("2026-05-05T10:00:00Z", None, 600)], 0),
        ([step("2026-05-05T10:00:00Z", None, None)], 300),
        (
            [
                step("2026-05-06T11:00:00Z", "2026-05-06T13:00:00Z", 400),
                step("2026-05-05T10:00:00Z", "2026-05-08T10:00:00Z", 0),
            ],
            100,
        ),
    ],
    ids=["the next step", "no start", "more than normal", "no capacity", "overlap"],
)
def test_the_step_of_the_instant_decides(outages, steps, lost):
    assert outages([report("A-1", outageProfile=steps)]) == [("ABCD-1", lost)]


TRADER = {
    "participantId": "TRADER",
    "publishTime": "2026-05-05T08:05:00Z",
    "eventStartTime": "2026-05-05T10:30:00Z",
    "eventEndTime": "2026-05-08T12:00:00Z",
    "cause": "Unplanned outage at the plant",
    "biddingZone": "GB",
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"affectedUnit": "T_ABCD-1"},
        {"affectedUnit": "t_abcd-1 "},
        {"unavailableCapacity": 300.4, "availableCapacity": 199.6},
        {"affectedUnit": None, "assetId": "T_ABCD-1"},
    ],
    ids=["same name", "other name", "small letters", "a fraction", "asset"],
)
@pytest.mark.parametrize("pairs", [(), [("ABCD-1", "T_ABCD-1")]], ids=["", "named"])
def test_a_report_of_another_participant_is_the_same_outage(outages, more, pairs):
    found = outages(
        [report("A-1"), report("B-1", **{**TRADER, **more})],
        "unit, ROUND(unavailableCapacity), eventStartTime, eventEndTime, reports",
        pairs=pairs,
    )
    since, until = utc("2026-05-05 10:00"), utc("2026-05-08 12:00")
    assert found == [("ABCD-1", 300, since, until, 2)]


def test_names_that_have_nothing_in_common_are_one_unit_by_its_notifications(outages):
    messages = [report("A-1"), report("B-1", affectedUnit="E_TOWN", **TRADER)]
    columns = "unit, nationalGridBmUnit, bmUnit, reports"
    pairs = [("ABCD-1", "E_TOWN")]
    assert outages(messages, columns, pairs=pairs) == [
        ("ABCD-1", "ABCD-1", "E_TOWN", 2)
    ]
    assert len(outages(messages)) == 2


def test_three_reports_of_which_one_has_a_profile_are_one_outage(outages):
    """The example of docs/market.md: 500 - 380 = 120 MW."""
    profile = [step("2026-05-05T10:00:00Z", "2026-05-08T10:00:00Z", 380)]
    found = outages(
        [
            report("A-1", outageProfile=profile),
            report("B-1", affectedUnit="T_ABCD-1", **TRADER),
            report("C-1", participantId="THIRD", unavailableCapacity=120),
        ],
        "unit, unavailableCapacity, eventStartTime, eventEndTime, mrid, reports",
    )
    since, until = utc("2026-05-05 10:00"), utc("2026-05-08 12:00")
    assert found == [("ABCD-1", 120, since, until, "A-1", 3)]


@pytest.mark.parametrize(
    "more",
    [
        {"unavailabilityType": "Planned"},
        {"eventType": "Consumption unavailability"},
        {"unavailableCapacity": 50, "availableCapacity": 450},
        {"cause": "Ambient temperature"},
        {"affectedUnit": "ABCD-2"},
    ],
    ids=["planned", "consumption", "capacity", "cause", "unit"],
)
def test_different_outages_are_rows_of_their_own(outages, more):
    """Also if their senders and their windows are the same."""
    found = outages([report("A-1"), report("A-2", **more)], "mrid, reports")
    assert found == [("A-1", 1), ("A-2", 1)]


def test_two_outages_that_both_report_are_two(outages):
    """Two strings of a wind farm, 300 MW each; the trader reports both."""
    second = {"cause": "Second string"}
    found = outages(
        [
            report("A-1"),
            report("A-2", **second),
            report("B-1", **TRADER),
            report("B-2", **{**TRADER, **second}),
        ],
        "unit, unavailableCapacity, reports",
    )
    assert found == [("ABCD-1", 300, 2)] * 2


def test_one_that_was_sent_again_under_another_mrid_is_one(outages):
    again = {"eventStartTime": "2026-05-05T11:00:00Z"}
    found = outages([report("A-1"), report("A-2", **again)], "unit, reports")
    assert found == [("ABCD-1", 2)]


def test_other_market_information_is_not_an_outage(outages):
    other = {"messageType": "OtherMarketInformation", "affectedUnit": None}
    assert outages([report("A-1", **other)]) == []


def test_messages_without_a_unit_are_not_joined(outages):
    messages = [report(mrid, affectedUnit=None) for mrid in ("A-1", "B-1")]
    assert outages(messages, "unit, mrid") == [(None, "A-1"), (None, "B-1")]


def test_the_history_has_one_row_for_each_event(client, outages):
    """Windows that touch are two events; a dismissed message is none."""
    outages(
        [
            report("A-1"),
            report("B-1", **TRADER),
            report("A-2", eventStartTime="2026-05-08T12:00:00Z", eventEndTime=None),
            report("A-3", eventStatus="Dismissed", unavailableCapacity=1),
            report(
                "A-4",
                eventStatus="Inactive",
                eventStartTime="2026-05-01T00:00:00Z",
                publishTime="2026-05-02T06:00:00Z",
            ),
            report("A-5", eventStatus="Inactive", publishTime="2026-05-01T00:00:00Z"),
        ]
    )
    found = values(
        client,
        "SELECT eventStartTime, eventEndTime, reports, unavailableCapacity "
        f"FROM {MADE}.gb_outages WHERE unit = 'ABCD-1' ORDER BY eventStartTime",
    )
    assert found == [
        (utc("2026-05-01 00:00"), utc("2026-05-02 06:00"), 1, 300),
        (utc("2026-05-05 10:00"), utc("2026-05-08 12:00"), 2, 300),
        (utc("2026-05-08 12:00"), None, 1, 300),
    ]


def test_the_fuel_is_that_of_the_reference_list_where_remit_has_none(client, outages):
    listed = [{"elexonBmUnit": "T_ABCD-1", "fuelType": "CCGT"}]
    listed[0]["nationalGridBmUnit"] = "ABCD-1"
    table = client.get_table(f"{MADE}.gb_reference_units")
    config = bigquery.LoadJobConfig(schema=table.schema)
    client.load_table_from_json(listed, table, job_config=config).result()
    found = outages([report("A-1", fuelType=None)], "unit, bmUnit, fuelType")
    assert found == [("ABCD-1", "T_ABCD-1", "CCGT")]
