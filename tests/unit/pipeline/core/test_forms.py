"""The forms of a body, and the dataset that its records name."""

import gzip
import json

import pytest

from pipeline.core.coercion import Coercer
from pipeline.core.decoding import INSIGHTS_API, Message, dataset_of, decode
from pipeline.core.forms import PROBE_LINES, lines_opened
from pipeline.core.identity import record_id
from pipeline.core.reasons import Reason, Stage
from pipeline.registry import parse_dataset

NOW = "2026-05-06T03:00:00Z"
TIMES = [f"2026-05-08T00:00:{second:02}Z" for second in range(0, 60, 15)]
FIRST, SECOND, THIRD, FOURTH = [
    {"dataset": "FREQ", "measurementTime": time, "frequency": 49.97} for time in TIMES
]
PAIR = [FIRST, SECOND]
METADATA = {"datasets": ["FREQ"]}


def decode_body(body, dataset="FREQ", **attributes):
    return decode(Message(body, {"dataset": dataset, **attributes}), NOW)


def dumped(value):
    return json.dumps(value).encode()


def lines(*values, end="\n"):
    return end.join(json.dumps(value) for value in values).encode()


def times(result):
    return [typed.row.get("measurementTime") for typed in result.records]


def letters(result):
    return [(each.record_index, each.reason) for each in result.dead_letters]


@pytest.mark.parametrize(
    "value",
    [
        {"data": PAIR},
        {"metadata": METADATA, "data": PAIR},
        {"data": PAIR, "metadata": None, "links": {"next": None}, "total": 2},
        {"dataset": "FREQ", "data": PAIR},
        {"data": PAIR, "errors": [], "error": None, "status": 200},
        {"data": {"data": PAIR}},
        [{"data": FIRST}, {"metadata": METADATA, "data": [SECOND]}],
        [{"data": [FIRST]}, {"data": []}, SECOND],
    ],
)
@pytest.mark.parametrize("encodings", [0, 1, 2])
def test_the_records_of_an_answer_are_rows_of_the_api(value, encodings):
    body = json.dumps(value)
    for _ in range(encodings):
        body = json.dumps(body)
    for data in (body.encode(), gzip.compress(body.encode())):
        result = decode_body(data, message_id="m")
        assert (times(result), result.count) == (TIMES[:2], 2)
        assert result.dead_letters == []
        assert result.metadata["source"] == INSIGHTS_API
        assert result.corrected == {"source": INSIGHTS_API}
        assert [each.record_id for each in result.records] == [
            record_id("FREQ", record) for record in PAIR
        ]


@pytest.mark.parametrize("source", ["IRIS_ARCHIVE", "INSIGHTS_API"])
def test_an_answer_does_not_change_another_source(source):
    result = decode_body(dumped({"data": PAIR}), source=source)
    assert (result.metadata["source"], result.corrected) == (source, {})


def test_records_without_an_envelope_have_the_source_of_their_message():
    for body in (dumped(PAIR), dumped(FIRST), lines(*PAIR)):
        assert decode_body(body).metadata["source"] == "IRIS"


@pytest.mark.parametrize("body", [b'{"data": []}', b'[{"data": []}]', b"[]\n[]"])
def test_an_answer_without_records_is_a_message_without_records(body):
    result = decode_body(body)
    assert (result.count, result.records, result.dead_letters) == (0, [], [])


@pytest.mark.parametrize(
    "value",
    [
        {"errors": {"From": ["is required"]}},
        {"type": "about:blank", "title": "Bad Request", "status": 400},
        {"data": [], "status": 503},
        {"data": PAIR, "errors": ["timed out after 2 records"]},
        {"data": PAIR, "error": "timed out"},
        {"data": None},
        {"data": json.dumps(PAIR)},
        {"items": PAIR},
        {"data": {"data": {"data": {"data": {"data": PAIR}}}}},
        {"metadata": METADATA},
        {"dataset": "FREQ"},
        {"dataset": "FREQ", "note": "no more"},
        {"dataset": "FREQ", "frequency": None, "measurementTime": None},
        {},
        {"dataset": "Frequency", "fuelType": "WIND", "generation": 1},
    ],
)
def test_an_object_of_which_no_column_is_known_is_a_dead_letter(value):
    for body in (dumped(value), dumped([value]), lines(value, value)):
        result = decode_body(body)
        assert result.records == []
        assert len(result.dead_letters) == result.count
        for letter in result.dead_letters:
            assert (letter.stage, letter.reason) == (
                Stage.COERCE,
                Reason.NO_KNOWN_FIELD,
            )
            assert "FREQ" in letter.error


