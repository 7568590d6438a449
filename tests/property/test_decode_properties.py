"""What holds for every input, however mangled."""

import gzip
import json
import math
import random
import re
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipeline.core.coercion import Coercer, RecordRefused
from pipeline.core.decoding import Message, MessageRefused, coercer_of, decode, unpack
from pipeline.core.identity import record_id
from pipeline.core.literals import parsed
from pipeline.core.reasons import Reason
from pipeline.core.values import CONVERTERS, ValueRefused, to_timestamp
from pipeline.registry import load_registry, parse_dataset
from tests.property.examples import examples

NOW = "2026-05-06T03:00:00Z"
REGISTRY = load_registry()
NAMES = sorted(REGISTRY)
FIELDS = sorted({c.name for d in REGISTRY.values() for c in d.columns})

TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ")),
    st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(2**53 - 2, 2**64 + 2),
    st.floats(),
    st.text(),
    st.characters(categories=["Cs"]),
    TIMES,
    st.sampled_from(["12", "12.0", "abc", "NaN", "true", "2026-05-06", "350.0"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
NAME = st.one_of(st.sampled_from(FIELDS), st.text(max_size=5))
RECORDS = st.dictionaries(NAME, VALUES, max_size=8)


def dumps(value):
    return json.dumps(value).encode()


def message(body, dataset="REMIT", **attributes):
    return Message(body, {"dataset": dataset, **attributes})


def accounted(decoded):
    return len(decoded.records) + len(decoded.dead_letters) + int(decoded.unmapped)


@given(st.binary(), st.sampled_from([*NAMES, "NEW", ""]), st.booleans())
@example(b"\x1f\x8b", "FREQ", False)
def test_no_bytes_raise_or_vanish(body, dataset, says_gzip):
    encoding = {"content_encoding": "gzip"} if says_gzip else {}
    decoded = decode(message(body, dataset, **encoding), NOW)
    assert accounted(decoded) == decoded.count
    for letter in decoded.dead_letters:
        assert letter.record_index is not None or letter.payload == body


@given(st.lists(st.one_of(RECORDS, VALUES), max_size=6), st.sampled_from(NAMES))
def test_no_records_raise_or_vanish(records, dataset):
    decoded = decode(message(dumps(records), dataset), NOW)
    assert decoded.count == len(records)
    places = [typed.position for typed in decoded.records]
    places += [letter.record_index for letter in decoded.dead_letters]
    assert sorted(places) == list(range(len(records)))


def in_forms(records):
    """The same records as an answer of the API, as JSON lines, and packed."""
    yield dumps({"data": records})
    yield dumps({"metadata": {"datasets": ["x"]}, "data": records})
    yield dumps(json.dumps({"data": records}))
    yield gzip.compress(dumps({"data": records}))
    if len(records) > 1:  # a single line is an object
        yield b"\n".join(map(dumps, records))
        yield b"\r\n\r\n".join(map(dumps, records)) + b"\r\n"
        yield dumps("\n".join(map(json.dumps, records)))


@given(st.lists(RECORDS, max_size=4), st.sampled_from(NAMES))
def test_records_are_the_same_in_every_form(records, dataset):
    # A record that is an answer itself is opened, too.
    assume(all("data" not in record for record in records))
    plain = decode(message(dumps(records), dataset), NOW)
    for body in in_forms(records):
        other = decode(message(body, dataset), NOW)
        assert (other.dataset, other.count) == (plain.dataset, plain.count)
        # A list of two equal NaN is not equal: their texts are.
        assert repr(other.records) == repr(plain.records)
        assert other.dead_letters == plain.dead_letters


@given(st.lists(RECORDS, min_size=2, max_size=4), st.sampled_from(NAMES), st.data())
def test_mangled_lines_lose_nothing(records, dataset, data):
    body = bytearray(b"\n".join(map(dumps, records)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    decoded = decode(message(bytes(body), dataset), NOW)
    assert accounted(decoded) == decoded.count
    for letter in decoded.dead_letters:
        assert letter.record_index is not None or letter.payload == body
        if letter.reason is Reason.INVALID_JSON:
            assert letter.payload in bytes(body)


@given(st.lists(st.one_of(RECORDS, VALUES), max_size=4), st.sampled_from(NAMES))
def test_no_row_is_without_a_value(records, dataset):
    for body in (dumps(records), dumps({"data": records}), dumps(records[:1])):
        for typed in decode(message(body, dataset), NOW).records:
            row = {k: v for k, v in typed.row.items() if k not in ("dataset", "extra")}
            assert any(value not in ({}, []) for value in row.values())


SUBJECTS = st.sampled_from(["FREQ", "FREQ", "FREQ", "CDN", "E0361", "NEW"])


@given(st.lists(RECORDS, min_size=1, max_size=4), st.lists(SUBJECTS, max_size=4))
def test_a_message_without_a_subject_has_it_from_all_records_or_none(records, names):
    named = [
        {**record, "dataset": name}
        for record, name in zip(records, names, strict=False)
    ]
    records = [*named, *records[len(named) :]]
    decoded = decode(message(dumps(records), "unknown"), NOW)
    inside = {str(record.get("dataset")) for record in records}
    if not decoded.unmapped:
        assert {REGISTRY[name].name for name in inside} == {decoded.dataset}
        assert decoded.count == len(records)
    else:
        assert decoded.count == 1
        assert len(inside) > 1 or not inside <= set(REGISTRY)


@given(st.lists(RECORDS, min_size=1, max_size=4), st.sampled_from(NAMES), st.data())
def test_a_mangled_message_loses_nothing(records, dataset, data):
    body = bytearray(json.dumps(json.dumps(records)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "drop", "gzip"])):
            case "flip":
                body[at] = data.draw(st.integers(0, 255))
            case "cut":
                del body[at + 1 :]
            case "drop" if len(body) > 1:
                del body[at]
            case "gzip":
                body = bytearray(gzip.compress(bytes(body)))
    decoded = decode(message(bytes(body), dataset), NOW)
    assert accounted(decoded) == decoded.count


@given(RECORDS, st.sampled_from(NAMES))
def test_a_dead_letter_holds_the_whole_record(record, dataset):
    for letter in decode(message(dumps([record]), dataset), NOW).dead_letters:
        kept = json.loads(letter.payload)
        assert dumps(kept) == dumps(record)


@given(RECORDS, st.sampled_from(NAMES))
def test_every_value_of_a_row_is_the_value_that_came(record, dataset):
    columns = {column.name: column for column in REGISTRY[dataset].columns}
    for typed in decode(message(dumps([record]), dataset), NOW).records:
        for name, value in typed.row.items():
            if name == "extra":
                assert record.keys() - columns.keys()
            elif isinstance(value, bool):
                assert str(record[name]).lower() == str(value).lower()
            elif isinstance(value, int | float):
                assert float(record[name]) == value
            elif columns[name].type == "STRING":
                assert str(record[name]) == value or float(record[name]) == float(value)


@given(RECORDS, st.randoms(use_true_random=False))
def test_the_id_ignores_key_order_and_nulls(record, rng: random.Random):
    assume(all(_sound(value) for value in record.values()))
    items = list(record.items())
    rng.shuffle(items)
    shuffled = dict(items)
    padded = {**shuffled, "one more": None}
    assert record_id("PN", record) == record_id("PN", shuffled)
    assert record_id("PN", record) == record_id("PN", padded)


@given(RECORDS, st.randoms(use_true_random=False))
def test_the_id_is_the_same_through_the_pipeline(record, rng: random.Random):
    items = list(record.items())
    rng.shuffle(items)
    typed = decode(message(dumps([record, dict(items)]), "REMIT"), NOW).records
    assert len({one.record_id for one in typed}) <= 1


def values_of(column):
    """Values as IRIS sends them: most fit the column, in one form or another."""
    is_nested = column.type == "RECORD"
    value = fitting(column.fields) if is_nested else FITTING[column.type]
    if column.mode == "REPEATED":
        value = st.lists(value, max_size=3)
    return st.none() | value


def fitting(columns):
    return st.fixed_dictionaries(
        {}, optional={column.name: values_of(column) for column in columns}
    )


WHOLE = st.integers(-(2**53), 2**53)
FITTING = {
    "STRING": st.text(max_size=4),
    "INT64": WHOLE | WHOLE.map(float),
    "FLOAT64": WHOLE | WHOLE.map(float) | st.floats(-1e20, 1e20),
    "BOOL": st.booleans(),
    "DATE": st.dates().map(str),
    "TIMESTAMP": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
}
OF_DATASETS = st.sampled_from(NAMES).flatmap(
    lambda name: st.tuples(st.just(name), fitting(REGISTRY[name].columns))
)


def slowly(name, text):
    """Ids and rows, and the reasons of the others, column by column."""
    rows, refused = [], []
    written = parsed(text)
    for position, record in enumerate(json.loads(text)):
        try:
            row = coercer_of(name).coerce(record, exact=True, written=written[position])
            rows.append((*row, position))
        except RecordRefused as why:
            refused.append((position, why.reason, str(why), why.record_id))
    return rows, refused


def quickly(name, text):
    decoded = decode(message(text, name), NOW)
    return (
        [(one.record_id, one.row, one.position) for one in decoded.records],
        [
            (one.record_index, one.reason, one.error, one.record_id)
            for one in decoded.dead_letters
        ],
    )


EVERY_DATASET = pytest.mark.parametrize("name", NAMES)


@EVERY_DATASET
@settings(max_examples=examples(8))
@given(data=st.data())
def test_records_have_the_rows_and_ids_of_the_slow_path(name, data):
    records = st.lists(fitting(REGISTRY[name].columns), min_size=1, max_size=4)
    text = dumps(data.draw(records))
    assert quickly(name, text) == slowly(name, text)


@given(OF_DATASETS, OF_DATASETS, st.data())
def test_a_record_beside_any_other_has_the_row_and_id_of_the_slow_path(
    one, other, data
):
    name, record = one
    strange = {**other[1], **data.draw(st.dictionaries(NAME, VALUES, max_size=2))}
    strange.pop("data", None)  # it may be an answer
    assume(_sound(strange))
    text = dumps([record, strange, record])
    assert quickly(name, text) == slowly(name, text)


# What JSON can say of a number, also twice.
NUMBERS = st.sampled_from(
    (
        "0",
        "-0",
        "-0.0",
        "12.0",
        "350.00",
        "1e3",
        "1E5",
        "1e15",
        "1e16",
        "1e-5",
        "1e-7",
        "5e-324",
        "1.5e300",
        "4.35e1",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993.0",
        "-9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1e19",
        "1" * 30,
        '"12"',
        '"12.0"',
        '"x"',
        "null",
        "true",
        "[]",
        "{}",
    )
)


@given(st.sampled_from(["FREQ", "PN", "DISPTAV", "BOD"]), st.data())
def test_a_number_in_any_form_has_the_row_and_id_of_the_slow_path(name, data):
    dataset = REGISTRY[name]
    time = f'"{dataset.event_time}":"2026-05-06T00:00:00Z"'
    names = st.sampled_from([column.name for column in dataset.columns])
    items = data.draw(st.lists(st.tuples(names, NUMBERS), max_size=4))
    fields = [time, *(f'"{field}":{number}' for field, number in items)]
    text = f"[{{{','.join(fields)}}}]".encode()
    assert quickly(name, text) == slowly(name, text)


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("DISPTAV", {"totalVolumeAccepted": 1.5, "pairVolumes": {"negative1": 7.5}}),
        ("DISPTAV", {"totalVolumeAccepted": 1.5, "pairVolumes": {"negative1": 7.0}}),
        ("DISPTAV", {"totalVolumeAccepted": 1.5, "pairVolumes": {"negative1": None}}),
        (
            "REMIT",
            {"outageProfile": [{"capacity": 350.0}, {"startTime": "2026-05-06"}]},
        ),
        (
            "REMIT",
            {"outageProfile": [{"capacity": 7, "startTime": "2026-05-06T00:00:00Z"}]},
        ),
        ("FREQ", {"frequency": 50.0, "note": "1.0,"}),
    ],
)
def test_nested_and_whole_numbers_have_the_rows_and_ids_of_the_slow_path(name, record):
    time = {REGISTRY[name].event_time: "2026-05-06T00:00:00Z"}
    text = dumps([record, {**time, **record}, record])
    assert quickly(name, text) == slowly(name, text)


def test_a_record_that_every_parser_reads_alike_does_not_take_the_slow_path():
    record = {"measurementTime": "2026-05-06T00:00:00Z", "frequency": 50.0}
    (typed,) = decode(message(dumps([record]), "FREQ"), NOW).records
    assert (typed.source, typed.row) == (None, record)


@given(RECORDS, NAME, VALUES)
def test_a_changed_value_gives_another_id(record, name, value):
    changed = {**record, name: value}
    assume(_sound(value) and all(_sound(inner) for inner in record.values()))
    assume(_plain(changed) != _plain(record))
    assert record_id("PN", record) != record_id("PN", changed)


@given(RECORDS)
def test_the_id_does_not_depend_on_the_registry(record):
    # A record of which no column is known has no row.
    record = {**record, "then": "2026-05-06T00:00:00Z"}
    # The same dataset before anyone knew its columns: everything goes to `extra`.
    unknown = parse_dataset(
        "PN.yaml",
        "{dataset: PN, title: t, group: g, event_time: then, natural_key: [then], "
        "latest_key: [then], columns: [{name: then, type: TIMESTAMP}]}",
    )
    typed, _ = Coercer(REGISTRY["PN"]).rows([record], exact=True)
    untyped, _ = Coercer(unknown).rows([record], exact=True)
    # A record that its columns refuse still has an id where nothing refuses it.
    assert len(untyped) >= len(typed)
    assert [one.record_id for one in untyped][: len(typed)] == [
        one.record_id for one in typed
    ]


@given(VALUES, st.sampled_from(sorted(CONVERTERS)))
def test_a_conversion_is_stable_or_refused(value, kind):
    assume(value is not None)
    try:
        once = CONVERTERS[kind](value)
    except ValueRefused:
        return
    assert CONVERTERS[kind](once) == once


def _sound(value):
    """Whether a value has an id at all: finite, and text that is UTF-8."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_sound(inner) for inner in value.values())
    return not isinstance(value, list) or all(map(_sound, value))


def _plain(value):
    """The value that identity is about: no nulls, and numbers by value."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return (isinstance(value, bool), value)


@given(st.datetimes(), st.sampled_from(["seconds", "milliseconds", "microseconds"]))
def test_a_time_in_a_usual_form_is_the_instant_that_it_names(moment, timespec):
    text = moment.isoformat(timespec=timespec)
    instant = datetime.fromisoformat(text)
    # The same with an offset takes the other way.
    offset = f"{instant.isoformat()}+00:00"
    assert to_timestamp(f"{text}Z") == to_timestamp(offset) == f"{instant.isoformat()}Z"


USUAL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{3}|\.\d{6})?Z", re.ASCII)


