"""What `sql refresh` resolves: with it or without, the views show the same."""

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from google.cloud import bigquery

from command.tables_path import LOCAL_TABLES
from local.stack import refresh
from sql.__main__ import main
from sql.refresh.resolution import Resolution
from sql.tables import runs_table
from tests.integration.declarations_fixture import (
    EARLY,
    HISTORY,
    MELS,
    ORIGIN,
    PROJECT,
    Feed,
    Row,
    at_noon,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def feed(client: bigquery.Client, request: pytest.FixtureRequest) -> Feed:
    return Feed(client, dataset_of(request))


def dataset_of(request: pytest.FixtureRequest) -> str:
    return f"refresh_{abs(hash(request.node.name)):x}"


def declared(chance: random.Random, now: datetime) -> Row:
    """A declaration of which few values differ, so that many touch, tie and agree."""
    minute = chance.choice([0, 30, 60, 90, chance.randrange(4000)])
    lasts = chance.choice([30, 30, 0, -5, chance.randrange(1, 60), 3000])
    start = ORIGIN + timedelta(minutes=minute)
    notified = chance.choice([None, EARLY.isoformat(), ORIGIN.isoformat()])
    level = chance.choice([0, 100])
    row: Row = {
        "dataset": "MELS",
        "settlementDate": start.date().isoformat(),
        "settlementPeriod": chance.randrange(1, 51),
        "timeFrom": start.isoformat(),
        "timeTo": (start + timedelta(minutes=lasts)).isoformat(),
        "levelFrom": level,
        "levelTo": chance.choice([level, level, 50]),
        "notificationTime": notified,
        "notificationSequence": chance.choice([None, 1, 1, 2, 3]),
        "nationalGridBmUnit": chance.choice([None, "U-0", "U-1", "U-2", "U-3"]),
        "bmUnit": chance.choice([None, "T_A"]),
        "ingested_utc": now.isoformat(),
        "source": "IRIS",
        "message_id": f"m{chance.randrange(10**9)}",
    }
    row["record_id"] = repr([v for k, v in row.items() if k not in METADATA])
    return row


METADATA = {"ingested_utc", "source", "message_id", "record_id"}


def arrivals(chance: random.Random, before: list[Row], now: datetime) -> Iterator[Row]:
    """New declarations, late ones, and some that have been there before."""
    for _ in range(chance.randrange(1, 12)):
        when = chance.choice([now, now, now, EARLY, now + timedelta(days=9999)])
        yield declared(chance, when)
    for row in chance.sample(before, min(len(before), chance.randrange(4))):
        # The same record again: later, or found late, or of the API.
        again = {
            "ingested_utc": chance.choice([now, EARLY]).isoformat(),
            "source": chance.choice(["IRIS", "IRIS_ARCHIVE", "INSIGHTS_API"]),
            "message_id": f"m{chance.randrange(10**9)}",
        }
        yield row | again
    for row in chance.sample(before, min(len(before), chance.randrange(3))):
        # The same declaration, corrected.
        changed = declared(chance, now)
        kept = ("nationalGridBmUnit", "timeFrom", "timeTo", "settlementDate")
        yield changed | {k: row[k] for k in kept} | {"record_id": f"c{now}{row}"}


@pytest.mark.parametrize("with_history", [False, True])
def test_whatever_arrives_and_whenever_it_is_refreshed_the_view_shows_the_definition(
    client, request, with_history
):
    chance = random.Random(with_history)
    history = [declared(chance, EARLY) for _ in range(10)] if with_history else None
    feed = Feed(client, dataset_of(request), history)
    before: list[Row] = [*(history or [])]
    for number in range(7):
        new = list(arrivals(chance, before, ORIGIN + timedelta(hours=number)))
        before += new
        feed.arrive(*new)
        if with_history and chance.random() < 0.4:
            feed.store(HISTORY, [declared(chance, EARLY)])
        if number % 3 == 2:
            names = repr((new[0]["message_id"], chance.choice(before)["message_id"]))
            feed.run(f"DELETE FROM {feed.iris} WHERE message_id IN {names}")
        if chance.random() < 0.6:
            assert feed.refresh() == 0
        assert feed.shown() == feed.defined()
        start = ORIGIN + timedelta(minutes=chance.randrange(200))
        times = start, start + timedelta(minutes=chance.choice([30, 300]))
        assert feed.between(*times) == feed.defined_between(*times)
    assert feed.refresh() == 0
    step_by_step = feed.runs()
    assert feed.refresh("--rebuild") == 0
    assert feed.runs() == step_by_step


def test_after_a_refresh_nothing_is_new(feed, capsys):
    feed.arrive(at_noon(100))
    assert feed.refresh() == 0
    capsys.readouterr()
    assert feed.refresh() == 0
    assert capsys.readouterr().out.splitlines() == [
        "bmrs_mels_resolved: nothing new",
        "bmrs_mils_resolved: nothing new",
    ]


def test_a_refresh_says_which_units_and_times_it_resolved(feed, capsys):
    feed.arrive(at_noon(100))
    assert feed.refresh() == 0
    assert capsys.readouterr().out.startswith(
        "bmrs_mels_resolved: 1 unit resolved again from 2026-10-25 12:00 to "
        "2026-10-25 12:30, in "
    )


def test_a_declaration_without_a_date_is_shown(feed):
    feed.arrive(at_noon(100, settlementDate=None))
    assert feed.refresh() == 0
    feed.arrive(at_noon(50, settlementDate=None, notificationSequence=9))
    assert feed.shown() == feed.defined()


def test_a_row_whose_time_of_arrival_is_unknown_is_shown(feed):
    feed.arrive(at_noon(100))
    assert feed.refresh() == 0
    feed.arrive(at_noon(50, ingested_utc=None, notificationSequence=9))
    assert feed.shown() == feed.defined()


def test_what_was_resolved_by_another_definition_does_not_count(feed):
    feed.arrive(at_noon(100))
    assert feed.refresh() == 0
    table = f"{feed.path}.{runs_table(MELS).name}"
    feed.run(f"UPDATE {table} SET levelTo = 7 WHERE levelTo = 100")
    feed.run(f"UPDATE {table} SET definition = 'old' WHERE definition IS NOT NULL")
    assert feed.shown() == feed.defined()
    assert feed.refresh() == 0
    assert feed.run(f"SELECT levelTo FROM {table} WHERE levelTo IS NOT NULL") == [
        {"levelTo": 100}
    ]


def test_a_refresh_for_views_of_another_version_says_to_apply_first(feed, capsys):
    feed.run(f"CREATE OR REPLACE VIEW {feed.path}.bmrs_mels_resolved AS SELECT 1 AS a")
    assert feed.refresh() == 2
    assert capsys.readouterr().err == (
        "python -m sql refresh: bmrs_mels_resolved is not up to date: run `python -m "
        f"sql apply --project {PROJECT} --dataset {feed.dataset}`\n"
    )


def test_a_refresh_without_views_says_to_apply_first(client, capsys):
    assert main(["refresh", "--project", PROJECT, "--dataset", "not_there"]) == 2
    assert "bmrs_mels_resolved does not exist: run `" in capsys.readouterr().err


@pytest.mark.promise(
    part="cloud",
    fault="two refreshes run at once",
    happens="a statement that meets the other one is run again",
    lost="0",
    doubled="0",
    recovery="within 5 s",
    sees="nothing",
)
def test_two_refreshes_at_the_same_time_resolve_everything_once(feed):
    feed.arrive(*(at_noon(level, nationalGridBmUnit=f"U-{level}") for level in (1, 2)))
    with ThreadPoolExecutor() as threads:
        assert list(threads.map(lambda _: feed.refresh(), range(2))) == [0, 0]
    assert feed.shown() == feed.defined()


def test_a_run_on_this_machine_refreshes_its_tables(client):
    feed = Feed(client, LOCAL_TABLES.dataset)
    feed.arrive(at_noon(100))
    asyncio.run(refresh.once(client))
    assert Resolution.of(MELS, feed.path).changes(client).units == 0


def test_a_run_on_this_machine_goes_on_if_it_cannot_refresh(client):
    asyncio.run(refresh.once(client))
    assert client.query_and_wait("SELECT 1").total_rows == 1
