"""One message to everything that becomes of it, case by case."""

import gc
import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core import decoding
from pipeline.core.coercion import Coercer
from pipeline.core.decoding import Message, decode
from pipeline.core.identity import record_id
from pipeline.core.reasons import Reason, Stage
from pipeline.registry import load_registry

NOW = "2026-05-06T03:00:00Z"
FREQ = {
    "dataset": "FREQ",
    "measurementTime": "2026-05-08T00:00:00Z",
    "frequency": 49.97,
}


def body_of(*records, double=True):
    text = json.dumps(list(records))
    return json.dumps(text).encode() if double else text.encode()


def decoded(dataset, *records, **attributes):
    return decode_body(body_of(*records), dataset, **attributes)


def decode_body(body, dataset="FREQ", **attributes):
    return decode(Message(body, {"dataset": dataset, **attributes}), NOW)


def rows(result):
    return [typed.row for typed in result.records]


def only_letter(result):
    assert result.records == []
    assert result.count == 1
    (letter,) = result.dead_letters
    return letter


@pytest.mark.parametrize("double", [False, True])
def test_the_real_samples_become_rows_with_equal_values(samples: list[Path], double):
    assert len(samples) == 16
    for path in samples:
        payload = path.read_bytes()
        body = json.dumps(payload.decode()).encode() if double else payload
        result = decode_body(body, path.parent.name)
        records = json.loads(payload)
        assert result.dead_letters == []
        assert rows(result) == [
            {name: value for name, value in record.items() if value is not None}
            for record in records
        ]


def test_metadata_comes_from_the_attributes():
    result = decoded(
        "FREQ", FREQ, message_id="F_1.json", enqueued_time="2026-05-08T00:00:01.5Z",
        source="IRIS_ARCHIVE",
    )  # fmt: skip
    assert result.metadata == {
        "ingested_utc": NOW,
        "source": "IRIS_ARCHIVE",
        "message_id": "F_1.json",
        "enqueued_utc": "2026-05-08T00:00:01.500000Z",
    }


def test_a_wrong_enqueued_time_costs_no_record():
    result = decoded("FREQ", FREQ, enqueued_time="yesterday")
    assert result.metadata["enqueued_utc"] is None
    assert len(result.records) == 1


@pytest.mark.parametrize("encodings", [0, 1, 2, 5])
def test_any_number_of_encodings_is_undone(encodings):
    text = json.dumps([FREQ])
    for _ in range(encodings):
        text = json.dumps(text)
    assert rows(decode_body(text.encode())) == [FREQ]


def test_a_bare_object_is_one_record():
    assert rows(decode_body(json.dumps(json.dumps(FREQ)).encode())) == [FREQ]


def test_an_empty_array_is_a_message_without_records():
    result = decode_body(b'"[]"')
    assert (result.count, result.records, result.dead_letters) == (0, [], [])


@pytest.mark.parametrize("encodings", [0, 1, 2])
def test_a_byte_order_mark_is_passed_over_at_each_level(encodings):
    text = "\ufeff" + json.dumps([FREQ])
    for _ in range(encodings):
        text = "\ufeff" + json.dumps(text)
    assert rows(decode_body(text.encode())) == [FREQ]


def test_json_lines_may_begin_with_a_byte_order_mark():
    text = "\ufeff" + "\n".join(json.dumps(each) for each in (FREQ, FREQ))
    assert rows(decode_body(text.encode())) == [FREQ, FREQ]
    assert rows(decode_body(json.dumps(text).encode())) == [FREQ, FREQ]


def test_gzip_is_undone_by_attribute_and_by_its_first_bytes():
    body = gzip.compress(body_of(FREQ))
    assert rows(decode_body(body, content_encoding="gzip")) == [FREQ]
    assert rows(decode_body(body)) == [FREQ]
    two_members = gzip.compress(b'"[') + gzip.compress(b']"')
    assert decode_body(two_members).count == 0


