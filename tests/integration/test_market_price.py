"""`gb_price`: by hand, and beside a model that knows no SQL."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.api_core.exceptions import BadRequest
from google.cloud import bigquery

from sql.apply import apply_views
from tests.integration.far_day import hidden, stored_files
from tests.integration.history_fixture import registry_of
from tests.integration.market_fixture import make_market, rows, store, values

pytestmark = pytest.mark.integration

Row = dict[str, Any]
HalfHour = tuple[date, int]

REGISTRY = registry_of("DISEBSP", "MID")
CASES, RANDOM = "prices", "random_prices"
LONDON = ZoneInfo("Europe/London")
HALF_HOUR = timedelta(minutes=30)
DAY = date(2026, 5, 6)
# Days of 48, 46 and 50 half-hours.
DAYS = (DAY, date(2026, 3, 29), date(2026, 10, 25))
ALL = "gb_price_between(TIMESTAMP '2026-01-01', TIMESTAMP '2027-01-01')"
SOURCES = ("gb_price", ALL)
FIGURES = ("systemSellPrice", "systemBuyPrice", "netImbalanceVolume")


def half_hours(day: date) -> list[datetime]:
    """When each half-hour of a day begins."""
    first, last = (
        datetime(each.year, each.month, each.day, tzinfo=LONDON).astimezone(UTC)
        for each in (day, day + timedelta(days=1))
    )
    return [first + n * HALF_HOUR for n in range((last - first) // HALF_HOUR)]


def run(half_hour: HalfHour, created: str, *figures: float | None, **more: Any) -> Row:
    """A run of the settlement: sell price, buy price and imbalance."""
    day, period = half_hour
    return {
        "settlementDate": str(day),
        "settlementPeriod": period,
        "startTime": half_hours(day)[period - 1].isoformat(),
        "createdDateTime": created,
        **dict(zip(FIGURES, figures, strict=True)),
        **more,
    }


def index(
    half_hour: HalfHour,
    provider: str,
    price: float | None,
    volume: float,
    sent: str = "2026-05-06T12:00:00Z",
) -> Row:
    day, period = half_hour
    return {
        "settlementDate": str(day),
        "settlementPeriod": period,
        "startTime": half_hours(day)[period - 1].isoformat(),
        "dataProvider": provider,
        "price": price,
        "volume": volume,
        "sourceFileDateTime": sent,
        "sourceFileSerialNumber": "1",
    }


def fill(
    client: bigquery.Client, dataset: str, runs: list[Row], mid: list[Row]
) -> None:
    store(client, f"{dataset}.bmrs_disebsp_iris", runs)
    store(client, f"{dataset}.bmrs_mid_iris", mid)


FIRST, SECOND = "2026-05-07T11:00:00Z", "2026-05-11T11:00:00Z"
APX, N2EX = "APXMIDP", "N2EXMIDP"
AT = {name: (DAY, number) for number, name in enumerate(
    ("moved", "two prices", "two indices", "no trades", "alone", "again"), 1
)}  # fmt: skip


@pytest.fixture(scope="module")
def client(client: bigquery.Client) -> bigquery.Client:
    make_market(client, CASES, REGISTRY)
    fill(
        client,
        CASES,
        [
            run(AT["moved"], SECOND, 97.5, 97.5, 130.0),
            run(AT["moved"], FIRST, 95.0, 95.0, 120.0),
            run(AT["two prices"], FIRST, 40.0, 60.0, -5.0),
            run(AT["no trades"], FIRST, 50.0, 50.0, 1.0),
            run(AT["again"], FIRST, 1.0, 1.0, 1.0, enqueued_utc=FIRST),
            run(AT["again"], FIRST, 2.0, 2.0, 2.0, enqueued_utc=SECOND),
        ],
        [
            index(AT["moved"], APX, 80.0, 900.0),
            index(AT["moved"], N2EX, 0.0, 0.0),
            index(AT["two prices"], APX, 50.0, 10.0),
            index(AT["two indices"], APX, 80.0, 300.0),
            index(AT["two indices"], N2EX, 60.0, 100.0),
            index(AT["no trades"], APX, 0.0, 0.0),
            index(AT["alone"], APX, 9.0, 5.0),
            index(AT["alone"], APX, 7.0, 5.0, "2026-05-06T13:00:00Z"),
        ],
    )
    return client


@pytest.fixture
def ask(client):
    """Some columns of the half-hour of one case."""

    def answer(name: str, *columns: str) -> tuple[Any, ...]:
        day, period = AT[name]
        (row,) = values(
            client,
            f"SELECT {', '.join(columns)} FROM {CASES}.gb_price "
            f"WHERE settlementDate = DATE '{day}' AND settlementPeriod = {period}",
        )
        return row

    return answer


def test_the_latest_run_counts_and_says_how_it_moved(ask):
    """The example of docs/market.md: 97.50 is 2.50 more than first, 17.50 above 80."""
    found = ask(
        *("moved", "systemPrice", "netImbalanceVolume", "runs", "firstSystemPrice"),
        *("systemPriceChange", "netImbalanceVolumeChange"),
        *("marketIndexPrice", "marketIndexVolume", "spread"),
    )
    assert found == (97.5, 130, 2, 95, 2.5, 10, 80, 900, 17.5)
    created = ask("moved", "createdDateTime", "firstCreatedDateTime")
    assert created == tuple(map(datetime.fromisoformat, (SECOND, FIRST)))


def test_two_prices_are_both_shown_and_none_is_the_price(ask):
    columns = ("systemPrice", "systemSellPrice", "systemBuyPrice", "spread")
    assert ask("two prices", *columns) == (None, 40, 60, None)


def test_indices_are_weighted_by_volume(ask):
    """(300 x 80 + 100 x 60) / 400 = 75."""
    assert ask("two indices", "marketIndexPrice", "marketIndexVolume") == (75, 400)


def test_without_a_trade_there_is_no_index(ask):
    columns = ("systemPrice", "marketIndexPrice", "marketIndexVolume", "spread")
    assert ask("no trades", *columns) == (50, None, 0, None)


def test_before_the_first_run_there_is_the_index_alone(ask):
    """Of an index that was sent again, the last counts."""
    columns = ("systemPrice", "runs", "createdDateTime", "marketIndexPrice", "spread")
    assert ask("alone", *columns) == (None, 0, None, 7, None)


def test_a_run_that_was_sent_again_is_one_run(ask):
    columns = ("systemPrice", "runs", "firstSystemPrice", "systemPriceChange")
    assert ask("again", *columns) == (2, 1, 2, 0)


def test_the_function_has_the_half_hours_that_begin_in_its_time(client):
    """British summer: half-hour 2 of 6 May begins at 23:30 of the day before."""
    sql = (
        f"SELECT settlementPeriod FROM {CASES}.gb_price_between("
        "TIMESTAMP '2026-05-05 23:30:00+00', TIMESTAMP '2026-05-06 00:00:00+00')"
    )
    assert values(client, sql) == [(2,)]


def random_market() -> tuple[list[Row], list[Row]]:
    """Runs and indices of some days, in no order."""
    chance = random.Random(7)
    runs, mid = [], []
    for half_hour in (
        (day, n + 1) for day in DAYS for n in range(len(half_hours(day)))
    ):
        for number in chance.sample(range(5), chance.randint(0, 4)):
            price = round(chance.uniform(-60, 300), 2)
            other = price if chance.random() < 0.9 else price + 1
            volume = round(chance.uniform(-500, 500), 3)
            created = f"2026-11-{number + 1:02}T11:00:00Z"
            runs.append(run(half_hour, created, price, other, volume))
        for provider in (APX, N2EX):
            for hour in chance.sample(range(3), chance.randint(0, 2)):
                volume = chance.choice((0, chance.randint(1, 900)))
                price = round(chance.uniform(-20, 150), 2) if volume else 0
                sent = f"2026-10-31T{hour:02}:00:00Z"
                mid.append(index(half_hour, provider, price, volume, sent))
    chance.shuffle(runs)
    chance.shuffle(mid)
    return runs, mid


def modelled(runs: list[Row], mid: list[Row]) -> dict[HalfHour, tuple[Any, ...]]:
    """What the view is to have of each half-hour."""
    of: dict[HalfHour, tuple[list[Row], dict[str, Row]]]
    of = defaultdict(lambda: ([], {}))
    for row in runs:
        of[_half_hour(row)][0].append(row)
    for row in sorted(mid, key=lambda row: row["sourceFileDateTime"]):
        of[_half_hour(row)][1][row["dataProvider"]] = row
    return {key: _expected(*parts) for key, parts in of.items()}


def _half_hour(row: Row) -> HalfHour:
    return date.fromisoformat(row["settlementDate"]), row["settlementPeriod"]


def _expected(runs: list[Row], providers: dict[str, Row]) -> tuple[Any, ...]:
    in_turn = sorted(runs, key=lambda row: row["createdDateTime"])
    latest, first = (_price(in_turn[n : n + 1 or None]) for n in (-1, 0))
    traded = sum(row["volume"] for row in providers.values())
    index = None
    if traded:
        index = sum(row["price"] * row["volume"] for row in providers.values()) / traded
    return (
        latest,
        in_turn[-1]["netImbalanceVolume"] if runs else None,
        len(runs),
        _difference(latest, first),
        index,
        _difference(latest, index),
    )


def _price(runs: list[Row]) -> float | None:
    if not runs or runs[0]["systemSellPrice"] != runs[0]["systemBuyPrice"]:
        return None
    return float(runs[0]["systemSellPrice"])


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


@pytest.fixture(scope="module")
def market(client) -> tuple[list[Row], list[Row]]:
    make_market(client, RANDOM, REGISTRY)
    made = random_market()
    fill(client, RANDOM, *made)
    return made


@pytest.mark.parametrize("source", SOURCES, ids=["view", "function"])
def test_random_half_hours_have_the_prices_of_the_model(client, market, source):
    columns = (
        *("systemPrice", "netImbalanceVolume", "runs", "systemPriceChange"),
        *("marketIndexPrice", "spread"),
    )
    found = {
        (row["settlementDate"], row["settlementPeriod"]): [row[c] for c in columns]
        for row in rows(client, f"SELECT * FROM {RANDOM}.{source}")
    }
    expected = modelled(*market)
    assert found.keys() == expected.keys()
    for key, model in expected.items():
        assert found[key] == pytest.approx(list(model), abs=1e-9), key


@pytest.mark.parametrize(
    ("day", "count"), list(zip(DAYS, (48, 46, 50), strict=True)), ids=str
)
def test_half_hours_begin_when_the_day_has_them(client, market, day, count):
    sql = (
        f"SELECT settlementPeriod, startTime FROM {RANDOM}.gb_price "
        f"WHERE settlementDate = DATE '{day}'"
    )
    begun = dict(enumerate(half_hours(day), 1))
    assert len(begun) == count
    found = dict(values(client, sql))
    assert found.items() <= begun.items()
    assert max(found) > count - 4


def test_runs_of_a_historic_table_count(client):
    """IRIS has the second run, the user's table the first."""
    make_market(client, "old", REGISTRY)
    fill(client, "old", [run((DAY, 1), SECOND, 97.5, 97.5, 130.0)], [])
    client.query_and_wait(
        "CREATE TABLE old.bmrs_costs AS SELECT * EXCEPT ("
        "ingested_utc, source, message_id, enqueued_utc, record_id, extra, dataset) "
        "REPLACE (TIMESTAMP '2026-05-07 11:00:00+00' AS createdDateTime, "
        "95.0 AS systemSellPrice, 95.0 AS systemBuyPrice) FROM old.bmrs_disebsp_iris"
    )
    assert apply_views(client, "old", REGISTRY).conflicts == []
    sql = "SELECT runs, firstSystemPrice, systemPrice FROM old.gb_price"
    assert values(client, sql) == [(2, 95, 97.5)]


