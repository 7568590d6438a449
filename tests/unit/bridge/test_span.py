"""Spans of time, and the forms in which a user may write a time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.span import Span, parse_moment, seconds_text

MOMENTS = st.integers(0, 10**15).map(
    lambda number: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
)
SPANS = st.builds(
    lambda start, seconds: Span(
        start.replace(microsecond=0),
        start.replace(microsecond=0) + timedelta(seconds=seconds),
    ),
    MOMENTS,
    st.integers(1, 100_000),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-06", "2026-05-06T00:00:00Z"),
        ("2026-05-06T02:31", "2026-05-06T02:31:00Z"),
        ("2026-05-06 02:31:07", "2026-05-06T02:31:07Z"),
        ("2026-05-06T02:31:07Z", "2026-05-06T02:31:07Z"),
        ("2026-05-06T02:31:07.5Z", "2026-05-06T02:31:07Z"),
        ("2026-05-06T02:31+01:00", "2026-05-06T01:31:00Z"),
    ],
)
def test_every_form_of_a_time_is_utc_without_a_zone(text: str, expected: str) -> None:
    assert seconds_text(parse_moment(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "06/05/2026", "20260506", "2026-05-06T25:00"],
)
def test_a_text_that_is_not_a_time_says_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time \(write 2026-05-06,"):
        parse_moment(text)


@given(MOMENTS, MOMENTS)
def test_widening_to_whole_seconds_loses_nothing(a: datetime, b: datetime) -> None:
    span = Span(min(a, b), max(a, b))
    wide = span.widened()
    assert wide.start <= span.start < wide.start + timedelta(seconds=1)
    assert span.end <= wide.end < span.end + timedelta(seconds=1)
    assert wide.start.microsecond == wide.end.microsecond == 0


@given(SPANS, st.integers(1, 40_000))
def test_pieces_cover_a_span_without_gap_or_overlap(span: Span, seconds: int) -> None:
    pieces = list(span.pieces(timedelta(seconds=seconds)))
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert (pieces[0].start, pieces[-1].end) == (span.start, span.end)
    assert all(0 < (x.end - x.start).total_seconds() <= seconds for x in pieces)


@given(SPANS)
def test_halves_are_whole_until_one_second_is_left(span: Span) -> None:
    halves = span.halves()
    if halves is None:
        assert span.end - span.start == timedelta(seconds=1)
    else:
        assert (halves[0].start, halves[1].end) == (span.start, span.end)
        assert span.start < halves[0].end == halves[1].start < span.end