@pytest.mark.parametrize(
    "body", [gzip.compress(body_of(FREQ), mtime=0)[:-4], b"\x1f\x8bnonsense", b"{}"]
)
def test_broken_gzip_is_a_dead_letter(body):
    letter = only_letter(decode_body(body, content_encoding="gzip"))
    assert (letter.stage, letter.reason) == (Stage.DECODE, Reason.INVALID_GZIP)
    assert letter.payload == body


def test_a_gzip_bomb_is_stopped(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_UNPACKED_BYTES", 1000)
    letter = only_letter(decode_body(gzip.compress(b" " * 1001)))
    assert letter.reason == Reason.INVALID_GZIP


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'""',
        b'"[{\\"dataset\\": "',
        b"[{]",
        b"\xff\xfe[\x00]\x00",
        b'"' + b"[" * 100_000 + b'"',
        b"[" * 100_000,
        b"[1] trailing",
    ],
)
def test_what_is_no_json_is_a_dead_letter_with_its_bytes(body):
    letter = only_letter(decode_body(body))
    assert (letter.stage, letter.reason) == (Stage.DECODE, Reason.INVALID_JSON)
    assert letter.payload == body
    assert letter.record_index is None


@pytest.mark.parametrize("body", [b"12", b"true", b"null", b'"null"'])
def test_json_that_holds_no_records_is_a_dead_letter(body):
    assert only_letter(decode_body(body)).reason == Reason.NOT_RECORDS


def test_an_unknown_dataset_is_unmapped_and_not_opened():
    result = decode_body(b"anything", "NEWDATA")
    assert result.unmapped
    assert (result.dataset, result.count, result.dead_letters) == ("NEWDATA", 1, [])


def test_a_missing_subject_is_unmapped_where_the_records_name_no_dataset():
    nameless = {name: FREQ[name] for name in FREQ if name != "dataset"}
    for attributes in ({}, {"dataset": "unknown"}, {"dataset": ""}):
        result = decode(Message(body_of(nameless), attributes), NOW)
        assert (result.dataset, result.unmapped, result.count) == ("unknown", True, 1)


def test_an_alias_is_its_dataset():
    assert decoded("SYSWARN", {"warningText": "x"}).dataset == "SYS_WARN"


def test_one_bad_record_costs_none_of_its_neighbours():
    bad = {**FREQ, "frequency": "fifty"}
    result = decoded("FREQ", FREQ, bad, 7, FREQ)
    assert [typed.position for typed in result.records] == [0, 3]
    assert result.count == 4
    first, second = result.dead_letters
    assert (first.stage, first.reason) == (Stage.COERCE, Reason.WRONG_TYPE)
    assert first.record_index == 1
    assert first.error == "frequency: 'fifty' is not a number"
    assert json.loads(first.payload) == bad
    assert (second.record_index, second.reason) == (2, Reason.NOT_AN_OBJECT)
    assert second.payload == b"7"


def test_an_element_that_is_no_object_keeps_all_its_digits():
    number = b"123456789012345678901234567890"
    first, second = decode_body(b"[%b,[%b]]" % (number, number)).dead_letters
    assert (first.payload, second.payload) == (number, b"[%b]" % number)


def test_a_dead_letter_keeps_the_record_as_it_came():
    record = {"timeFrom": "2026-05-06T02:31:00.000Z", "levelFrom": 12.5, "z": None}
    (letter,) = decoded("PN", record).dead_letters
    assert letter.error == "levelFrom: 12.5 is not a whole number"
    assert letter.payload == (
        b'{"timeFrom":"2026-05-06T02:31:00.000Z","levelFrom":12.5,"z":null}'
    )


@pytest.mark.parametrize(
    "body",
    [
        b'[{"levelFrom": 12.5, "levelTo": 350.0, "z": null}]',
        b'[{"levelFrom": 12.5, "zz": 123456789012345678901234567890}]',
        b'[{"zz": {"b": [1.0, null, -0.0], "a": 1e300}, "levelFrom": "x"}]',
        b'[{"levelFrom": 12.5, "zz": "\\ud800"}]',
    ],
)
def test_a_refused_record_has_the_id_of_the_row_that_it_becomes(body, monkeypatch):
    (letter,) = decode_body(body, "PN").dead_letters
    pn = load_registry()["PN"]
    corrected = replace(
        pn,
        columns=tuple(
            replace(
                column, type="STRING" if column.name == "levelFrom" else column.type
            )
            for column in pn.columns
        ),
    )
    monkeypatch.setattr(decoding, "coercer_of", lambda _: Coercer(corrected))
    (row,) = decode_body(letter.payload, "PN").records
    assert row.record_id == letter.record_id is not None


