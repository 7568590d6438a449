"""The rules for messages in flight."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bridge.envelope import Envelope
from bridge.in_flight import (
    FIRST_MESSAGES,
    MAX_BATCH_BYTES,
    MAX_BATCH_MESSAGES,
    MAX_BYTES,
    MAX_MESSAGES,
    InFlight,
    due_for_renewal,
    has_room,
    next_batch,
)

NOW = datetime(2026, 5, 6, tzinfo=UTC)
SEALED = Envelope(b"[]", {})


@dataclass
class Message:
    locked_until_utc: datetime | None


def in_flight(
    left_seconds: float | None, lock_seconds: float = 60.0, **state: Any
) -> InFlight:
    until = None if left_seconds is None else NOW + timedelta(seconds=left_seconds)
    values = {"envelope": SEALED, "body_bytes": 2, "lock_seconds": lock_seconds}
    return InFlight(cast(Any, Message(until)), **(values | state))


def test_a_lock_is_renewed_at_half_its_time() -> None:
    early, due = in_flight(31), in_flight(29)
    assert due_for_renewal([early, due], NOW, renew_seconds=0.02) == [due]


def test_the_next_to_expire_comes_first() -> None:
    late, soon, expired = in_flight(20), in_flight(10), in_flight(-1)
    assert due_for_renewal([late, soon, expired], NOW, 0.02) == [expired, soon, late]


def test_many_messages_on_a_slow_link_are_begun_with_earlier() -> None:
    messages = [in_flight(50) for _ in range(500)]
    assert due_for_renewal(messages, NOW, renew_seconds=0.02) == []
    assert due_for_renewal(messages, NOW, renew_seconds=0.06) == messages


def test_a_lock_just_taken_is_never_renewed() -> None:
    messages = [in_flight(60) for _ in range(500)]
    assert due_for_renewal(messages, NOW, renew_seconds=10.0) == []


@pytest.mark.parametrize(
    "one",
    [
        in_flight(1, envelope=None),
        in_flight(1, envelope=None, refusal="empty"),
        in_flight(1, is_lock_lost=True),
        in_flight(None),
    ],
)
def test_what_is_settled_or_lost_or_unlimited_is_not_renewed(one: InFlight) -> None:
    assert due_for_renewal([one], NOW, 0.02) == []


def test_only_what_pubsub_has_or_can_never_have_is_settled() -> None:
    assert not in_flight(60).is_ready
    assert in_flight(60, envelope=None).is_ready
    assert in_flight(60, envelope=None, refusal="empty").is_ready
    assert not in_flight(60, envelope=None, is_lock_lost=True).is_ready


def test_small_messages_soon_come_in_full_batches() -> None:
    asked, steps = FIRST_MESSAGES, 0
    while asked < MAX_BATCH_MESSAGES:
        asked, steps = next_batch(asked, asked, asked * 1_000), steps + 1
    assert asked == MAX_BATCH_MESSAGES
    assert steps <= 5


def test_a_batch_is_bounded_in_bytes() -> None:
    assert next_batch(250, 250, 250 * 60_000) == MAX_BATCH_BYTES // 60_000


def test_messages_larger_than_the_bound_come_one_by_one() -> None:
    assert next_batch(1, 1, 11_000_000) == 1
    assert next_batch(250, 250, 250 * 11_000_000) == 1


def test_empty_messages_bound_nothing() -> None:
    assert next_batch(250, 250, 0) == MAX_BATCH_MESSAGES


@pytest.mark.parametrize("body_bytes", [2, 1_000, 10_000, 60_000, 1_000_000])
def test_two_batches_in_flight_are_bounded_as_one_is(body_bytes: int) -> None:
    full = MAX_BATCH_MESSAGES
    batch = next_batch(full, full, full * body_bytes)
    messages: list[InFlight] = []
    while not messages or has_room(messages, batch):
        messages += [in_flight(60, body_bytes=body_bytes) for _ in range(batch)]
    assert len(messages) <= MAX_MESSAGES
    assert sum(one.body_bytes for one in messages) <= MAX_BYTES
    assert len(messages) == 2 * batch


def test_beside_a_message_over_the_bound_is_no_room() -> None:
    assert not has_room([in_flight(60, body_bytes=11_000_000)], 1)
