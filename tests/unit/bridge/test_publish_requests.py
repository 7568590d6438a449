"""How messages are split into publish requests, and what a failure advises."""

from google.api_core import exceptions
from hypothesis import given
from hypothesis import strategies as st

from bridge.publisher import (
    MAX_REQUEST_BYTES,
    MAX_REQUEST_MESSAGES,
    advice,
    requests,
)


@given(st.lists(st.integers(1, 3 * MAX_REQUEST_BYTES), max_size=50))
def test_every_message_is_in_one_request_in_order(sizes: list[int]) -> None:
    parts = requests(sizes)
    assert [index for part in parts for index in part] == list(range(len(sizes)))


@given(st.lists(st.integers(1, 2 * MAX_REQUEST_BYTES), max_size=50))
def test_no_request_is_over_the_bytes_unless_one_message_is(sizes: list[int]) -> None:
    for part in requests(sizes):
        total_bytes = sum(sizes[index] for index in part)
        assert total_bytes <= MAX_REQUEST_BYTES or len(part) == 1


def test_no_request_has_too_many_messages() -> None:
    parts = requests([1] * (2 * MAX_REQUEST_MESSAGES + 1))
    assert [len(part) for part in parts] == [1_000, 1_000, 1]


def test_a_missing_topic_is_told_how_to_be_made() -> None:
    text = advice(exceptions.NotFound("x"), "projects/p/topics/t")
    assert "gcloud pubsub topics create projects/p/topics/t" in text


def test_a_missing_right_is_named() -> None:
    assert "roles/pubsub.publisher" in advice(exceptions.PermissionDenied("x"), "t")
