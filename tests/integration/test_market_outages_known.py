"""`gb_outages_known` and `gb_outages_history`: what was known of outages, and when."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import bigquery

from tests.integration.history_fixture import registry_of
from tests.integration.made_outages import report
from tests.integration.market_fixture import make_market, store, values

pytestmark = pytest.mark.integration

Row = dict[str, Any]

REGISTRY = registry_of("REMIT", "PN")
CASES, RANDOM = "known", "random_known"
HOUR = timedelta(hours=1)
START = datetime(2026, 5, 5, tzinfo=UTC)
# The last publication is before `HOURS`; some outages end after it.
HOURS = 48
FAR = START + 10_000 * HOUR
COLUMNS = "mrid, revisionNumber, unavailableCapacity"


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    make_market(client, CASES, REGISTRY)
    later = {"revisionNumber": 2, "publishTime": "2026-05-06T09:00:00Z"}
    messages = [
        report("A-1"),
        report("A-1", unavailableCapacity=450, availableCapacity=50, **later),
        # A lower revision that is published after a higher one says nothing.
        report("A-1", publishTime="2026-05-06T11:00:00Z", unavailableCapacity=1),
        report("B-1", affectedUnit="BCDE-1"),
        report("B-1", affectedUnit="BCDE-1", eventStatus="Dismissed", **later),
    ]
    store(client, f"{CASES}.bmrs_remit_iris", messages)
    store(client, f"{CASES}.bmrs_pn_iris", [])
    return client


def text(at: datetime) -> str:
    return f"TIMESTAMP '{at.isoformat()}'"


def known(client, dataset: str, at: datetime, then: datetime, columns: str = COLUMNS):
    arguments = f"{text(at)}, {text(then)}"
    sql = f"SELECT {columns} FROM {dataset}.gb_outages_known({arguments})"
    return sorted(values(client, sql), key=str)


def test_an_outage_is_as_it_was_known(client):
    """The example of docs/market.md: 300 MW, and 450 after 9 o'clock of 6 May."""
    noon = START + 36 * HOUR
    before = known(client, CASES, noon, START + 32 * HOUR)
    assert before == [("A-1", 1, 300), ("B-1", 1, 300)]
    assert known(client, CASES, noon, START + 33 * HOUR) == [("A-1", 2, 450)]


def test_before_its_publication_an_outage_is_not_known(client):
    assert known(client, CASES, START + 36 * HOUR, START + 7 * HOUR) == []


def test_the_history_has_each_revision_from_its_publication_on(client):
    columns = "mrid, revisionNumber, eventStatus, knownFrom, knownUntil"
    sql = f"SELECT {columns} FROM {CASES}.gb_outages_history ORDER BY mrid, knownFrom"
    first, second = START + 8 * HOUR, START + 33 * HOUR
    assert values(client, sql) == [
        ("A-1", 1, "Active", first, second),
        ("A-1", 2, "Active", second, None),
        ("B-1", 1, "Active", first, second),
        ("B-1", 2, "Dismissed", second, None),
    ]


def random_reports() -> list[Row]:
    """Revisions of outages of different units, published in any order."""
    chance = random.Random(5)
    made = []
    for number in range(40):
        for revision in range(1, chance.randint(2, 6)):
            begin = START + chance.randint(0, HOURS) * HOUR
            published = START + chance.randint(0, HOURS - 1) * HOUR
            lost = chance.randint(1, 400)
            times = {
                "publishTime": published.isoformat(),
                "createdTime": published.isoformat(),
                "eventStartTime": begin.isoformat(),
                "eventEndTime": (begin + chance.randint(1, 40) * HOUR).isoformat(),
            }
            status = chance.choice(["Active"] * 4 + ["Inactive", "Dismissed"])
            made.append(
                report(
                    f"M-{number}",
                    revisionNumber=revision,
                    affectedUnit=f"UNIT-{number}",
                    unavailableCapacity=lost,
                    availableCapacity=500 - lost,
                    eventStatus=status,
                    **times,
                )
            )
    chance.shuffle(made)
    return made


def best_known(made: list[Row], then: datetime) -> dict[str, Row]:
    """Of each message the highest revision that was published by then."""
    best: dict[str, Row] = {}
    for row in made:
        found = best.get(row["mrid"])
        higher = found is None or row["revisionNumber"] > found["revisionNumber"]
        if datetime.fromisoformat(row["publishTime"]) <= then and higher:
            best[row["mrid"]] = row
    return best


def is_out(row: Row, at: datetime) -> bool:
    begin, end, published = (
        datetime.fromisoformat(row[name])
        for name in ("eventStartTime", "eventEndTime", "publishTime")
    )
    if row["eventStatus"] == "Inactive":
        end = min(end, published)
    return row["eventStatus"] != "Dismissed" and begin <= at < end


@pytest.fixture(scope="module")
def reports(client) -> list[Row]:
    make_market(client, RANDOM, REGISTRY)
    made = random_reports()
    store(client, f"{RANDOM}.bmrs_remit_iris", made)
    store(client, f"{RANDOM}.bmrs_pn_iris", [])
    return made


# Hours after the start: of the outage, and of what was known.
INSTANTS = [(10, 5), (24, 6), (24, 24), (30, 47), (40, 12), (60, 30)]


@pytest.mark.parametrize(("at", "then"), INSTANTS)
def test_random_outages_are_those_that_the_model_knew(client, reports, at, then):
    instant, moment = START + at * HOUR, START + then * HOUR
    expected = [
        (row["mrid"], row["revisionNumber"], row["unavailableCapacity"])
        for row in best_known(reports, moment).values()
        if is_out(row, instant)
    ]
    assert known(client, RANDOM, instant, moment) == sorted(expected, key=str)
    assert expected


@pytest.mark.parametrize("then", [5, 12, 30, 47])
def test_the_history_has_what_the_model_knew(client, reports, then):
    moment = START + then * HOUR
    sql = (
        f"SELECT mrid, revisionNumber FROM {RANDOM}.gb_outages_history "
        f"WHERE knownFrom <= {text(moment)} "
        f"AND (knownUntil IS NULL OR knownUntil > {text(moment)})"
    )
    best = best_known(reports, moment)
    assert dict(values(client, sql)) == {
        mrid: row["revisionNumber"] for mrid, row in best.items()
    }


def test_what_is_known_in_the_end_is_what_is_known_today(client, reports):
    instant = START + 30 * HOUR
    sql = f"SELECT * FROM {RANDOM}.gb_outages_at({text(instant)})"
    found = known(client, RANDOM, instant, FAR, "*")
    assert found == sorted(values(client, sql), key=str)
    assert len(found) > 5