def test_what_is_no_record_has_no_id():
    body = b'[{"frequency": NaN}, 7, {"frequency": "x"}]'
    letters = decode_body(body).dead_letters
    assert [letter.record_id is None for letter in letters] == [True, True, False]
    assert only_letter(decode_body(b"[{")).record_id is None


def test_nan_costs_only_its_own_record():
    body = b'[{"frequency": NaN}, {"frequency": 50.5}, {"unknown": -Infinity}]'
    result = decode_body(body)
    assert rows(result) == [{"frequency": 50.5}]
    assert [letter.reason for letter in result.dead_letters] == ["NOT_FINITE"] * 2
    assert b"NaN" in result.dead_letters[0].payload


def test_numbers_keep_their_value_in_any_form():
    (row,) = rows(decoded("PN", {"levelFrom": 12.0, "levelTo": "-3"}))
    assert row == {"levelFrom": 12, "levelTo": -3}
    (row,) = rows(decoded("REMIT", {"normalCapacity": 457}))
    assert row == {"normalCapacity": 457.0}


def test_integers_beyond_64_bits_are_refused_and_never_rounded():
    (letter,) = decoded("PN", {"levelFrom": 2**64 + 1}).dead_letters
    assert letter.reason == Reason.OUT_OF_RANGE
    assert str(2**64 + 1).encode() in letter.payload
    (row,) = rows(decoded("PN", {"levelTo": 1, "serial": 2**64 + 1}))
    assert row == {"levelTo": 1, "extra": '{"serial":18446744073709551617}'}


def test_unknown_fields_go_to_extra_under_their_path():
    record = {
        "mrid": "a",
        "newField": {"b": 1, "a": [None]},
        "nothing": None,
        "a.b": 2,
        "outageProfile": [{"capacity": 1}, {"capacity": 2, "note": "x"}],
    }
    (row,) = rows(decoded("REMIT", record))
    assert json.loads(row.pop("extra")) == {
        "newField": {"b": 1, "a": [None]},
        '["a.b"]': 2,
        "outageProfile[1].note": "x",
    }
    assert row == {
        "mrid": "a",
        "outageProfile": [{"capacity": 1.0}, {"capacity": 2.0}],
    }


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ({"capacity": 1}, "outageProfile: {'capacity': 1} is not an array"),
        ([7], "outageProfile[0]: 7 is not an object"),
        ([None], "outageProfile[0]: None is not an object"),
        ([[{"capacity": 1}]], "outageProfile[0]: [{'capacity': 1}] is not an object"),
        (
            [{"startTime": "soon"}],
            "outageProfile[0].startTime: 'soon' is not a time",
        ),
    ],
)
def test_nested_faults_are_named_by_their_path(profile, said):
    letters = decoded("REMIT", *[{"outageProfile": profile}] * 3).dead_letters
    assert [letter.error for letter in letters] == [said] * 3


@pytest.mark.parametrize(
    ("dataset", "record"),
    [
        ("DISPTAV", {"bmUnit": "T_A-1", "pairVolumes": {"negative1": -1.5}}),
        ("REMIT", {"mrid": "a", "outageProfile": [{"capacity": 1}, {"capacity": 2.5}]}),
        ("REMIT", {"mrid": "a", "outageProfile": []}),
    ],
)
def test_a_nested_record_without_an_event_time_is_its_own_row(dataset, record):
    typed = decoded(dataset, *[record] * 3).records
    assert [one.row for one in typed] == [record] * 3
    assert [one.record for one in typed] == [record] * 3


def test_half_a_surrogate_pair_is_a_dead_letter_with_its_text():
    result = decode_body(b'[{"fuelType": "\\ud800"}, {"fuelType": "WIND"}]', "FUELHH")
    assert rows(result) == [{"fuelType": "WIND"}]
    assert result.dead_letters[0].payload == b'{"fuelType":"\\ud800"}'