def test_a_form_without_values_is_refused_however_often_it_comes():
    """From the second time on, a form may be proved by code compiled for it."""
    blank = dict.fromkeys(("dataset", "frequency"))
    result = decode_body(dumped([FIRST, *[blank, {"dataset": "FREQ"}] * 4, FIRST]))
    assert [typed.position for typed in result.records] == [0, 9]
    assert letters(result) == [(n, Reason.NO_KNOWN_FIELD) for n in range(1, 9)]


def test_one_known_field_makes_a_row_and_the_others_are_extra():
    (typed,) = decode_body(dumped([{"frequency": 50, "a": 1, "b": 2}])).records
    assert typed.row == {"frequency": 50, "extra": '{"a":1,"b":2}'}


@pytest.mark.parametrize(
    ("value", "column"),
    [(0, "INT64"), (0.0, "FLOAT64"), ("", "STRING"), (False, "BOOL")],
)
def test_zero_and_empty_text_are_values(value, column):
    coercer = Coercer(registered(f"{{name: level, type: {column}}}"))
    typed, _ = coercer.rows([{"level": value}] * 3, exact=False)
    assert [each.row for each in typed] == [{"level": value}] * 3


def test_empty_arrays_and_objects_say_nothing():
    fields = "type: RECORD, fields: [{name: x, type: INT64}]"
    coercer = Coercer(
        registered(f"{{name: a, {fields}}}, {{name: b, mode: REPEATED, {fields}}}")
    )
    nothing = [{"a": {}}, {"b": []}, {"a": {}, "b": []}, {"a": {"other": 1}}]
    typed, refused = coercer.rows([*nothing * 3, {"a": {"x": 0}}], exact=False)
    assert [each.row for each in typed] == [{"a": {"x": 0}}]
    assert {each.why.reason for each in refused} == {Reason.NO_KNOWN_FIELD}


def registered(columns):
    return parse_dataset(
        "ONE.yaml",
        "{dataset: ONE, title: t, group: g, event_time: then, natural_key: [then], "
        f"latest_key: [then], columns: [{{name: then, type: TIMESTAMP}}, {columns}]}}",
    )


@pytest.mark.parametrize("name", ["data", "metadata"])
def test_a_dataset_may_have_a_column_called_data(monkeypatch, name):
    fields = "type: RECORD, fields: [{name: x, type: INT64}]"
    coercer = Coercer(registered(f"{{name: {name}, {fields}}}"))
    monkeypatch.setattr("pipeline.core.decoding.coercer_of", lambda _: coercer)
    value = {"data": {"x": 1}, "metadata": {"x": 2}}
    for body in (dumped(value), dumped([value])):
        (typed,) = decode_body(body).records
        assert typed.row[name] == value[name]
        assert "extra" in typed.row


def test_a_record_with_a_known_field_is_a_record_even_if_it_has_data():
    (typed,) = decode_body(dumped({**FIRST, "data": PAIR})).records
    assert typed.row["measurementTime"] == TIMES[0]
    assert json.loads(typed.row["extra"]) == {"data": PAIR}


@pytest.mark.parametrize(
    "body",
    [
        lines(FIRST, SECOND),
        lines(FIRST, SECOND) + b"\n",
        lines(FIRST, SECOND, end="\r\n") + b"\r\n\r\n",
        b"\n \n" + lines(FIRST, SECOND, end="\n\n  \n"),
        b"\xef\xbb\xbf" + lines(FIRST, SECOND),
        lines([FIRST], [SECOND]),
        lines([], [FIRST, SECOND]),
        lines({"data": [FIRST]}, {"data": [SECOND]}),
        lines(json.dumps([FIRST]), json.dumps([SECOND])),
        lines(FIRST, [SECOND]),
        dumped(lines(FIRST, SECOND).decode()),
        gzip.compress(lines(FIRST, SECOND), mtime=0),
    ],
)
def test_json_lines_are_records(body):
    result = decode_body(body)
    assert (times(result), result.count, letters(result)) == (TIMES[:2], 2, [])


