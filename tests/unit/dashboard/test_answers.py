"""One query for all viewers, and the last picture while BigQuery is away."""

import asyncio
import datetime as dt
import threading

import pytest

from command.usage import UsageError
from dashboard.answers import Answers
from dashboard.pages import TILES
from dashboard.tile import Column, Drawing
from gb_iris.failure import NoAnswerError, ReadError

TILE = TILES["frequency"]
AT = dt.datetime(2026, 5, 6, 11, tzinfo=dt.UTC)
SELECTION = {"at": AT}
PATIENCE_SECONDS = 60.0


class Asked:
    """Stands for the tables: answers, fails or waits as a test says."""

    def __init__(self):
        self.count = 0
        self.error = None
        self.going_on = threading.Event()
        self.going_on.set()
        self.rows = [{"frequency": 50.0}]

    def __call__(self, tile, selection, now):
        self.count += 1
        self.going_on.wait(PATIENCE_SECONDS)
        if self.error:
            raise self.error
        drawing = Drawing([Column("frequency", "Frequency")], list(self.rows))
        return (drawing if self.rows else None), 10, 0.0


@pytest.fixture
def asked():
    return Asked()


def answers(asked, least_seconds=0.0):
    return Answers(asked, lambda: least_seconds, lambda: AT)


def get(answers, news=1, selection=SELECTION, patience_seconds=PATIENCE_SECONDS):
    return answers.get(TILE, selection, news, patience_seconds)


def test_twenty_viewers_share_one_query(asked):
    async def look():
        shared = answers(asked)
        return await asyncio.gather(*(get(shared) for _ in range(20)))

    found = asyncio.run(look())
    assert asked.count == 1
    assert {answer.version for answer in found} == {found[0].version}


def test_another_selection_is_another_query(asked):
    async def look():
        shared = answers(asked)
        await get(shared)
        await get(shared, selection={"at": None})

    asyncio.run(look())
    assert asked.count == 2


def test_without_news_nothing_is_asked_again(asked):
    async def look():
        shared = answers(asked)
        for _ in range(5):
            await get(shared)

    asyncio.run(look())
    assert asked.count == 1


def test_with_news_it_is_asked_again(asked):
    async def look():
        shared = answers(asked)
        await get(shared, news=1)
        asked.rows = [{"frequency": 49.9}]
        return await get(shared, news=2)

    assert asyncio.run(look()).drawing.rows == [{"frequency": 49.9}]


def test_news_wait_until_the_least_time_has_passed(asked):
    async def look():
        shared = answers(asked, least_seconds=3600)
        await get(shared, news=1)
        await get(shared, news=2)

    asyncio.run(look())
    assert asked.count == 1


def test_the_same_rows_are_the_same_version(asked):
    async def look():
        shared = answers(asked)
        return await get(shared, news=1), await get(shared, news=2)

    before, after = asyncio.run(look())
    assert asked.count == 2
    assert before.version == after.version


def test_while_bigquery_is_away_the_last_picture_stays(asked):
    async def look():
        shared = answers(asked)
        await get(shared, news=1)
        asked.error = NoAnswerError("BigQuery does not answer")
        return await get(shared, news=2)

    answer = asyncio.run(look())
    assert answer.drawing.rows == [{"frequency": 50.0}]
    assert (answer.error, answer.is_away) == ("BigQuery does not answer", True)


def test_a_refused_query_does_not_count_as_absence(asked):
    asked.error = ReadError("BigQuery refused: no such table")

    async def look():
        return await get(answers(asked))

    answer = asyncio.run(look())
    assert (answer.drawing, answer.is_away) == (None, False)
    assert answer.error == "BigQuery refused: no such table"


def test_a_mistake_of_the_viewer_is_shown_as_it_is(asked):
    asked.error = UsageError("2026-05-06 has 48 half-hours")

    async def look():
        return await get(answers(asked))

    assert asyncio.run(look()).error == "2026-05-06 has 48 half-hours"


def test_a_fault_of_a_tile_is_an_answer_of_that_tile(asked):
    asked.error = KeyError("frequency")

    async def look():
        return await get(answers(asked))

    assert asyncio.run(look()).error == "KeyError: 'frequency'"


def test_nobody_waits_longer_than_the_patience(asked):
    async def look():
        shared = answers(asked)
        asked.going_on.clear()
        answer = await get(shared, patience_seconds=0.01)
        asked.going_on.set()
        return answer, await get(shared)

    before, after = asyncio.run(look())
    assert (before.drawing, before.asked) == (None, None)
    assert after.drawing is not None


def test_a_query_that_runs_says_how_long_it_does(asked):
    async def look():
        shared = answers(asked)
        asked.going_on.clear()
        await get(shared, patience_seconds=0.01)
        during = shared.waits_seconds(TILE, SELECTION)
        asked.going_on.set()
        await get(shared)
        return during, shared.waits_seconds(TILE, SELECTION)

    during, afterwards = asyncio.run(look())
    assert during >= 0.01
    assert afterwards == 0


def test_no_rows_are_an_answer_without_a_drawing(asked):
    asked.rows = []

    async def look():
        return await get(answers(asked))

    answer = asyncio.run(look())
    assert (answer.drawing, answer.asked) == (None, AT)
