"""Every conversion: what is taken, as what, and what is refused."""

import math

import pytest

from pipeline.core.reasons import Reason
from pipeline.core.values import (
    CONVERTERS,
    DATES,
    MAX_CACHED_TIMES,
    TIMESTAMPS,
    TextCache,
    ValueRefused,
    to_bool,
    to_date,
    to_float64,
    to_int64,
    to_string,
    to_timestamp,
)


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (12, 12),
        (12.0, 12),
        (-0.0, 0),
        ("12", 12),
        ("12.0", 12),
        ("-3", -3),
        ("1e3", 1000),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_int64(value, whole):
    assert to_int64(value) == whole
    assert type(to_int64(value)) is int


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (12.5, Reason.WRONG_TYPE),
        ("12.5", Reason.WRONG_TYPE),
        ("abc", Reason.WRONG_TYPE),
        ("", Reason.WRONG_TYPE),
        (" 12", Reason.WRONG_TYPE),
        ("0x10", Reason.WRONG_TYPE),
        ("١٢", Reason.WRONG_TYPE),
        (True, Reason.WRONG_TYPE),
        ([1], Reason.WRONG_TYPE),
        ({}, Reason.WRONG_TYPE),
        (2**63, Reason.OUT_OF_RANGE),
        ("9223372036854775808", Reason.OUT_OF_RANGE),
        ("1e9999", Reason.OUT_OF_RANGE),
        (float(2**63), Reason.OUT_OF_RANGE),
        (float(2**53 + 2), Reason.OUT_OF_RANGE),
        (9007199254740993.0, Reason.OUT_OF_RANGE),  # the parser has rounded it
        (math.nan, Reason.NOT_FINITE),
        (math.inf, Reason.NOT_FINITE),
    ],
)
def test_int64_refuses(value, reason):
    with pytest.raises(ValueRefused) as refused:
        to_int64(value)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (350, 350.0),
        (350.0, 350.0),
        ("205.8", 205.8),
        ("-1e-3", -0.001),
        (2**53, 2.0**53),
        ("9007199254740992", 2.0**53),
        ("-9007199254740994", -(2.0**53 + 2)),
        ("9007199254740993.5", 9007199254740994.0),
    ],
)
def test_float64(value, number):
    assert to_float64(value) == number
    assert type(to_float64(value)) is float


@pytest.mark.parametrize(
    "value",
    ["NaN", "1,5", True, None, [], math.nan, -math.inf, "1e999", 2**53 + 1, 10**400],
)
def test_float64_refuses(value):
    with pytest.raises(ValueRefused):
        to_float64(value)


@pytest.mark.parametrize("digits", ["9007199254740993", "1" * 400, "1" * 5000])
def test_float64_refuses_an_integer_that_it_would_round_as_text_too(digits):
    for value in (digits, f"-{digits}"):
        with pytest.raises(ValueRefused):
            to_float64(value)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), ("", ""), (12, "12"), (12.5, "12.5"), (1.0, "1.0")]
)
def test_string(value, text):
    assert to_string(value) == text


@pytest.mark.parametrize("value", [True, [], {}, math.nan, "\ud800"])
def test_string_refuses(value):
    with pytest.raises(ValueRefused):
        to_string(value)