def test_deep_nesting_inside_a_record_is_kept_or_refused_but_never_raises():
    for depth in (100, 300, 900, 5_000):
        body = b'[{"x": ' + b"[" * depth + b"]" * depth + b"}]"
        result = decode_body(body)
        assert len(result.records) + len(result.dead_letters) == result.count == 1


def test_a_fault_of_our_own_keeps_the_message(monkeypatch):
    def broken(_message, _now):
        raise KeyError("bug")

    monkeypatch.setattr(decoding, "_decode", broken)
    letter = only_letter(decode_body(body_of(FREQ)))
    assert letter.reason == Reason.INTERNAL
    assert letter.payload == body_of(FREQ)


def test_ids_do_not_depend_on_the_way_a_record_was_typed():
    plain = {"levelFrom": 12, "levelTo": 3, "bmUnit": "T_A-1"}
    odd = {"bmUnit": "T_A-1", "levelTo": 3.0, "levelFrom": 12.0, "dataset": None}
    first, second = decoded("PN", plain, odd).records
    assert first.record_id == second.record_id == record_id("PN", plain)
    assert len(first.record_id) == 32


def test_ids_differ_between_datasets():
    assert record_id("NDF", {"demand": 1}) != record_id("TSDF", {"demand": 1})


def test_ids_are_stable_over_releases():
    # Tables hold it: this value must never change.
    assert record_id("FREQ", FREQ) == "b75afd1223bff5d21e79dde4cb22a89e"


def test_the_collector_leaves_the_rows_of_a_large_message_alone():
    body = body_of(*[FREQ | {"frequency": 49 + n / 10_000} for n in range(2_000)])
    generations = []

    def note(phase, information):
        if phase == "start":
            generations.append(information["generation"])

    threshold = gc.get_threshold()
    decoding.collect_rarely()
    gc.collect()
    gc.callbacks.append(note)
    try:
        assert len(decode_body(body).records) == 2_000
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*threshold)
    assert generations == []


HALF_HOUR = {
    "dataset": "FUELHH",
    "publishTime": "2026-05-06T03:00:00Z",
    "startTime": "2026-05-06T02:30:00Z",
    "settlementDate": "2026-05-06",
    "settlementPeriod": 8,
    "fuelType": "CCGT",
    "generation": 7729,
}
FIVE_MINUTES = {**HALF_HOUR, "dataset": "FUELINST"}


@pytest.mark.parametrize("more", [{}, {"new": 1}, {"generation": "7729"}])
@pytest.mark.parametrize("form", ["array", "answer", "lines"])
def test_a_record_of_another_dataset_is_never_a_row_of_this_one(form, more):
    records = [HALF_HOUR, {**FIVE_MINUTES, **more}, {**HALF_HOUR, **more}]
    body = {
        "array": body_of(*records),
        "answer": json.dumps({"data": records}).encode(),
        "lines": "\n".join(map(json.dumps, records)).encode(),
    }[form]
    result = decode_body(body, "FUELHH")
    assert [typed.position for typed in result.records] == [0, 2]
    (letter,) = result.dead_letters
    assert (letter.record_index, letter.reason) == (1, Reason.OTHER_DATASET)
    assert letter.error == "dataset: the record is of FUELINST, its message of FUELHH"
    assert json.loads(letter.payload) == records[1]


@pytest.mark.parametrize(
    ("subject", "named"),
    [
        ("mibm_mid", "MID"),
        ("LOLPDM", "LOLPDRM"),
        ("CDN", "E0361"),
        ("FUELHH", None),
        ("FUELHH", "FUELHH "),
        ("FUELHH", "fuelinst"),
    ],
)
def test_another_name_of_its_own_dataset_costs_no_record(subject, named):
    record = {"dataset": named, "publishTime": HALF_HOUR["publishTime"]}
    if subject == "mibm_mid":
        record = {"dataset": named, "startTime": HALF_HOUR["startTime"]}
    result = decode_body(body_of(record), subject)
    assert (len(result.records), result.dead_letters) == (1, [])
