"""What one pull brings, cut into rounds that fit into memory."""

import gzip

import pytest

from pipeline import subscription
from pipeline.core.decoding import MAX_UNPACKED_BYTES, Message, unpacked_size
from pipeline.subscription import Pulled, gather_seconds

HALF = MAX_UNPACKED_BYTES // 2


def pulled(*bodies):
    names = [f"ack-{number}" for number in range(len(bodies))]
    return Pulled([Message(body, {}) for body in bodies], names, None, full=True)


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_the_size_of_a_body_is_that_of_what_is_in_it(size):
    body = b"x" * size
    assert unpacked_size(body) == unpacked_size(gzip.compress(body)) == size


def test_small_messages_are_one_round():
    everything = pulled(*[b"{}"] * 5_000)
    assert list(everything.rounds()) == [everything]


def test_packed_messages_are_as_many_rounds_as_their_size_unpacked_asks_for():
    packed = gzip.compress(bytes(HALF))
    assert len(packed) < HALF / 500
    parts = list(pulled(packed, b"{}", packed, packed, packed).rounds())
    assert [part.ack_ids for part in parts] == [
        ["ack-0", "ack-1"],
        ["ack-2", "ack-3"],
        ["ack-4"],
    ]
    assert [len(part.messages) for part in parts] == [2, 2, 1]


def test_a_message_larger_than_a_round_is_one(monkeypatch):
    monkeypatch.setattr(subscription, "MAX_UNPACKED_BYTES", 10)
    parts = list(pulled(b"[1]", b"x" * 11, b"[1]").rounds())
    assert [part.ack_ids for part in parts] == [["ack-0"], ["ack-1"], ["ack-2"]]


def test_nothing_is_no_round():
    assert list(pulled().rounds()) == []


@pytest.mark.parametrize(
    ("age_seconds", "seconds"),
    [(-5, 0.3), (0, 0.3), (3, 0.3), (10, 1.0), (30, 3.0), (86_400, 3.0)],
)
def test_a_backlog_is_gathered_longer_than_fresh_messages(age_seconds, seconds):
    assert gather_seconds(age_seconds) == pytest.approx(seconds)