def test_a_line_separator_of_unicode_inside_a_text_ends_no_line():
    note = {**FIRST, "note": "a\u2028b\u0085c"}
    text = "\n".join(json.dumps(each, ensure_ascii=False) for each in (note, SECOND))
    for body in (text.encode(), dumped(text)):
        assert times(decode_body(body)) == TIMES[:2]


@pytest.mark.parametrize(
    ("broken", "index"),
    [
        (lines(FIRST, SECOND) + b'\n{"dataset": "FR', 2),
        (lines(FIRST) + b'\n{"dataset": }\r\n' + lines(SECOND), 1),
        (b'"FREQ", "frequency": 50}\n' + lines(FIRST, SECOND), 0),
        (lines(FIRST, SECOND) + b"\n" + b'{"a":' * 100_000, 2),
        (lines(FIRST) + b'\n{"dataset": "\xff"}\n' + lines(SECOND), 1),
        # The writer was killed, and began again.
        (lines(FIRST) + b'\n{"dataset": "FREQ",\n' + lines(SECOND), 1),
    ],
)
def test_a_broken_line_costs_only_itself(broken, index):
    result = decode_body(broken)
    assert times(result) == TIMES[:2]
    assert letters(result) == [(index, Reason.INVALID_JSON)]
    (letter,) = result.dead_letters
    payload = [line for line in broken.split(b"\n") if line.strip()][index]
    assert letter.payload == payload.removesuffix(b"\r")
    assert letter.record_id is None


def test_nan_and_large_integers_in_lines_are_as_in_an_array():
    odd = [{**SECOND, "frequency": float("nan")}, {**THIRD, "serial": 2**64 + 1}]
    by_line = decode_body(lines(FIRST, *odd, FOURTH))
    whole = decode_body(dumped([FIRST, *odd, FOURTH]))
    assert letters(by_line) == letters(whole) == [(1, Reason.NOT_FINITE)]
    assert by_line.records == whole.records
    assert json.loads(by_line.records[1].row["extra"]) == {"serial": 2**64 + 1}


@pytest.mark.parametrize("cut", [0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99])
def test_an_array_or_object_over_several_lines_that_is_cut_off_is_no_json_lines(cut):
    bodies = [json.dumps(value, indent=2) for value in (PAIR, {"data": PAIR}, FIRST)]
    by_line = ",\n".join(map(json.dumps, [*PAIR, THIRD, FOURTH]))
    for text in (*bodies, f"[{by_line}]", f"[\n{by_line}\n]", f"[{by_line}\n]"):
        body = text[: int(cut * len(text))].encode()
        result = decode_body(body)
        assert letters(result) == [(None, Reason.INVALID_JSON)]
        assert result.dead_letters[0].payload == body


def test_a_long_text_that_is_no_json_lines_is_given_up_early():
    parsed = []

    def parse(line):
        parsed.append(line)
        return json.loads(line)

    assert (
        lines_opened(b'"x":\n' * 10_000 + lines(*PAIR * 10_000), parse, set()) is None
    )
    assert len(parsed) == PROBE_LINES


@pytest.mark.parametrize(
    "body", [b"1\n2", b'"a"\n"b"', b"null\nnull", b"{}{}", b"<a>\n</a>", b"a,b\n1,2"]
)
def test_lines_that_hold_no_records_are_one_dead_letter(body):
    assert letters(decode_body(body)) == [(None, Reason.INVALID_JSON)]


def test_a_scalar_among_lines_is_an_element_that_is_not_an_object():
    result = decode_body(lines(FIRST, SECOND) + b"\n7")
    assert letters(result) == [(2, Reason.NOT_AN_OBJECT)]


