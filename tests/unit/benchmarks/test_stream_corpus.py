"""The messages of the streaming measurement, and how it reads the run."""

import pytest

from benchmarks.stream import halves, messages, table_rows
from benchmarks.streaming_graph import Point, Progress, discard
from pipeline.bigquery.inserts import Insert


def point(seconds: float, settled: int) -> Point:
    return Point(seconds, settled, settled, 100.0, seconds)


def test_two_percent_are_repeated():
    sent = list(messages(400))
    names = [message.message_id for message in sent]
    assert len(names) - len(set(names)) == 8


def test_repeated_messages_make_no_rows():
    sent = list(messages(200))
    once = {message.message_id: message for message in sent}.values()
    assert len(list(table_rows(sent))) == len(list(table_rows(list(once)))) > 200


def test_half_is_the_first_point_at_half_of_the_records():
    points = [point(1, 10), point(2, 50), point(3, 60), point(4, 100)]
    assert halves(points) == (points[1], points[3])


def test_a_run_of_one_step_has_no_halves():
    with pytest.raises(ValueError, match="one step"):
        halves([point(1, 10), point(2, 100)])


def ledger(**counts: int) -> dict[str, list[Insert]]:
    names = ("messages", "records", "rows", "duplicates", "dead_letters", "unmapped")
    return {"iris_ledger": [Insert("", dict.fromkeys(names, 0) | counts)]}


def test_a_run_is_done_when_every_record_of_every_message_is_settled(capsys):
    progress = Progress(2, discard)
    progress.insert(ledger(messages=2, records=3))
    progress.insert(ledger(rows=2))
    assert not progress.done.is_set()
    progress.insert(ledger(duplicates=1))
    assert progress.done.is_set()
    assert len(capsys.readouterr().out.splitlines()) == 3
