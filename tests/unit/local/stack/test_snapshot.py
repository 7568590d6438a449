"""When a run is drained, and what it waits for until then."""

from dataclasses import replace

import pytest

from local.stack.snapshot import Snapshot
from local.stack.summary import Counts

DRAINED = Snapshot(
    ledger={"FREQ": Counts(messages=3)},
    sent={"FREQ": 3},
    exhausted=True,
    published=3,
)


def test_everything_accounted_for_waits_for_nothing():
    assert DRAINED.waiting_for() is None


@pytest.mark.parametrize(
    ("change", "awaited"),
    [
        ({"exhausted": False}, "simulator"),
        ({"on_queue": 2}, "take 2 messages"),
        ({"in_flight": 1}, "settle 1 messages"),
        ({"published": 4}, "account for 1 messages"),
        ({"sent": {"FREQ": 3, "MID": 1}}, "1 messages that were sent"),
        ({"backlog": 5}, "account for 5 messages"),
    ],
)
def test_what_is_missing_is_named(change, awaited):
    assert awaited in replace(DRAINED, **change).waiting_for()


def test_a_message_that_nobody_can_publish_is_not_waited_for():
    refused = replace(DRAINED, sent={"FREQ": 4}, refused=1)
    assert refused.waiting_for() is None


def test_what_waits_in_pubsub_is_not_lost():
    stopped = replace(DRAINED, published=9, waiting=4)
    assert (stopped.owed, stopped.lost) == (9, 2)


def test_a_message_published_twice_is_awaited_twice():
    assert replace(DRAINED, published=5).expected == 5