NAMELESS = {"measurementTime": TIMES[0], "frequency": 50.0}
CREDIT = {"dataset": "CDN", "bscPartyId": "A"}


@pytest.mark.parametrize(
    ("value", "dataset"),
    [
        (PAIR, "FREQ"),
        (FIRST, "FREQ"),
        ([CREDIT, {**CREDIT, "dataset": "E0361"}], "E0361"),
        ({"data": PAIR}, "FREQ"),
        ({"metadata": METADATA, "data": [NAMELESS]}, "FREQ"),
        ({"metadata": METADATA, "data": [NAMELESS, FIRST]}, "FREQ"),
        ({"metadata": METADATA, "data": []}, "FREQ"),
        ({"metadata": {"datasets": ["anything"]}, "data": PAIR}, "FREQ"),
        ([FIRST, 7, None], "FREQ"),
        ([], None),
        ([7], None),
        (NAMELESS, None),
        ([FIRST, NAMELESS], None),
        ([FIRST, CREDIT], None),
        ([{**FIRST, "dataset": "freq"}], None),
        ([{**FIRST, "dataset": None}], None),
        ([{**FIRST, "dataset": ["FREQ"]}], None),
        ([{**FIRST, "dataset": "NEW"}], None),
        ([{**FIRST, "dataset": "../FREQ"}], None),
        ([FIRST, {**FIRST, "dataset": "NEW"}], None),
        ({"metadata": METADATA, "data": [NAMELESS, CREDIT]}, None),
        ({"metadata": {"datasets": ["FREQ", "MID"]}, "data": [NAMELESS]}, None),
        ({"metadata": {"datasets": "FREQ"}, "data": [NAMELESS]}, "FREQ"),
        ({"metadata": [1], "data": [NAMELESS]}, None),
        (12, None),
    ],
)
@pytest.mark.parametrize("attributes", [{}, {"dataset": "unknown"}])
def test_a_message_without_a_subject_is_of_the_dataset_that_all_records_name(
    value, dataset, attributes
):
    text = json.dumps(value)
    for body in (text.encode(), dumped(text), gzip.compress(text.encode())):
        message = Message(body, attributes)
        result = decode(message, NOW)
        assert result.unmapped == (dataset is None)
        assert dataset_of(message) == result.dataset == (dataset or "unknown")
        if dataset:
            assert result.corrected["dataset"] == dataset
        else:
            assert (result.count, result.dead_letters) == (1, [])


def test_a_message_without_a_subject_becomes_what_it_becomes_with_one():
    records = [FIRST, {**SECOND, "frequency": "many"}, THIRD]
    without = decode(Message(dumped(records), {"message_id": "m"}), NOW)
    with_one = decode_body(dumped(records), message_id="m")
    assert without.records == with_one.records
    assert without.dead_letters == with_one.dead_letters
    assert without.metadata == with_one.metadata


def test_a_subject_that_the_registry_does_not_know_is_left_as_it_is():
    result = decode_body(dumped(PAIR), dataset="NEW")
    assert (result.dataset, result.unmapped) == ("NEW", True)


def test_a_cut_line_does_not_hide_what_the_others_name():
    body = lines(FIRST, SECOND) + b'\n{"dataset": "MI'
    result = decode(Message(body, {}), NOW)
    assert (result.dataset, times(result)) == ("FREQ", TIMES[:2])
    assert letters(result) == [(2, Reason.INVALID_JSON)]


@pytest.mark.parametrize("body", [b"", b"[{", b"\x1f\x8bnonsense", b"[" * 100_000])
def test_what_cannot_be_opened_has_no_dataset(body):
    result = decode(Message(body, {}), NOW)
    assert (result.dataset, result.unmapped) == ("unknown", True)


def test_a_large_message_without_a_subject_is_left_to_a_drain(monkeypatch):
    monkeypatch.setattr("pipeline.core.decoding.MAX_SERVICE_RECORDS", 1)
    message = Message(dumped(PAIR), {})
    result = decode(message, NOW, refuse_large=True)
    assert (result.dataset, letters(result)) == (
        "FREQ",
        [(None, Reason.TOO_LARGE_FOR_SERVICE)],
    )
