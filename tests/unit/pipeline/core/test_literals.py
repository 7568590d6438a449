"""Numbers that a double would change keep their digits wherever the row has text."""

import gzip
import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.core.decoding import Message, decode
from pipeline.core.reasons import Reason

NOW = "2026-05-06T03:00:00Z"
LONG = "0.12345678901234567890123"
NUMBERS = [
    LONG,
    "-171.927300000000030000000001",
    "12345678901234567890.5",
    "1e-400",
    "-2.5E-320",
    "123456789012345678901234567890",
]


def of_freq(field, number, before=""):
    """A record, as text, with a number under a name."""
    return (
        f'{{{before}"measurementTime": "2026-05-06T00:00:00Z", "{field}": {number}}}'
    ).encode()


def in_forms(record):
    """The same record as IRIS, the API and files have it, the last one beside NaN."""
    yield b"[" + record + b"]"
    yield record
    yield json.dumps((b"[" + record + b"]").decode()).encode()
    yield b'{"data": [' + record + b"]}"
    yield gzip.compress(b'[{"data": ' + record + b"}]")
    yield record + b"\n" + record
    yield b'["", ' + record + b', {"frequency": NaN}]'


def decoded(body, dataset="FREQ"):
    return decode(Message(body, {"dataset": dataset}), NOW)


def exactly(text):
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@pytest.mark.parametrize("number", NUMBERS)
def test_extra_keeps_the_digits_of_an_unknown_number(number):
    for body in in_forms(of_freq("new", number)):
        for typed in decoded(body).records:
            assert exactly(typed.extra) == {"new": Decimal(number)}


@pytest.mark.parametrize("number", NUMBERS)
def test_extra_keeps_digits_inside_of_what_is_unknown(number):
    inside = f'{{"b": [null, {number}, "x"], "c": "\\u00e9"}}'
    for body in in_forms(of_freq("a", inside)):
        for typed in decoded(body).records:
            assert exactly(typed.extra)["a"]["b"][1] == Decimal(number)


def test_a_new_field_of_a_nested_record_keeps_its_digits():
    profile = f'[{{"capacity": 1.5}}, {{"capacity": 2, "new": {LONG}}}]'
    record = f'{{"createdTime": "{NOW}", "outageProfile": {profile}}}'
    (typed,) = decoded(f"[{record}]".encode(), "REMIT").records
    assert exactly(typed.extra) == {"outageProfile[1].new": Decimal(LONG)}
    assert typed.row["outageProfile"] == [{"capacity": 1.5}, {"capacity": 2.0}]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_in_a_text_column_keeps_its_digits(number):
    record = f'{{"createdTime": "{NOW}", "cause": {number}}}'
    for body in (f"[{record}]", f'{{"data": {record}}}'):
        (typed,) = decoded(body.encode(), "REMIT").records
        assert Decimal(typed.row["cause"]) == Decimal(number)


@pytest.mark.parametrize("number", [*NUMBERS, "1e400", "-1E+999"])
def test_a_dead_letter_has_its_numbers_as_they_came(number):
    record = of_freq("new", number, before='"frequency": "x", ')
    for body in in_forms(record):
        letters = decoded(body).dead_letters
        kept = [exactly(one.payload) for one in letters if b"x" in one.payload]
        assert kept
        assert all(one == exactly(record) for one in kept)


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (of_freq("frequency", "1e400"), "frequency: 1e400 is not"),
        (of_freq("new", '{"a": [1, -1e999]}'), "new.a[1]: -1e999 is not"),
        (of_freq("frequency", "NaN"), "frequency: nan is not"),
        (of_freq("\\ud800", "1e400"), "\\ud800: 1e400 is not"),
    ],
)
def test_what_is_not_finite_is_named_with_its_field(record, error):
    for body in (b"[" + record + b"]", b'{"data": [' + record + b"]}"):
        (letter,) = decoded(body).dead_letters
        assert letter.reason is Reason.NOT_FINITE
        assert letter.error.startswith(error)


def test_half_a_surrogate_pair_beside_a_long_number_loses_neither():
    record = of_freq("new", f'["\\ud800", {LONG}]')
    (typed,) = decoded(b"[" + record + b"]").records
    text, number = json.loads(typed.extra)["new"]
    assert (text, number) == ("\ud800", float(LONG))


DECIMALS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@given(DECIMALS)
@example("100000000000000000000000.0")
@example("1E400")
@example("0e999")
@example("9007199254740993e1")
def test_any_number_is_kept_or_the_record_is_a_dead_letter(number):
    record = of_freq("new", number)
    result = decoded(b"[" + record + b"]")
    assert result.count == 1
    for typed in result.records:
        assert exactly(typed.extra)["new"] == Decimal(number)
    for letter in result.dead_letters:
        assert exactly(letter.payload) == exactly(record)
