"""What makes a body whole, and how long to wait for the next attempt."""

import base64
import gzip
import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.backfill.download import (
    MAX_DELAY_SECONDS,
    GaveUpError,
    PartialBody,
    Patience,
    RateLimiter,
    TooLargeError,
    TransientError,
    delay_seconds,
    retry_after_seconds,
)

BODY = b'[{"dataset":"FREQ"}]' * 10
MAX_BYTES = 10_000
NOW = datetime(2026, 5, 6, 2, 31, tzinfo=UTC)


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def headers(body: bytes = BODY, **others: str) -> dict[str, str]:
    return {"Content-Length": str(len(body)), "ETag": '"1"'} | others


def broken_off(at: int) -> PartialBody:
    """A body whose connection broke after this many bytes."""
    part = PartialBody()
    part.begin(200, headers(**{"Content-MD5": md5(BODY)}))
    part.data += BODY[:at]
    with pytest.raises(TransientError, match=f"{at} of {len(BODY)} bytes"):
        part.finish(MAX_BYTES)
    return part


@given(st.integers(1, len(BODY) - 1))
def test_a_body_that_broke_off_is_continued_where_the_server_can(at: int) -> None:
    part = broken_off(at)
    rest = {"Content-Range": f"bytes {at}-{len(BODY) - 1}/{len(BODY)}", "ETag": '"1"'}
    part.begin(206, rest)
    part.data += BODY[at:]
    assert part.finish(MAX_BYTES) == BODY


def test_it_starts_over_where_the_server_cannot() -> None:
    part = broken_off(50)
    part.begin(200, headers())
    part.data += BODY
    assert part.finish(MAX_BYTES) == BODY


@pytest.mark.parametrize(
    "rest",
    [
        {"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}", "ETag": '"1"'},
        {"Content-Range": f"bytes 50-{len(BODY) - 1}/{len(BODY)}", "ETag": '"2"'},
        {"Content-Range": "bytes 50-", "ETag": '"1"'},
        {},
    ],
)
def test_another_part_is_never_joined(rest: dict[str, str]) -> None:
    part = broken_off(50)
    with pytest.raises(TransientError, match="not requested"):
        part.begin(206, rest)
    assert not part.data


def test_a_body_with_another_digest_is_fetched_again() -> None:
    part = PartialBody()
    part.begin(200, headers(**{"Content-MD5": md5(b"other")}))
    part.data += BODY
    with pytest.raises(TransientError, match="Content-MD5"):
        part.finish(MAX_BYTES)
    assert not part.data


@pytest.mark.parametrize("digested", ["packed", "unpacked"])
def test_a_body_that_comes_gzipped_all_the_same_is_unpacked(digested: str) -> None:
    packed = gzip.compress(BODY)
    digest = md5(packed if digested == "packed" else BODY)
    part = PartialBody()
    part.begin(
        200, headers(packed, **{"Content-Encoding": "gzip", "Content-MD5": digest})
    )
    part.data += packed
    assert part.finish(MAX_BYTES) == BODY
    with pytest.raises(TooLargeError):
        part.finish(len(BODY) - 1)


def test_a_gzipped_body_cut_short_is_fetched_again() -> None:
    part = PartialBody()
    part.begin(200, {"Content-Encoding": "gzip"})
    part.data += gzip.compress(BODY)[:-9]
    with pytest.raises(TransientError, match="cut short"):
        part.finish(MAX_BYTES)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        ("Wed, 06 May 2026 02:31:30 GMT", 30),
        ("Wed, 06 May 2026 02:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text())
def test_no_retry_after_is_negative_or_fails(header: str) -> None:
    assert retry_after_seconds(header, NOW) >= 0


@given(st.integers(1, 1000), st.floats(0, 1))
def test_delays_double_up_to_a_bound_with_jitter(attempt: int, part: float) -> None:
    seconds = delay_seconds(attempt, part)
    assert 0.5 <= seconds <= MAX_DELAY_SECONDS
    assert delay_seconds(attempt, 0) <= seconds <= delay_seconds(attempt, 1)
    assert delay_seconds(attempt + 1, part) in (2 * seconds, delay_seconds(99, part))


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_requests_start_at_the_rate_and_not_while_the_server_asks_to_wait() -> None:
    clock = Clock()
    limiter = RateLimiter(10, clock)
    assert [round(limiter.wait_seconds(), 3) for _ in range(3)] == [0, 0.1, 0.2]
    clock.seconds += 60
    assert limiter.wait_seconds() == 0  # a pause saves nothing up
    assert round(limiter.wait_seconds(), 3) == 0.1
    limiter.pause(5)
    assert round(limiter.wait_seconds(), 3) == 5


def test_patience_ends_only_when_nothing_at_all_succeeds() -> None:
    clock = Clock()
    patience = Patience(900, clock)
    clock.seconds += 899
    patience.failed("HTTP 500")
    patience.succeeded()
    clock.seconds += 899
    patience.failed("HTTP 503")
    assert patience.last_error == "HTTP 503"
    clock.seconds += 1
    with pytest.raises(GaveUpError, match="nothing succeeded for 900 s: HTTP 503"):
        patience.failed("HTTP 503")
