"""Peek-lock as Service Bus does it, with the test as the clock."""

import uuid

import pytest

from local.simulator.message_queue import (
    MAX_BACKLOG_BYTES,
    MAX_BACKLOG_MESSAGES,
    Entry,
    MessageQueue,
    Outcome,
)

LOCK_SECONDS = 60.0


@pytest.fixture
def queue():
    dead_letters = MessageQueue("q/$DeadLetterQueue", LOCK_SECONDS)
    return MessageQueue("q", LOCK_SECONDS, max_deliveries=5, dead_letters=dead_letters)


def fill(queue, count):
    for number in range(1, count + 1):
        queue.put(f"m{number}", 1, now=0.0)


def take(queue, now=0.0) -> Entry:
    entry = queue.take(now)
    assert entry is not None
    return entry


def test_completed_message_is_forgotten(queue):
    fill(queue, 1)
    assert queue.settle(take(queue).token, Outcome.COMPLETE, now=1.0)
    stats = queue.stats()
    assert (stats["ready"], stats["locked"], stats["completed"]) == (0, 0, 1)
    assert queue.peek(1, 10) == []


def test_locked_message_is_not_given_twice(queue):
    fill(queue, 1)
    take(queue)
    assert queue.take(now=LOCK_SECONDS - 1) is None


def test_expired_lock_delivers_the_message_again_and_counts_the_delivery(queue):
    fill(queue, 1)
    first = take(queue)
    token = first.token
    assert queue.expire(now=LOCK_SECONDS - 0.001) == 0
    assert queue.expire(now=LOCK_SECONDS) == 1
    again = take(queue, LOCK_SECONDS)
    assert (again.content, again.delivery_count) == ("m1", 1)
    assert again.token != token
    assert not queue.settle(token, Outcome.COMPLETE, now=LOCK_SECONDS)


def test_lock_is_lost_at_its_end_even_before_anyone_noticed(queue):
    fill(queue, 1)
    token = take(queue).token
    assert not queue.settle(token, Outcome.COMPLETE, now=LOCK_SECONDS)
    assert queue.renew(token, now=LOCK_SECONDS) is None


def test_renewed_lock_lives_longer(queue):
    fill(queue, 1)
    token = take(queue).token
    assert queue.renew(token, now=50.0) == 50.0 + LOCK_SECONDS
    assert queue.expire(now=LOCK_SECONDS) == 0
    assert queue.settle(token, Outcome.COMPLETE, now=109.0)


def test_unknown_token_settles_nothing(queue):
    assert not queue.settle(uuid.uuid4(), Outcome.COMPLETE, now=0.0)


def test_released_message_keeps_its_delivery_count(queue):
    fill(queue, 1)
    for _ in range(10):
        assert queue.settle(take(queue).token, Outcome.RELEASE, now=0.0)
    assert take(queue).delivery_count == 0


@pytest.mark.parametrize("failure", ["abandon", "expiry"])
def test_fifth_failed_delivery_is_the_last(queue, failure):
    fill(queue, 1)
    now = 0.0
    for _ in range(5):
        entry = take(queue, now)
        if failure == "abandon":
            queue.settle(entry.token, Outcome.ABANDON, now)
        else:
            now += LOCK_SECONDS
            queue.expire(now)
    assert queue.take(now) is None
    moved = take(queue.dead_letters, now)
    assert moved.delivery_count == 5
    assert moved.dead_letter["DeadLetterReason"] == "MaxDeliveryCountExceeded"
    assert queue.stats()["deadlettered"] == 1


def test_dead_letter_carries_the_reason_given(queue):
    fill(queue, 1)
    queue.settle(take(queue).token, Outcome.DEAD_LETTER, 0.0, "bad", "no JSON")
    assert take(queue.dead_letters).dead_letter == {
        "DeadLetterReason": "bad",
        "DeadLetterErrorDescription": "no JSON",
    }


def test_dead_letters_are_never_dead_lettered_away(queue):
    fill(queue, 1)
    queue.settle(take(queue).token, Outcome.DEAD_LETTER, now=0.0)
    for _ in range(7):
        moved = take(queue.dead_letters)
        queue.dead_letters.settle(moved.token, Outcome.ABANDON, now=0.0)
    assert queue.dead_letters.stats()["ready"] == 1


def test_returned_messages_come_back_in_their_order(queue):
    fill(queue, 6)
    taken = [take(queue) for _ in range(4)]
    for entry in taken:
        queue.settle(entry.token, Outcome.RELEASE, now=0.0)
    order = [take(queue).content for _ in range(6)]
    assert order == ["m1", "m2", "m3", "m4", "m5", "m6"]


def test_deferred_message_is_received_only_by_its_number(queue):
    fill(queue, 2)
    entry = take(queue)
    queue.settle(entry.token, Outcome.DEFER, now=0.0)
    assert take(queue).content == "m2"
    assert queue.take(now=0.0) is None
    assert queue.take_deferred(2, now=0.0) is None
    deferred = queue.take_deferred(entry.sequence, now=0.0)
    assert deferred is not None
    assert queue.settle(deferred.token, Outcome.COMPLETE, now=0.0)


def test_peek_sees_ready_locked_and_deferred_without_taking(queue):
    fill(queue, 4)
    queue.settle(take(queue).token, Outcome.DEFER, now=0.0)
    take(queue)
    assert [e.content for e in queue.peek(1, 3)] == ["m1", "m2", "m3"]
    assert [e.content for e in queue.peek(3, 10)] == ["m3", "m4"]
    assert queue.stats()["ready"] == 2


def test_backlog_is_limited_in_messages(queue):
    fill(queue, MAX_BACKLOG_MESSAGES)
    assert not queue.has_room()
    take(queue)
    assert queue.has_room()


def test_backlog_is_limited_in_bytes(queue):
    queue.put("large", MAX_BACKLOG_BYTES, now=0.0)
    assert not queue.has_room()
    entry = take(queue)
    assert queue.has_room()
    queue.settle(entry.token, Outcome.ABANDON, now=0.0)
    assert not queue.has_room()