@given(st.from_regex(USUAL, fullmatch=True), st.sampled_from(["", "\n", "Z", " "]))
@example("2026-05-06T24:00:00Z", "")
@example("2026-02-29T00:00:00.000Z", "")
def test_a_time_that_does_not_exist_is_refused(text, more):
    seconds, fraction = USUAL.fullmatch(text).groups()
    try:
        moment = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007
    except ValueError:
        moment = None
    try:
        found = to_timestamp(text + more)
    except ValueRefused:
        assert more or moment is None
    else:
        moment += timedelta(microseconds=int((fraction or ".0")[1:].ljust(6, "0")))
        assert (found, more) == (moment.isoformat() + "Z", "")


@given(st.lists(st.binary(max_size=3_000), max_size=20))
def test_members_of_gzip_are_unpacked_one_after_another(parts):
    packed = b"".join(gzip.compress(part, mtime=0) for part in parts)
    assert unpack(packed, "gzip") == b"".join(parts)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.data())
def test_gzip_that_is_cut_off_is_refused(parts, data):
    packed = b"".join(gzip.compress(part, mtime=0) for part in parts)
    ends = {
        len(b"".join(gzip.compress(p, mtime=0) for p in parts[:n])) for n in range(9)
    }
    cut = data.draw(st.integers(1, len(packed) - 1).filter(lambda n: n not in ends))
    with pytest.raises(MessageRefused):
        unpack(packed[:cut], "gzip")


@given(st.integers(0, 2_000), st.integers(1, 2_000))
def test_what_unpacks_to_more_than_the_limit_is_refused(size, limit):
    packed = gzip.compress(bytes(size)) + gzip.compress(b"")
    if size <= limit:
        assert len(unpack(packed, "gzip", limit)) == size
    else:
        with pytest.raises(MessageRefused):
            unpack(packed, "gzip", limit)
