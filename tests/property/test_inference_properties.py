"""What is inferred from samples takes every one of them, and loses nothing."""

import contextlib
import datetime as dt
import json

from hypothesis import event, given
from hypothesis import strategies as st

from pipeline.core.coercion import Coercer
from pipeline.core.decoding import parse_exactly
from pipeline.core.inference import Samples
from pipeline.core.paths import names
from pipeline.core.values import EXACT_FLOAT, ValueRefused, to_timestamp
from pipeline.registry import parse_dataset
from sql.drift.registry_file import with_column
from sql.drift.unknown_datasets import UnknownDataset
from sql.drift.unknown_fields import FieldsSeen

FILE = """dataset: X
title: t
group: g
event_time: at
natural_key: [at]
latest_key: [at]
columns:
  - {name: at, type: TIMESTAMP}
  - name: profile
    type: RECORD
    mode: REPEATED
    fields:
      - {name: mw, type: INT64}
notes: []
"""
X = parse_dataset("X.yaml", FILE)
NOW = dt.datetime(2026, 5, 6, tzinfo=dt.UTC)
AT = "2026-05-06T00:00:00Z"

TEXTS = st.one_of(
    st.text(max_size=4),
    st.dates().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(["12", "true", "2022-07-01T01:34:00.0000000+01:00", "\ud800", ""]),
)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(2**53 - 2, 2**53 + 2),
    st.integers(2**63 - 2, 2**64 + 2),
    st.floats(allow_nan=False, allow_infinity=False),
)
NAMES = st.one_of(
    st.sampled_from(["a", "A", "b", "steps", "mw", "a.b", "c[0]", "", "source"]),
    st.text(max_size=2),
)


def values(scalars):
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)
        ),
        max_leaves=6,
    )


# Samples of one field are mostly alike: of one kind of scalar, in one shape.
ALIKE = st.one_of(
    *(
        st.lists(shape, min_size=1, max_size=5)
        for scalars in (TEXTS, NUMBERS, st.booleans(), st.dates().map(str))
        for shape in (
            scalars,
            st.lists(scalars, max_size=3),
            st.dictionaries(NAMES, st.none() | scalars, max_size=3),
            st.lists(st.dictionaries(NAMES, scalars, max_size=3), max_size=3),
        )
    )
)
ANY = st.lists(
    values(st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)), min_size=1, max_size=5
)
SAMPLES = st.one_of(ALIKE, ANY).map(
    lambda found: [value for value in found if value is not None]
)


def coerced(dataset, record):
    _, row = Coercer(dataset).coerce(record, exact=True)
    return row


def leaves(value, path=()):
    """Every scalar of a value with the names and places that lead to it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    elif value is not None:
        yield path, value


def kept(row):
    """The scalars of a row, those in `extra` with them, as texts that compare."""
    extra = json.loads(row.pop("extra", "{}"))
    found = [plain(path, value) for path, value in leaves(row)]
    for path, value in extra.items():
        found += [plain((*names(path), *more), inner) for more, inner in leaves(value)]
    return sorted(found)


def plain(path, value):
    """Names without places, which `extra` has in its paths; numbers and times by value.

    A STRING holds a number as its JSON text: both are the number here.
    """
    return ascii([name for name in path if isinstance(name, str)]) + by_value(value)


def by_value(value):
    if isinstance(value, str):
        with contextlib.suppress(ValueRefused):
            return to_timestamp(value)
        try:
            read = json.loads(value)
        except ValueError:
            return ascii(value)
        return ascii(value) if isinstance(read, str) else by_value(read)
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_FLOAT:
        value = int(value)
    return repr(value)


def assert_lossless(dataset, record):
    """The row of the record has every scalar of the record."""
    row = coerced(dataset, record)
    kind = dataset.column("newField").kind
    if kind == "STRING":
        assert type(row["newField"]) is str
    assert kept(row) == sorted(plain(path, value) for path, value in leaves(record))


@given(SAMPLES)
def test_the_inferred_column_takes_every_sample_and_loses_nothing(samples):
    seen = Samples()
    for value in samples:
        seen.add(value)
    event(f"problem: {bool(seen.problem)}")
    if seen.problem:
        return
    text = with_column("X.yaml", FILE, (), seen.column("newField"))
    dataset = parse_dataset("X.yaml", text)
    for value in samples:
        assert_lossless(dataset, {"at": AT, "newField": value})


@given(st.lists(st.one_of(NUMBERS, st.text(), st.dates().map(str)), min_size=1))
def test_numbers_and_texts_always_have_a_column(samples):
    scalars, array = Samples(), Samples()
    array.add(samples)
    for value in samples:
        scalars.add(value)
    assert (scalars.problem, array.problem) == ("", "")


@given(st.lists(st.dictionaries(NAMES, st.one_of(TEXTS, NUMBERS)), max_size=4))
def test_fields_seen_in_extra_can_be_added_and_their_rows_are_taken(profiles):
    record = {"at": AT, "profile": [{**each, "mw": 1} for each in profiles]}
    seen = FieldsSeen({"X": X})
    row = coerced(X, record)
    if "extra" in row:
        seen.add("X", NOW, row["extra"])
    text = FILE
    for field in seen.fields():
        assert (field.rows, field.first_seen) == (1, NOW)
        if not field.problem:
            text = with_column("X.yaml", text, field.names[:-1], field.column)
    dataset = parse_dataset("X.yaml", text)
    again = FieldsSeen({"X": dataset})
    after = coerced(dataset, record)
    if "extra" in after:
        again.add("X", NOW, after["extra"])
    assert all(field.problem for field in again.fields())


@given(st.lists(st.dictionaries(NAMES, values(st.one_of(NUMBERS, TEXTS))), max_size=4))
def test_a_proposed_dataset_takes_every_sample(records):
    records = [{**record, "publishTime": AT} for record in records]
    new = UnknownDataset("NEW")
    new.add(json.dumps(json.dumps(records)).encode(), None)
    new.propose({})
    if not records:
        assert new.problem
        return
    assert new.problem == ""
    assert (new.messages, new.records, new.refused) == (1, len(records), 0)
    dataset = parse_dataset("NEW.yaml", new.text)
    assert dataset.event_time == dataset.partition_column == "publishTime"
    for record in parse_exactly(json.dumps(records).encode()).records:
        coerced(dataset, record)