ONE_DAY = {
    "view": f"SELECT COUNT(*) FROM days.gb_price WHERE settlementDate = DATE '{DAY}'",
    "function": "SELECT COUNT(*) FROM days.gb_price_between("
    f"TIMESTAMP '{DAY}', TIMESTAMP '{DAY + timedelta(days=1)}')",
}


@pytest.fixture(scope="module")
def far_files(client, bigquery_data):
    """The files with the rows of another day than `DAY`, by dataset."""
    make_market(client, "days", REGISTRY)
    far = (date(2026, 1, 15), 20)
    near = (DAY, 20)
    made = {
        "DISEBSP": [run(each, FIRST, 1.0, 1.0, 1.0) for each in (near, far)],
        "MID": [index(each, APX, 1.0, 1.0) for each in (near, far)],
    }
    return {
        name: stored_files(client, bigquery_data, f"days.{REGISTRY[name].table}", found)
        for name, found in made.items()
    }


@pytest.mark.parametrize("dataset", REGISTRY)
@pytest.mark.parametrize("asked", ONE_DAY)
def test_a_question_about_a_day_opens_no_file_of_another(
    client, far_files, asked, dataset
):
    table = REGISTRY[dataset].table
    with hidden(far_files[dataset]):
        assert values(client, ONE_DAY[asked]) == [(1,)]
        with pytest.raises(BadRequest, match="Cannot open file"):
            values(client, f"SELECT SUM(settlementPeriod) FROM days.{table}")