def test_bool():
    assert [to_bool(v) for v in (True, False, "true", "FALSE")] == [True, False] * 2
    for value in (1, 0, "yes", "Y", ""):
        with pytest.raises(ValueRefused):
            to_bool(value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # The forms of IRIS.
        ("2026-05-06T02:31:00Z", "2026-05-06T02:31:00Z"),
        ("2026-05-06T02:31:00.000Z", "2026-05-06T02:31:00Z"),
        ("2022-07-01T01:34:00.0000000+00:00", "2022-07-01T01:34:00Z"),
        ("2026-05-06T02:31:00", "2026-05-06T02:31:00Z"),
        ("2026-05-06", "2026-05-06T00:00:00Z"),
        # Others that mean an instant.
        ("2026-05-06T02:31Z", "2026-05-06T02:31:00Z"),
        ("2026-05-06 02:31:00 Z", "2026-05-06T02:31:00Z"),
        ("2026-05-06T02:31:00.5Z", "2026-05-06T02:31:00.500000Z"),
        ("2026-05-06T02:31:00.123456Z", "2026-05-06T02:31:00.123456Z"),
        ("2026-05-06T02:31:00.123456000Z", "2026-05-06T02:31:00.123456Z"),
        ("2026-07-01T00:30:00+01:00", "2026-06-30T23:30:00Z"),
        ("2026-06-30T20:30:00-0300", "2026-06-30T23:30:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    ],
)
def test_timestamp(text, canonical):
    assert to_timestamp(text) == canonical
    assert to_timestamp(canonical) == canonical


@pytest.mark.parametrize(
    "value",
    [
        "2026-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-05-06T24:00:00Z",
        "2026-05-06T02:31:60Z",
        "2026-05-06T02:31:00.1234567Z",
        "2026-W19-3T02:31:00Z",
        "20260506T023100Z",
        "06/05/2026",
        "0001-01-01T00:00:00+13:00",
        "2026-05-06T02:31:00+99:99",
        "2026-05-06T02:31:00Z; DROP TABLE x",
        "2026-05-06T02:31:00Z\n",
        "",
        "now",
        1778034660,
        True,
    ],
)
def test_timestamp_refuses(value):
    with pytest.raises(ValueRefused):
        to_timestamp(value)


def test_date():
    assert to_date("2026-05-06") == "2026-05-06"
    assert to_date("2026-05-06T00:00:00Z") == "2026-05-06"
    for value in ("2026-05-06T01:00:00Z", "2026-02-30", "6 May", 20260506):
        with pytest.raises(ValueRefused):
            to_date(value)


def test_a_refusal_shows_the_value_but_never_all_of_a_long_one():
    with pytest.raises(ValueRefused, match="'abc' is not a whole number"):
        to_int64("abc")
    with pytest.raises(ValueRefused) as refused:
        to_int64("x" * 10_000)
    assert len(str(refused.value)) < 200


def test_the_cache_of_times_is_bounded():
    cache = TextCache(str)
    for number in range(MAX_CACHED_TIMES + 10):
        _ = cache[str(number)]
    assert len(cache) <= MAX_CACHED_TIMES
    assert len(cache.known) <= MAX_CACHED_TIMES
    assert cache.known_or_none == cache.known | {None}


@pytest.mark.parametrize(
    ("cache", "text", "is_it"),
    [
        (TIMESTAMPS, "2026-05-06T02:31:00Z", True),
        (TIMESTAMPS, "2026-05-06T02:31:00.120000Z", True),
        (TIMESTAMPS, "2026-05-06T02:31:00.000000Z", False),
        (TIMESTAMPS, "2026-05-06T02:31:00.120Z", False),
        (TIMESTAMPS, "2026-05-06T02:31:00+0", False),
        (TIMESTAMPS, "2026-02-30T02:31:00Z", False),
        (TIMESTAMPS, "2026-05-06", False),
        (DATES, "2026-05-06", True),
        (DATES, "2026-02-30", False),
        (DATES, "2026-05-06T00:00:00Z", False),
        (DATES, "", False),
    ],
)
def test_a_text_of_a_time_is_canonical_if_it_is_converted_to_itself(cache, text, is_it):
    for _ in range(2):  # the second time from memory
        assert cache.is_canonical(text) == is_it
    assert (text in cache.known) == is_it


def test_every_scalar_type_has_a_converter():
    assert set(CONVERTERS) == {
        "STRING",
        "INT64",
        "FLOAT64",
        "BOOL",
        "DATE",
        "TIMESTAMP",
    }
